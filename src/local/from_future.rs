//! Futures that stay on this thread as Deferreds, and results that come to it.

use super::LocalDeferred;
use super::coroutine::{AtCancel, start};
use crate::chain::Deferred;
use crate::failure::{BoxError, Failure};
use futures::{FutureExt, TryFutureExt};
use std::panic::Location;

impl<T: 'static> LocalDeferred<T> {
    /// Makes a Deferred of a future that stays on this thread; as
    /// [`Deferred::from_coroutine`].
    ///
    /// The future is polled once, now. If it is pending, it goes on on this
    /// thread: a fire of a [`LocalDeferred`] that it awaits resumes it inside
    /// of the fire, and for that no loop is needed. Where something else wakes
    /// it, a timer, a socket, another thread's fire of a [`Deferred`], it is
    /// polled by a task of this thread's loop: the one of
    /// [`set_spawner`](super::set_spawner), else the current `LocalSet` or
    /// `LocalRuntime` of Tokio.
    ///
    /// Cancelling the Deferred cancels the Deferreds, of either kind, that the
    /// future is awaiting; their failure arrives at its `.await`. If it awaits
    /// none, it is dropped, and the Deferred fails with
    /// [`Cancelled`](crate::Cancelled).
    ///
    /// # Errors
    ///
    /// A panic in the future is the Deferred's failure. If it waits for
    /// something else than local Deferreds and there is no loop, or if the loop
    /// ends first, it is dropped, and the failure is
    /// [`NoRuntime`](crate::NoRuntime). (A loop that is not
    /// there is found out with the help of Tokio's `spawn_local`, which prints
    /// a panic's message if a runtime is current and no `LocalSet`.)
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    /// use tokio_deferred::DeferredError;
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let (resolver, poem) = LocalDeferred::<Rc<str>>::new();
    /// let lines = LocalDeferred::from_coroutine(async {
    ///     let poem = poem.await?;
    ///     Ok::<_, DeferredError>(poem.lines().count())
    /// });
    /// resolver.callback(Rc::from("O blackbird,\nwhat a boy you are")); // resumes it
    /// assert_eq!(lines.try_result().unwrap().unwrap(), 2);
    /// ```
    #[doc(alias = "ensureDeferred")]
    #[doc(alias = "fromCoroutine")]
    #[track_caller]
    pub fn from_coroutine<F, E>(future: F) -> Self
    where
        F: Future<Output = Result<T, E>> + 'static,
        E: Into<BoxError>,
    {
        from_fallible(future, AtCancel::Cooperate, Location::caller())
    }

    /// Makes a Deferred of a future of a `Result`: another name of
    /// [`from_coroutine`](LocalDeferred::from_coroutine).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::num::ParseIntError;
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let d = LocalDeferred::from_future(async { Ok::<_, ParseIntError>("8".parse::<u16>()?) });
    /// assert_eq!(d.try_result().unwrap().unwrap(), 8);
    /// ```
    #[track_caller]
    pub fn from_future<F, E>(future: F) -> Self
    where
        F: Future<Output = Result<T, E>> + 'static,
        E: Into<BoxError>,
    {
        from_fallible(future, AtCancel::Cooperate, Location::caller())
    }

    /// Makes a Deferred of a future that cannot fail; as
    /// [`from_coroutine`](LocalDeferred::from_coroutine) in all else.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let d = LocalDeferred::from_infallible(async { Rc::new(42) });
    /// assert_eq!(*d.try_result().unwrap().unwrap(), 42);
    /// ```
    #[track_caller]
    pub fn from_infallible<F>(future: F) -> Self
    where
        F: Future<Output = T> + 'static,
    {
        start(future.map(Ok), AtCancel::Cooperate, Location::caller())
    }

    /// Makes a Deferred of a future whose cancel drops the future, whatever it
    /// awaits; as [`from_coroutine`](LocalDeferred::from_coroutine) in all
    /// else.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    /// use tokio_deferred::local::LocalDeferred;
    /// use tokio_deferred::DeferredError;
    ///
    /// let (resolver, reply) = LocalDeferred::<i32>::new();
    /// let guard = Rc::new(());
    /// let held = guard.clone();
    /// let d = LocalDeferred::spawn(async move {
    ///     let _held = held;
    ///     reply.await.or(Ok::<_, DeferredError>(0)) // would go on after a cancel
    /// });
    /// d.cancel();
    /// assert_eq!(Rc::strong_count(&guard), 1);
    /// assert!(d.try_result().unwrap().unwrap_err().is_cancelled());
    /// # drop(resolver);
    /// ```
    #[track_caller]
    pub fn spawn<F, E>(future: F) -> Self
    where
        F: Future<Output = Result<T, E>> + 'static,
        E: Into<BoxError>,
    {
        from_fallible(future, AtCancel::Drop, Location::caller())
    }
}

/// A coroutine whose error becomes a failure that names `made`.
fn from_fallible<F, T, E>(
    future: F,
    at_cancel: AtCancel,
    made: &'static Location<'static>,
) -> LocalDeferred<T>
where
    F: Future<Output = Result<T, E>> + 'static,
    T: 'static,
    E: Into<BoxError>,
{
    let future = future.map_err(move |error| Failure::from_box(error.into(), made));
    start(future, at_cancel, made)
}

impl<T: Send + 'static> Deferred<T> {
    /// Brings the result to this thread: the [`LocalDeferred`] that is
    /// returned has this Deferred's result, and runs its stages here, whoever
    /// fires this one.
    ///
    /// The thread that fires only wakes a task of this thread's loop, the one
    /// of [`local::set_spawner`](crate::local::set_spawner), else the current
    /// `LocalSet` or `LocalRuntime` of Tokio; that task fires the
    /// `LocalDeferred`. If the result is there already, no loop is needed.
    /// Cancelling the `LocalDeferred` cancels this one.
    ///
    /// # Errors
    ///
    /// Without a loop, or if the loop ends first, the failure is
    /// [`NoRuntime`](crate::NoRuntime), and this Deferred is cancelled, as nobody
    /// is going to see its result.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::RefCell;
    /// use std::rc::Rc;
    /// use tokio::task::LocalSet;
    /// use tokio_deferred::Deferred;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let log = Rc::new(RefCell::new(Vec::new()));
    /// let seen = log.clone();
    /// LocalSet::new()
    ///     .run_until(async move {
    ///         let (resolver, measured) = Deferred::new();
    ///         std::thread::spawn(move || resolver.callback(20.0));
    ///         let d = measured.into_local().map(move |celsius| seen.borrow_mut().push(celsius));
    ///         d.await
    ///     })
    ///     .await
    ///     .unwrap();
    /// assert_eq!(*log.borrow(), [20.0]);
    /// # }
    /// ```
    #[track_caller]
    pub fn into_local(self) -> LocalDeferred<T> {
        let made = Location::caller();
        match self.try_result() {
            Ok(result) => LocalDeferred::ready(result, made),
            Err(d) => from_fallible(d.cancel_on_drop(), AtCancel::Cooperate, made),
        }
    }
}
