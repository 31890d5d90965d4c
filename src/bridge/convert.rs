//! Tokio's own results as Deferreds. They need no task: whoever wakes them
//! fires the Deferred.

use super::direct;
use crate::chain::Deferred;
use crate::failure::{Cancelled, Failure, ResolverDropped};
use std::panic::Location;
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};

/// The failure that a task ended with: its panic, or [`Cancelled`] with the
/// `JoinError` as the reason.
pub(crate) fn task_failure(error: JoinError, made: &'static Location<'static>) -> Failure {
    match error.try_into_panic() {
        Ok(payload) => Failure::panicked(payload, made),
        Err(error) => {
            let reason = Some(error.into());
            Failure::from_error(Cancelled { reason }, made)
        }
    }
}

impl<T: Send + 'static> From<JoinHandle<T>> for Deferred<T> {
    /// Makes a Deferred of a Tokio task, without needing a runtime.
    ///
    /// The stages run on the thread where the task ends. Cancelling the
    /// Deferred aborts the task and fails the Deferred with
    /// [`Cancelled`]; dropping it leaves the task running. A panic in the task
    /// is the failure, and so is an abort from elsewhere (a [`Cancelled`] whose
    /// reason is the `JoinError`).
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::Deferred;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let d: Deferred<i32> = tokio::spawn(async { 42 }).into();
    /// assert_eq!(d.await.unwrap(), 42);
    /// # }
    /// ```
    #[track_caller]
    fn from(task: JoinHandle<T>) -> Self {
        let made = Location::caller();
        let abort = task.abort_handle();
        let (resolver, d) = Deferred::with_canceller(move || {
            abort.abort();
            None
        });
        direct::run(task, move |joined| {
            resolver.fire(joined.map_err(|error| task_failure(error, made)));
        });
        d
    }
}

/// The receiver, which its canceller closes.
struct Shared<T>(Arc<Mutex<oneshot::Receiver<T>>>);

impl<T> Future for Shared<T> {
    type Output = Result<T, oneshot::error::RecvError>;

    fn poll(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        let mut receiver = crate::failure::lock(&self.0);
        std::pin::Pin::new(&mut *receiver).poll(cx)
    }
}

impl<T: Send + 'static> From<oneshot::Receiver<T>> for Deferred<T> {
    /// Makes a Deferred of a channel for one value, without needing a runtime.
    ///
    /// The stages run on the thread that sends. Cancelling the Deferred closes
    /// the channel; a value that was sent before is still its result. A sender
    /// that is dropped fails it with [`ResolverDropped`].
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let (tx, rx) = tokio::sync::oneshot::channel();
    /// let d = Deferred::from(rx).map(|n: i32| n + 1);
    /// tx.send(41).unwrap();
    /// assert_eq!(testing::success_of(d), 42);
    /// ```
    #[track_caller]
    fn from(receiver: oneshot::Receiver<T>) -> Self {
        let made = Location::caller();
        let receiver = Arc::new(Mutex::new(receiver));
        let closing = receiver.clone();
        let (resolver, d) = Deferred::with_canceller(move || {
            let mut receiver = crate::failure::lock(&closing);
            receiver.close();
            // Looked at before it is asked: told that there is nothing, the
            // receiver would let go of its waker, and with it of the resolver.
            if receiver.is_empty() {
                return None;
            }
            receiver.try_recv().ok().map(Ok)
        });
        direct::run(Shared(receiver), move |received| {
            resolver.fire(received.map_err(|_| ResolverDropped::new(made).into()));
        });
        d
    }
}
