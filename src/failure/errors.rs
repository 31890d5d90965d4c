//! The errors that this library makes.

use super::{BoxError, DeferredError, Failure};
use std::fmt;
use std::panic::Location;
use std::time::Duration;

/// The operation was cancelled: Twisted's `CancelledError`.
///
/// The reason that was given to `cancel_with`, if any, is its `source()`.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Cancelled, Deferred, testing};
///
/// let (_resolver, d) = Deferred::<()>::new();
/// d.cancel_with("the user went away");
/// let failure = testing::failure_of(d);
/// let cancelled = failure.check::<Cancelled>().unwrap();
/// assert_eq!(cancelled.reason.as_ref().unwrap().to_string(), "the user went away");
/// ```
#[derive(Debug, Default, thiserror::Error)]
#[error("cancelled")]
pub struct Cancelled {
    /// Why, where the caller of `cancel_with` said so.
    #[source]
    pub reason: Option<BoxError>,
}

/// The result did not come in time: Twisted's `TimeoutError`.
///
/// When the deadline of [`add_timeout`](crate::Deferred::add_timeout) is over,
/// the Deferred is cancelled. If the operation answers that cancel with a
/// failure of its own, as most C libraries do, that failure is the `source()`,
/// so [`is`](crate::Failure::is), [`check`](crate::Failure::check) and
/// [`trap`](crate::Failure::trap) find both. Where the operation did not answer,
/// there is no source.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tokio_deferred::{Deferred, Failure, TimedOut};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// #[derive(Debug, thiserror::Error)]
/// #[error("channel destroyed")]
/// struct Destroyed;
///
/// let canceller = || Some(Err(Failure::new(Destroyed)));
/// let (_resolver, d) = Deferred::<()>::with_canceller(canceller);
/// let error = d.add_timeout(Duration::from_secs(5)).await.unwrap_err();
/// assert_eq!(error.downcast_ref::<TimedOut>().unwrap().after, Duration::from_secs(5));
/// assert!(error.is::<Destroyed>());
/// # }
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[error("timed out after {after:?}")]
pub struct TimedOut {
    /// The time that was allowed.
    pub after: Duration,
    #[source]
    answer: Option<DeferredError>,
}

impl TimedOut {
    /// Makes the error of an operation for which `after` was allowed.
    pub fn new(after: Duration) -> Self {
        TimedOut {
            after,
            answer: None,
        }
    }

    /// The same, where `answer` came when the operation was cancelled for it.
    pub(crate) fn answered(after: Duration, answer: Failure) -> Self {
        TimedOut {
            after,
            answer: Some(answer.into()),
        }
    }
}

/// The [`Resolver`](crate::Resolver) was dropped before it fired, so no result
/// can come any more.
///
/// The message names the line where the pair was made.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, ResolverDropped, testing};
///
/// let line = line!() + 1;
/// let (resolver, d) = Deferred::<()>::new();
/// drop(resolver);
/// let failure = testing::failure_of(d);
/// assert_eq!(failure.check::<ResolverDropped>().unwrap().made.line(), line);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the resolver of the Deferred made at {}:{} was dropped unfired", .made.file(), .made.line())]
#[non_exhaustive]
pub struct ResolverDropped {
    /// Where the pair was made.
    pub made: &'static Location<'static>,
}

impl ResolverDropped {
    pub(crate) fn new(made: &'static Location<'static>) -> Self {
        ResolverDropped { made }
    }
}

/// Something had to wait on a Tokio runtime, and none was given, current or
/// set as the default.
///
/// [`set_default_runtime`](crate::set_default_runtime) sets one for callbacks
/// that run on threads of other libraries.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tokio_deferred::{NoRuntime, task, testing};
///
/// // No runtime is current here.
/// let d = task::defer_later(Duration::from_secs(1), || Ok(1));
/// assert!(testing::failure_of(d).is::<NoRuntime>());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no Tokio runtime to run on, or no timer in it")]
#[non_exhaustive]
pub struct NoRuntime;

impl NoRuntime {
    pub(crate) fn new() -> Self {
        NoRuntime
    }
}

/// The result was taken by an `.await` through `&mut` before this stage was
/// added.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{AlreadyTaken, Deferred, testing};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut d = Deferred::succeed(1);
/// assert_eq!((&mut d).await.unwrap(), 1);
/// let later = d.map(|n| n + 1);
/// assert!(testing::failure_of(later).is::<AlreadyTaken>());
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the result was already taken by an await")]
#[non_exhaustive]
pub struct AlreadyTaken;

impl AlreadyTaken {
    pub(crate) fn new() -> Self {
        AlreadyTaken
    }
}

/// A `get` came while as many waited as the queue's backlog allows: Twisted's
/// `QueueUnderflow`.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{DeferredQueue, QueueUnderflow, testing};
///
/// let queue = DeferredQueue::<i32>::with_limits(None, Some(0));
/// assert!(testing::failure_of(queue.get()).is::<QueueUnderflow>());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the queue's backlog of waiting gets is full")]
#[non_exhaustive]
pub struct QueueUnderflow;

impl QueueUnderflow {
    pub(crate) fn new() -> Self {
        QueueUnderflow
    }
}

/// A `get` came when the queue was closed and kept no item, or the queue was
/// closed while the `get` waited.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{DeferredQueue, QueueClosed, testing};
///
/// let queue = DeferredQueue::<i32>::new();
/// let waits = queue.get();
/// queue.close();
/// assert!(testing::failure_of(waits).is::<QueueClosed>());
/// assert!(testing::failure_of(queue.get()).is::<QueueClosed>());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the queue is closed")]
#[non_exhaustive]
pub struct QueueClosed;

impl QueueClosed {
    pub(crate) fn new() -> Self {
        QueueClosed
    }
}

/// A `put` came while the queue was full, as Twisted's `QueueOverflow` says, or
/// after it was closed. The error holds the value that was refused.
///
/// # Examples
///
/// ```
/// use tokio_deferred::DeferredQueue;
///
/// let queue = DeferredQueue::with_limits(Some(1), None);
/// queue.put("a").unwrap();
/// let overflow = queue.put("b").unwrap_err();
/// assert_eq!(overflow.into_inner(), "b");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct QueueOverflow<T>(pub T);

impl<T> QueueOverflow<T> {
    /// Returns the value that was refused.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for QueueOverflow<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueOverflow").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for QueueOverflow<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the queue is full or closed")
    }
}

impl<T> std::error::Error for QueueOverflow<T> {}

/// A lock was asked for while the same object already waited for it: Twisted's
/// `AlreadyTryingToLockError`.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{AlreadyLocking, DeferredFilesystemLock, testing};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let dir = tempfile::tempdir().unwrap();
/// let holder = DeferredFilesystemLock::new(dir.path().join("lock"));
/// let guard = testing::success_of(holder.defer_until_locked(None));
///
/// let other = DeferredFilesystemLock::new(dir.path().join("lock"));
/// let waiting = other.defer_until_locked(None);
/// let second = other.defer_until_locked(None);
/// assert!(testing::failure_of(second).is::<AlreadyLocking>());
///
/// drop(guard);
/// waiting.await.unwrap();
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("already trying to lock")]
#[non_exhaustive]
pub struct AlreadyLocking;

impl AlreadyLocking {
    pub(crate) fn new() -> Self {
        AlreadyLocking
    }
}
