//! Starting an operation of a callback API.
//!
//! Rules of [`Deferred::from_callback`], by what happens before the function
//! that starts the operation has returned:
//!
//! - \[nobody cancels a start\] Nobody else has the Deferred yet, so no cancel
//!   can come before the canceller is in its place.
//! - \[late canceller\] The resolver may have fired already, inside the start or
//!   on another thread. The canceller is then of no use, and is dropped.
//! - \[error wins\] A start that returns an error, or panics, says what became of
//!   the operation better than the resolver does, which it dropped, gave away or
//!   fired. After an error, whatever the resolver brings is dropped, and nothing
//!   is reported.
//! - \[result before a panic\] What fired before a panic stays, for the operation
//!   did start; the panic is reported.

use super::{Deferred, Resolver};
use crate::failure::{Failure, report};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};

/// # Making: from a callback API
impl<T: Send + 'static> Deferred<T> {
    /// Calls `start` with the [`Resolver`] of a new Deferred, to start an
    /// operation of a callback API.
    ///
    /// `start` returns one of these ([`Started`]):
    ///
    /// - nothing;
    /// - a canceller: a function that stops the operation. A cancel calls it,
    ///   once, on the thread that cancels; if the API then calls back, what it
    ///   brings is the result, else the failure is
    ///   [`Cancelled`](crate::Cancelled). It is dropped when the Deferred fires;
    /// - a `Result` of either with a [`Failure`], where the start may fail. An
    ///   `Err` is the Deferred's result, whatever became of the resolver.
    ///
    /// The resolver may fire before `start` returns, inside it or on another
    /// thread; a canceller is then dropped. If `start` panics, the Deferred fails
    /// with the panic, unless it was fired before.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::Deferred;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let d = Deferred::from_callback(|resolver| {
    ///     std::thread::spawn(move || resolver.callback(6 * 7));
    /// });
    /// assert_eq!(d.await.unwrap(), 42);
    /// # }
    /// ```
    ///
    /// An API whose start may fail, and returns the handle that stops the
    /// operation:
    ///
    /// ```
    /// use std::io;
    /// use std::sync::mpsc::{self, Sender};
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// /// It calls back on a thread of its own; dropping the handle stops it.
    /// struct Request { _stop: Sender<()> }
    ///
    /// fn request(url: &str, on_done: impl FnOnce(u16) + Send + 'static) -> io::Result<Request> {
    ///     if url.is_empty() {
    ///         return Err(io::ErrorKind::InvalidInput.into());
    ///     }
    ///     let (_stop, stopped) = mpsc::channel();
    ///     std::thread::spawn(move || match stopped.recv() {
    ///         Ok(()) => on_done(200),
    ///         Err(_stopped) => drop(on_done),
    ///     });
    ///     Ok(Request { _stop })
    /// }
    ///
    /// fn status(url: &str) -> Deferred<u16> {
    ///     Deferred::from_callback(|resolver| {
    ///         let request = request(url, |status| resolver.callback(status))?;
    ///         Ok(move || drop(request))
    ///     })
    /// }
    ///
    /// let d = status("/poem");
    /// d.cancel(); // drops the handle
    /// assert!(testing::failure_of(d).is_cancelled());
    /// assert!(testing::failure_of(status("")).is::<io::Error>());
    /// ```
    #[doc(alias = "oneshot")]
    #[doc(alias = "promise")]
    #[doc(alias = "suspendCancellableCoroutine")]
    #[doc(alias = "withCheckedContinuation")]
    #[doc(alias = "CompletableFuture")]
    #[track_caller]
    pub fn from_callback<S: Started>(start: impl FnOnce(Resolver<T>) -> S) -> Self {
        let made = Location::caller();
        let (resolver, d) = Deferred::new();
        match catch_unwind(AssertUnwindSafe(|| start(resolver))) {
            Ok(started) => started.apply_to(d, made),
            Err(payload) => {
                let panic = Failure::panicked(payload, made);
                let early = match d.try_result() {
                    // The unwinding dropped the resolver.
                    Ok(Err(failure)) if failure.is_resolver_dropped() => None,
                    Ok(early) => Some(early),
                    Err(pending) => {
                        pending.discard();
                        None
                    }
                };
                match early {
                    Some(early) => {
                        report(panic, made, None);
                        Deferred::ready(early, made)
                    }
                    None => Deferred::ready(Err(panic), made),
                }
            }
        }
    }
}

/// What the function that starts an operation may return: nothing, a canceller,
/// or a `Result` of either.
///
/// There are exactly these three implementations; see
/// [`Deferred::from_callback`].
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, testing};
///
/// // Nothing:
/// let d = Deferred::from_callback(|resolver| resolver.callback(1));
/// assert_eq!(testing::success_of(d), 1);
///
/// // A canceller:
/// let mut kept = None;
/// let d = Deferred::<()>::from_callback(|resolver| {
///     kept = Some(resolver);
///     || println!("stopped")
/// });
/// d.cancel();
/// assert!(testing::failure_of(d).is_cancelled());
///
/// // A `Result`:
/// let d = Deferred::<i32>::from_callback(|_resolver| Ok("seven".parse::<u16>().map(drop)?));
/// assert!(testing::failure_of(d).is::<std::num::ParseIntError>());
/// ```
#[diagnostic::on_unimplemented(
    message = "the function that starts an operation cannot return `{Self}`",
    label = "returns neither `()`, nor a canceller, nor a `Result` of these with a `Failure`",
    note = "if the value is of no use, end its line with `;`, so that the function returns `()`",
    note = "to stop the operation when the Deferred is cancelled, return a function: `move || handle.stop()`",
    note = "if the start may fail, use `?` and end with `Ok(())` or `Ok(move || handle.stop())`",
    note = "if the start returns another `Result`, add `.or_fail()` from `OrFail`"
)]
pub trait Started: sealed::Sealed {
    /// Puts the canceller in its place, or makes the error the result.
    #[doc(hidden)]
    fn apply_to<T: Send + 'static>(
        self,
        d: Deferred<T>,
        made: &'static Location<'static>,
    ) -> Deferred<T>;
}

impl Started for () {
    fn apply_to<T: Send + 'static>(
        self,
        d: Deferred<T>,
        _: &'static Location<'static>,
    ) -> Deferred<T> {
        d
    }
}

impl<F: FnOnce() + Send + 'static> Started for F {
    fn apply_to<T: Send + 'static>(
        self,
        d: Deferred<T>,
        _: &'static Location<'static>,
    ) -> Deferred<T> {
        d.with_late_canceller(self)
    }
}

impl<S: Started> Started for Result<S, Failure> {
    fn apply_to<T: Send + 'static>(
        self,
        d: Deferred<T>,
        made: &'static Location<'static>,
    ) -> Deferred<T> {
        match self {
            Ok(started) => started.apply_to(d, made),
            Err(failure) => {
                d.discard(); // [error wins]
                Deferred::ready(Err(failure), made)
            }
        }
    }
}

/// Of a function that only panics: the type `!`, which has no name yet where a
/// type is written.
#[diagnostic::do_not_recommend]
impl Started for sealed::Never {
    fn apply_to<T: Send + 'static>(
        self,
        _: Deferred<T>,
        _: &'static Location<'static>,
    ) -> Deferred<T> {
        self
    }
}

pub(crate) mod sealed {
    use super::Failure;

    /// Names what a function type returns.
    pub trait Returns {
        type Output;
    }
    impl<R> Returns for fn() -> R {
        type Output = R;
    }
    pub(super) type Never = <fn() -> ! as Returns>::Output;
    impl Sealed for Never {}

    pub trait Sealed {}
    impl Sealed for () {}
    impl<F: FnOnce() + Send + 'static> Sealed for F {}
    impl<S: super::Started> Sealed for Result<S, Failure> {}
}
