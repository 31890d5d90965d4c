//! Futures as tasks: a cancel aborts the task, whatever it awaits.

use super::convert::joined;
use super::failed_start::failed_start;
use super::runtime::find_runtime;
use crate::chain::Deferred;
use crate::failure::{BoxError, Failure};
use futures::TryFutureExt;
use std::panic::Location;
use tokio::runtime::Handle;

/// # Making: as a task
impl<T: Send + 'static> Deferred<T> {
    /// Runs `future` in a task of the current runtime, else of the default one,
    /// and makes a Deferred of the task.
    ///
    /// This is Tokio's way, and differs from
    /// [`from_coroutine`](Deferred::from_coroutine) in two points: the future is
    /// polled by the task alone, never on this thread, and a cancel drops the
    /// future, whatever it awaits and whether it would like to go on. The Deferred
    /// fails with [`Cancelled`](crate::Cancelled) once the future is gone.
    ///
    /// Where there is no runtime, the future is dropped and the failure is
    /// [`NoRuntime`](crate::NoRuntime). A panic in it is the failure.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::Deferred;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let (resolver, reply) = Deferred::<i32>::new();
    /// let stubborn = Deferred::spawn(async move {
    ///     // A coroutine would get a failure here, and go on.
    ///     let first = reply.await.unwrap_or(0);
    ///     std::future::pending::<()>().await;
    ///     Ok::<_, std::io::Error>(first)
    /// });
    /// stubborn.cancel();
    /// assert!(stubborn.await.unwrap_err().is_cancelled());
    /// # drop(resolver);
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn<F, E>(future: F) -> Self
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let made = Location::caller();
        match find_runtime(None) {
            Ok(runtime) => {
                let failing = future.map_err(move |error| Failure::from_box(error.into(), made));
                joined(runtime.spawn(failing), |result| result, made)
            }
            Err(none) => failed_start(Failure::from_error(none, made), made),
        }
    }

    /// Runs `future` in a task of `handle`'s runtime; as [`spawn`](Deferred::spawn)
    /// in all else.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, Failure};
    ///
    /// let runtime = tokio::runtime::Runtime::new().unwrap();
    /// let d = Deferred::spawn_on(runtime.handle(), async { Ok::<_, Failure>(42) });
    /// assert_eq!(runtime.block_on(d).unwrap(), 42);
    /// ```
    #[track_caller]
    pub fn spawn_on<F, E>(handle: &Handle, future: F) -> Self
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let made = Location::caller();
        let failing = future.map_err(move |error| Failure::from_box(error.into(), made));
        joined(handle.spawn(failing), |result| result, made)
    }
}
