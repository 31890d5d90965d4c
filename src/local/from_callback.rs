//! Starting an operation of a callback API that stays on this thread.

use super::confined::Unmark;
use super::{LocalDeferred, LocalResolver, OnThread};
use crate::chain::{Deferred, Started, from_callback::sealed};
use crate::failure::Failure;
use std::panic::Location;

impl<T: 'static> LocalDeferred<T> {
    /// Calls `start` with the [`LocalResolver`] of a new Deferred, to start an
    /// operation of a callback API; as [`Deferred::from_callback`].
    ///
    /// `start` returns nothing, a canceller, or a `Result` of either
    /// ([`LocalStarted`]). The canceller need not be `Send`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::RefCell;
    /// use std::rc::Rc;
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// // A main loop of one's own: functions to call later.
    /// type Later = Rc<RefCell<Vec<Option<Box<dyn FnOnce()>>>>>;
    /// let later = Later::default();
    ///
    /// let start = || {
    ///     LocalDeferred::from_callback(|resolver| {
    ///         let mut calls = later.borrow_mut();
    ///         calls.push(Some(Box::new(|| resolver.callback(Rc::new(42)))));
    ///         let (number, later) = (calls.len() - 1, later.clone());
    ///         move || drop(later.borrow_mut()[number].take()) // the canceller
    ///     })
    /// };
    /// let (done, cancelled) = (start(), start());
    /// cancelled.cancel();
    /// let calls = later.take();
    /// calls.into_iter().flatten().for_each(|call| call());
    /// assert_eq!(*done.try_result().unwrap().unwrap(), 42);
    /// assert!(cancelled.try_result().unwrap().unwrap_err().is_cancelled());
    /// ```
    #[track_caller]
    pub fn from_callback<S: LocalStarted>(start: impl FnOnce(LocalResolver<T>) -> S) -> Self {
        let start = |resolver| OnThread::new(start(LocalResolver::wrap(resolver)));
        LocalDeferred::wrap(Deferred::from_callback(start))
    }
}

/// What the function that starts a local operation may return: nothing, a
/// canceller, or a `Result` of either; as [`Started`].
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use tokio_deferred::local::LocalDeferred;
///
/// let handle = Rc::new("the operation");
/// let d = LocalDeferred::<i32>::from_callback(|_resolver| {
///     let _number: u16 = "seven".parse()?; // the start fails
///     Ok(move || drop(handle))
/// });
/// assert!(d.try_result().unwrap().unwrap_err().is::<std::num::ParseIntError>());
/// ```
#[diagnostic::on_unimplemented(
    message = "the function that starts an operation cannot return `{Self}`",
    label = "returns neither `()`, nor a canceller, nor a `Result` of these with a `Failure`",
    note = "if the value is of no use, end its line with `;`, so that the function returns `()`",
    note = "to stop the operation when the Deferred is cancelled, return a function: `move || handle.stop()`",
    note = "if the start may fail, use `?` and end with `Ok(())` or `Ok(move || handle.stop())`",
    note = "if the start returns another `Result`, add `.or_fail()` from `OrFail`"
)]
pub trait LocalStarted: local_sealed::Sealed {
    #[doc(hidden)]
    fn apply_to_confined<T: Send + 'static>(
        self,
        d: Deferred<T>,
        made: &'static Location<'static>,
        right: Unmark,
    ) -> Deferred<T>;
}

impl LocalStarted for () {
    fn apply_to_confined<T: Send + 'static>(
        self,
        d: Deferred<T>,
        made: &'static Location<'static>,
        _: Unmark,
    ) -> Deferred<T> {
        self.apply_to(d, made)
    }
}

impl<F: FnOnce() + 'static> LocalStarted for F {
    fn apply_to_confined<T: Send + 'static>(
        self,
        d: Deferred<T>,
        made: &'static Location<'static>,
        _: Unmark,
    ) -> Deferred<T> {
        let canceller = OnThread::new(self);
        (move || canceller.into_inner()()).apply_to(d, made)
    }
}

impl<S: LocalStarted> LocalStarted for Result<S, Failure> {
    fn apply_to_confined<T: Send + 'static>(
        self,
        d: Deferred<T>,
        made: &'static Location<'static>,
        right: Unmark,
    ) -> Deferred<T> {
        match self {
            Ok(started) => started.apply_to_confined(d, made, right),
            Err(failure) => Err::<(), Failure>(failure).apply_to(d, made),
        }
    }
}

impl<S> sealed::Sealed for OnThread<S> {}

/// So starts of local operations go the way of any others.
#[diagnostic::do_not_recommend]
impl<S: LocalStarted> Started for OnThread<S> {
    fn apply_to<T: Send + 'static>(
        self,
        d: Deferred<T>,
        made: &'static Location<'static>,
    ) -> Deferred<T> {
        self.into_inner().apply_to_confined(d, made, Unmark::new())
    }
}

mod local_sealed {
    use crate::failure::Failure;

    pub trait Sealed {}
    impl Sealed for () {}
    impl<F: FnOnce() + 'static> Sealed for F {}
    impl<S: super::LocalStarted> Sealed for Result<S, Failure> {}
}
