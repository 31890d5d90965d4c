//! Futures as Deferreds.

use super::coroutine::{Where, drive};
use crate::chain::Deferred;
use crate::failure::{BoxError, Failure};
use futures::{FutureExt, TryFutureExt};
use std::panic::Location;
use tokio::runtime::Handle;

impl<T: Send + 'static> Deferred<T> {
    /// Makes a Deferred of a future: Twisted's `ensureDeferred` and
    /// `Deferred.fromCoroutine`.
    ///
    /// The future is polled once, now, on this thread, outside of the budget of
    /// a surrounding Tokio task. If it is ready then, there is no task and no
    /// runtime is needed. If not, it goes on in a task of the current runtime,
    /// else of the default one
    /// ([`set_default_runtime`](crate::set_default_runtime)). Task-locals of
    /// the caller are visible to the first poll only.
    ///
    /// Cancelling the Deferred cancels the Deferreds that the future is
    /// awaiting: every one that it polled, that has no result yet and was not
    /// dropped. Their failure arrives at its `.await`, and it may clean up or
    /// go on. If it awaits none, it is dropped, and the Deferred fails with
    /// [`Cancelled`](crate::Cancelled). A cancel that finds it running, or
    /// woken and not yet polled, is applied after that poll.
    ///
    /// A panic in the future is the Deferred's failure. If there is no runtime
    /// to wait in, the future is dropped and the failure is
    /// [`NoRuntime`](crate::NoRuntime); if that shuts down first,
    /// [`ResolverDropped`](crate::ResolverDropped).
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
        from_fallible(future, Where::Current(None), Location::caller())
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
        from_fallible(future, Where::Current(None), Location::caller())
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
        drive(future, Where::Current(None), Location::caller())
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
        drive(future.map(Ok), Where::Current(None), Location::caller())
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
        from_fallible(future, Where::On(handle), Location::caller())
    }
}

/// A coroutine whose error becomes a failure that names `made`.
pub(super) fn from_fallible<F, T, E>(
    future: F,
    place: Where<'_>,
    made: &'static Location<'static>,
) -> Deferred<T>
where
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Into<BoxError>,
{
    // Not in an async block: where the drop of what it awaited panics, the
    // compiler forgets the output.
    let future = future.map_err(move |error| Failure::from_box(error.into(), made));
    drive(future, place, made)
}
