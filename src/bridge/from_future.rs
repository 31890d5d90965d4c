//! Futures as Deferreds.

use super::coroutine::{Resumed, Runtimes, begin};
use super::failing_at::FailingAt;
use super::runtime::{self, runtime_to_enter};
use crate::chain::Deferred;
use crate::failure::{BoxError, Failure};
use futures::FutureExt;
use std::panic::Location;
use tokio::runtime::Handle;

/// # Making: from a future
impl<T: Send + 'static> Deferred<T> {
    /// Makes a Deferred of a future: Twisted's `ensureDeferred` and
    /// `Deferred.fromCoroutine`.
    ///
    /// The future is polled once, now, on this thread, outside of the budget of
    /// a surrounding Tokio task. If it is ready then, there is no task and no
    /// runtime is needed. If not, it goes on in a task of the current runtime,
    /// else of the default one
    /// ([`set_default_runtime`](crate::set_default_runtime)), in the `tracing` span
    /// that is current now. Task-locals of the caller are visible to the first poll
    /// only.
    ///
    /// Where there is no runtime, a future that awaits Deferreds is resumed by the
    /// threads that fire them, as with
    /// [`from_coroutine_inline`](Deferred::from_coroutine_inline). If it awaits
    /// something else, it is dropped, and the Deferred fails with
    /// [`NoRuntime`](crate::NoRuntime).
    ///
    /// Cancelling the Deferred cancels the Deferreds that the future is
    /// awaiting: every one that it polled, that has no result yet, was not
    /// dropped, and was not polled by somebody else since. Their failure arrives
    /// at its `.await`, and it may clean up or go on:
    /// [`debug::pending`](crate::debug::pending) says then that it was cancelled. A
    /// loop that retries whatever fails takes a cancel, also that of a timeout, for
    /// one more failure; [`spawn`](Deferred::spawn) is the way to drop such a
    /// future. If it awaits no Deferred, it is dropped, and the Deferred fails with
    /// [`Cancelled`](crate::Cancelled). A cancel that finds it running, or woken
    /// and not yet polled, is applied after that poll.
    ///
    /// A panic in the future is the Deferred's failure. If the runtime shuts down
    /// first, the failure is [`NoRuntime`](crate::NoRuntime), which is not reported
    /// if nobody handles it.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, DeferredError};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let (resolver, poem) = Deferred::<String>::new();
    /// let lines = Deferred::from_coroutine(async {
    ///     let poem = poem.await?;
    ///     Ok::<_, DeferredError>(poem.lines().count())
    /// });
    /// resolver.callback("O blackbird,\nwhat a boy you are".to_owned());
    /// assert_eq!(lines.await.unwrap(), 2);
    /// # }
    /// ```
    #[doc(alias = "ensureDeferred")]
    #[doc(alias = "fromCoroutine")]
    #[track_caller]
    pub fn from_coroutine<F, E>(future: F) -> Self
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        from_fallible(
            future,
            Where::Current(None),
            Resumed::ByTask,
            Location::caller(),
        )
    }

    /// The same as [`from_coroutine`](Deferred::from_coroutine), by the name that
    /// Twisted has for other languages' futures: `Deferred.fromFuture`.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let d = Deferred::<i32>::from_future(async { "seven".parse() });
    /// assert!(testing::failure_of(d).is::<std::num::ParseIntError>());
    /// ```
    #[doc(alias = "fromFuture")]
    #[track_caller]
    pub fn from_future<F, E>(future: F) -> Self
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Deferred::from_coroutine(future)
    }

    /// The same as [`from_coroutine`](Deferred::from_coroutine), for an `async`
    /// block: its error is a [`Failure`], which `?` makes of any error, so that no
    /// type needs to be written.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let d = Deferred::from_async(async {
    ///     let port: u16 = "8006".parse()?;
    ///     Ok(Deferred::succeed(port).await? + 1)
    /// });
    /// assert_eq!(testing::success_of(d), 8007);
    /// ```
    #[track_caller]
    pub fn from_async<F>(future: F) -> Self
    where
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        drive(
            future,
            Where::Current(None),
            Resumed::ByTask,
            Location::caller(),
        )
    }

    /// Makes a Deferred of a future that cannot fail; as
    /// [`from_coroutine`](Deferred::from_coroutine) in all else.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let d = Deferred::from_infallible(async { 6 * 7 });
    /// assert_eq!(testing::success_of(d), 42); // it had nothing to wait for
    /// ```
    #[track_caller]
    pub fn from_infallible<F>(future: F) -> Self
    where
        F: Future<Output = T> + Send + 'static,
    {
        drive(
            future.map(Ok),
            Where::Current(None),
            Resumed::ByTask,
            Location::caller(),
        )
    }

    /// Makes a Deferred of a future that is resumed by whoever fires what it awaits,
    /// inside the fire, as Twisted resumes its coroutines.
    ///
    /// It needs no runtime and no task as long as it awaits Deferreds, and a fire
    /// returns only when the future waits again: code behind an `.await` runs on
    /// the firing thread, under no lock of this library, in the span that was
    /// current when the future began, and, if a runtime was current then, inside
    /// that one. Its panics are caught. A fire inside of such code resumes others
    /// at once, down to a depth of sixteen; those beyond wait until the code that
    /// runs returns. So any number of coroutines that wait for each other need no
    /// stack for each.
    ///
    /// Woken by something else, such as a timer or a socket of Tokio's, it is
    /// polled by a task of the runtime that was current when it began, else of the
    /// one that is current where it is woken, else of the default one. If there is
    /// none, it is dropped, and the failure is [`NoRuntime`](crate::NoRuntime). All
    /// else is as with [`from_coroutine`](Deferred::from_coroutine).
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, Failure, testing};
    ///
    /// let (question, asked) = Deferred::new();
    /// let (answer, answered) = Deferred::new();
    /// let d = Deferred::from_coroutine_inline(async {
    ///     let question: String = asked.await?;
    ///     let answer: i32 = answered.await?;
    ///     Ok::<_, Failure>(format!("{question} {answer}"))
    /// });
    /// question.callback("six times seven?".to_owned());
    /// answer.callback(42); // it goes on, and ends, here
    /// assert_eq!(testing::success_of(d), "six times seven? 42");
    /// ```
    #[track_caller]
    pub fn from_coroutine_inline<F, E>(future: F) -> Self
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        from_fallible(
            future,
            Where::Current(None),
            Resumed::InFires,
            Location::caller(),
        )
    }

    /// Makes a Deferred of a future that goes on in the runtime given, which
    /// is entered for the first poll, too; as
    /// [`from_coroutine`](Deferred::from_coroutine) in all else.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, Failure};
    ///
    /// let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// let d = Deferred::from_coroutine_on(runtime.handle(), async {
    ///     tokio::task::yield_now().await;
    ///     Ok::<_, Failure>(42)
    /// });
    /// assert_eq!(runtime.block_on(d).unwrap(), 42);
    /// ```
    #[track_caller]
    pub fn from_coroutine_on<F, E>(handle: &Handle, future: F) -> Self
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        from_fallible(
            future,
            Where::On(handle),
            Resumed::ByTask,
            Location::caller(),
        )
    }
}

/// Where a coroutine goes on if it has to wait.
#[derive(Clone, Copy)]
pub(super) enum Where<'a> {
    /// Here.
    On(&'a Handle),
    /// In the current runtime, else in this one, else in the default.
    Current(Option<&'a Handle>),
}

/// Makes a Deferred of `future`, which it polls at once.
#[track_caller]
fn drive<F, T>(
    future: F,
    place: Where<'_>,
    resumed: Resumed,
    made: &'static Location<'static>,
) -> Deferred<T>
where
    F: Future<Output = Result<T, Failure>> + Send + 'static,
    T: Send + 'static,
{
    let (to_enter, runtimes) = match place {
        Where::On(handle) => (Some(handle.clone()), Runtimes::on(handle)),
        Where::Current(remembered) => {
            let to_enter = runtime_to_enter(remembered);
            (to_enter, Runtimes::current(remembered))
        }
    };
    let _entered = to_enter.as_ref().and_then(runtime::enter);
    begin(future, runtimes, resumed, made)
}

/// A coroutine whose error becomes a failure that names `made`.
#[track_caller]
pub(super) fn from_fallible<F, T, E>(
    future: F,
    place: Where<'_>,
    resumed: Resumed,
    made: &'static Location<'static>,
) -> Deferred<T>
where
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Into<BoxError>,
{
    drive(FailingAt::new(future, made), place, resumed, made)
}
