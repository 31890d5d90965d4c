//! A panic, caught and carried on as an error.

use crate::sync::lock;
use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

/// A panic that was caught in a callback, canceller, coroutine, thread or
/// task.
///
/// `Display` gives the panic's message where it has one.
/// [`Failure::into_panic`](crate::Failure::into_panic) gives the payload.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, PanicError, testing};
///
/// let failure = testing::failure_of(Deferred::succeed(0).map(|n| 1 / n));
/// let error = failure.check::<PanicError>().unwrap();
/// assert_eq!(error.to_string(), "panicked: attempt to divide by zero");
/// ```
#[derive(thiserror::Error)]
#[error("panicked: {message}")]
pub struct PanicError {
    message: String,
    payload: Mutex<Option<Box<dyn Any + Send>>>,
}

impl PanicError {
    pub(super) fn new(payload: Box<dyn Any + Send>) -> Self {
        let message = if let Some(text) = payload.downcast_ref::<&'static str>() {
            (*text).to_owned()
        } else if let Some(text) = payload.downcast_ref::<String>() {
            text.clone()
        } else {
            "a payload that is not a string".to_owned()
        };
        let payload = Mutex::new(Some(payload));
        PanicError { message, payload }
    }

    pub(super) fn take(&self) -> Option<Box<dyn Any + Send>> {
        lock(&self.payload).take()
    }
}

impl fmt::Debug for PanicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PanicError")
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

impl Drop for PanicError {
    fn drop(&mut self) {
        // The payload is a user's value: its drop may panic in turn, and a
        // failure may be dropped anywhere.
        let payload = self
            .payload
            .get_mut()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .take();
        if let Some(payload) = payload {
            discard(payload);
        }
    }
}

/// Drops a panic's payload, and whatever its drop panics with, at most twice.
pub(crate) fn discard(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // A payload whose drop panics with such a payload would never end.
        std::mem::forget(second);
    }
}

/// Runs code of the user's whose panic has nowhere to go (a waker, a hook, the
/// drop of a value that nobody takes): it is said through `tracing`, where
/// somebody listens, and the caller goes on.
pub(crate) fn catch_and_log(what: &'static str, f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        let error = PanicError::new(payload);
        // The subscriber may be what panicked.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| {
            if is_heard() {
                tracing::error!(target: "tokio_deferred", %error, "a panic was caught in {what}");
            }
        })) {
            discard(payload);
        }
    }
}

/// Returns whether this thread has a `tracing` subscriber.
///
/// An event is to be made only then: tracing-core 0.1.36 remembers for the
/// whole process what the first thread that comes to an event wants of it, and
/// a thread without a subscriber would turn it off for the one that has one.
pub(super) fn is_heard() -> bool {
    tracing::dispatcher::get_default(|dispatch| !dispatch.is::<tracing::subscriber::NoSubscriber>())
}
