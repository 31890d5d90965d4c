//! Tokio's own results as Deferreds. They need no task: whoever wakes them
//! fires the Deferred.

use super::poll_on_wake;
use crate::chain::Deferred;
use crate::core::{CancelRequest, Delegate};
use crate::failure::{Cancelled, Failure, ResolverDropped};
use crate::sync::lock;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Waker};
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinError, JoinHandle};

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

/// A task that a cancel aborts. The task's own end decides what the result is.
struct Aborting {
    task: AbortHandle,
    /// The cancel that aborted it first.
    request: Mutex<Option<CancelRequest>>,
}

impl Delegate for Aborting {
    fn cancel(self: Arc<Self>, request: CancelRequest) {
        let mut first = lock(&self.request);
        let later = if first.is_none() {
            *first = Some(request);
            None
        } else {
            Some(request)
        };
        drop(first);
        if let Some(later) = later {
            later.give_up();
        }
        self.task.abort();
    }
}

/// Makes a Deferred of a task, whose output `finish` turns into the result. It
/// ends when the task has ended.
pub(super) fn joined<O, T>(
    task: JoinHandle<O>,
    finish: impl FnOnce(O) -> Result<T, Failure> + Send + 'static,
    made: &'static Location<'static>,
) -> Deferred<T>
where
    O: Send + 'static,
    T: Send + 'static,
{
    let aborting = Arc::new(Aborting {
        task: task.abort_handle(),
        request: Mutex::new(None),
    });
    let (resolver, d) = Deferred::with_delegate(made, aborting.clone());
    let _ = poll_on_wake::run(task, move |joined| {
        let request = lock(&aborting.request).take();
        resolver.fire(match (joined, request) {
            // The cancel that aborted the task knows the reason.
            (Err(error), Some(request)) if error.is_cancelled() => Err(request.into_failure()),
            (joined, request) => {
                if let Some(late) = request {
                    late.give_up();
                }
                joined
                    .map_err(|error| task_failure(error, made))
                    .and_then(finish)
            }
        });
    });
    d.fired_by("a task")
}

impl<T: Send + 'static> From<JoinHandle<T>> for Deferred<T> {
    /// Makes a Deferred of a Tokio task, without needing a runtime.
    ///
    /// It fires when the task has ended, and its stages run on the thread where
    /// that happens. Cancelling the Deferred aborts the task; the Deferred fails
    /// with [`Cancelled`] once the task is gone, and what the task owned with it,
    /// or has the task's value if that came first. Dropping the Deferred leaves
    /// the task running. A panic in the task is the failure, and so is an abort
    /// from elsewhere (a [`Cancelled`] whose reason is the `JoinError`).
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
        joined(task, Ok, Location::caller())
    }
}

/// A receiver that a cancel closes: then it is polled, and says whether there
/// was a value.
struct Receiving<T> {
    receiver: Mutex<oneshot::Receiver<T>>,
    cancelled: Mutex<Option<CancelRequest>>,
    poll: OnceLock<Waker>,
}

struct Shared<T>(Arc<Receiving<T>>);

impl<T> Future for Shared<T> {
    type Output = Result<T, oneshot::error::RecvError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut *lock(&self.0.receiver)).poll(cx)
    }
}

impl<T: Send> Delegate for Receiving<T> {
    fn cancel(self: Arc<Self>, request: CancelRequest) {
        let before = lock(&self.cancelled).replace(request);
        // Its reason is a user's value, whose drop may cancel once more.
        if let Some(before) = before {
            before.give_up();
        }
        lock(&self.receiver).close();
        if let Some(poll) = self.poll.get() {
            poll.wake_by_ref();
        }
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
        let receiving = Arc::new(Receiving {
            receiver: Mutex::new(receiver),
            cancelled: Mutex::new(None),
            poll: OnceLock::new(),
        });
        let (resolver, d) = Deferred::with_delegate(made, receiving.clone());
        let state = receiving.clone();
        let waker = poll_on_wake::run(Shared(receiving.clone()), move |received| {
            resolver.fire(received.map_err(|_| match lock(&state.cancelled).take() {
                Some(request) => request.into_failure(),
                None => ResolverDropped::new(made).into(),
            }));
        });
        // Nobody but this function has the Deferred, so no cancel came yet.
        let _ = receiving.poll.set(waker);
        d.fired_by("a channel")
    }
}
