//! The errors that this library makes.

use super::{BoxError, Failure};
use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
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
#[derive(Debug, Default)]
pub struct Cancelled {
    /// Why, where the caller of `cancel_with` said so.
    pub reason: Option<BoxError>,
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cancelled")
    }
}

impl std::error::Error for Cancelled {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let reason = &**self.reason.as_ref()?;
        match reason.downcast_ref::<SharedReason>() {
            // The reason itself, once, and in its own type.
            Some(shared) => Some(&*shared.0),
            None => Some(reason),
        }
    }
}

/// A reason that several failures have: each needs one of its own.
#[derive(Clone, Debug)]
pub(crate) struct SharedReason(Arc<dyn std::error::Error + Send + Sync>);

impl SharedReason {
    pub(crate) fn new(reason: BoxError) -> Self {
        SharedReason(reason.into())
    }
}

impl fmt::Display for SharedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for SharedReason {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
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
#[derive(Clone, Debug)]
pub struct TimedOut {
    /// The time that was allowed.
    pub after: Duration,
    answer: Option<Failure>,
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
    pub(super) fn answered(after: Duration, answer: Failure) -> Self {
        TimedOut {
            after,
            answer: Some(answer),
        }
    }
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "timed out after {:?}", self.after)
    }
}

impl Error for TimedOut {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.answer.as_ref().map(|answer| answer.error() as _)
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

/// Something had to wait on a Tokio runtime, and could not;
/// [`kind`](NoRuntime::kind) says why.
///
/// It is one error for coroutines, timers, [`via`](crate::Deferred::via),
/// threads and permits alike. [`set_default_runtime`](crate::set_default_runtime)
/// names the runtime for callbacks that run on threads of other libraries.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tokio_deferred::{NoRuntime, NoRuntimeKind, task, testing};
///
/// // No runtime is current here.
/// let d = task::defer_later(Duration::from_secs(1), || Ok(1));
/// let failure = testing::failure_of(d);
/// assert_eq!(failure.check::<NoRuntime>().unwrap().kind(), NoRuntimeKind::NotFound);
/// assert!(failure.to_string().contains("set_default_runtime"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct NoRuntime {
    kind: NoRuntimeKind,
}

/// Why there was no runtime to wait on; see [`NoRuntime`].
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, NoRuntime, NoRuntimeKind};
/// use std::time::Duration;
///
/// let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// let error = runtime.block_on(async {
///     let (_resolver, d) = Deferred::<()>::new();
///     d.add_timeout(Duration::from_secs(1)).await.unwrap_err()
/// });
/// assert_eq!(error.check::<NoRuntime>().unwrap().kind(), NoRuntimeKind::NoTimer);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NoRuntimeKind {
    /// None was given, none is current on this thread, and none was set as the
    /// default.
    NotFound,
    /// There is one, which was built without timers.
    NoTimer,
    /// There was one, which shut down before it was through.
    ShutDown,
    /// This thread has no loop for what must not leave it: see
    /// [`local::set_spawner`](crate::local::set_spawner).
    NoLoop,
}

impl NoRuntime {
    pub(crate) fn not_found() -> Self {
        let kind = NoRuntimeKind::NotFound;
        NoRuntime { kind }
    }

    pub(crate) fn no_timer() -> Self {
        let kind = NoRuntimeKind::NoTimer;
        NoRuntime { kind }
    }

    pub(crate) fn shut_down() -> Self {
        let kind = NoRuntimeKind::ShutDown;
        NoRuntime { kind }
    }

    pub(crate) fn no_loop() -> Self {
        let kind = NoRuntimeKind::NoLoop;
        NoRuntime { kind }
    }

    /// Returns why there was none.
    #[must_use]
    pub fn kind(&self) -> NoRuntimeKind {
        self.kind
    }
}

impl fmt::Display for NoRuntimeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoRuntimeKind::NotFound => {
                "no Tokio runtime here: enter one, or name one with tokio_deferred::set_default_runtime"
            }
            NoRuntimeKind::NoLoop => {
                "no loop on this thread: enter a LocalSet, or name one with \
                 tokio_deferred::local::set_spawner"
            }
            NoRuntimeKind::NoTimer => {
                "no timer in the Tokio runtime: build it with enable_time, or name another one with \
                 tokio_deferred::set_default_runtime where none is current"
            }
            NoRuntimeKind::ShutDown => {
                "the Tokio runtime has shut down; if a newer one is to be used, name it with \
                 tokio_deferred::set_default_runtime"
            }
        })
    }
}

/// Waiting on this thread would stop the tasks of a Tokio runtime, the one that
/// is waited for among them.
///
/// # Examples
///
/// ```
/// use tokio::runtime::Handle;
/// use tokio_deferred::{CannotBlock, threads};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// // This thread runs the runtime's tasks.
/// let refused = threads::blocking_call_from_thread(&Handle::current(), || Ok(1));
/// assert!(refused.unwrap_err().is::<CannotBlock>());
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot block a thread that runs the tasks of a Tokio runtime; await the Deferred instead")]
#[non_exhaustive]
pub struct CannotBlock;

impl CannotBlock {
    pub(crate) fn new() -> Self {
        CannotBlock
    }
}

/// A callback returned the Deferred that it is on, which would wait for itself
/// for ever.
///
/// Twisted warns, and the Deferred hangs.
///
/// # Examples
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use tokio_deferred::{Deferred, ReturnedItself, testing};
///
/// let place = Arc::new(Mutex::new(None::<Deferred<()>>));
/// let own = place.clone();
/// let (resolver, d) = Deferred::new();
/// let d = d.add_callback(move |()| own.lock().unwrap().take().unwrap());
/// *place.lock().unwrap() = Some(d);
/// let reports = testing::capture_unhandled(|| resolver.callback(()));
/// assert!(reports[0].failure().is::<ReturnedItself>());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a callback returned the Deferred that it is on")]
#[non_exhaustive]
pub struct ReturnedItself;

impl ReturnedItself {
    pub(crate) fn new() -> Self {
        ReturnedItself
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

/// A key was inserted into a [`ResolverMap`](crate::ResolverMap) while another
/// Deferred waited for it.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{DuplicateKey, ResolverMap, testing};
///
/// let replies = ResolverMap::<_, ()>::new();
/// let waits = replies.insert(1);
/// assert!(testing::failure_of(replies.insert(1)).is::<DuplicateKey>());
/// # drop(waits);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another Deferred waits for this key")]
#[non_exhaustive]
pub struct DuplicateKey;

impl DuplicateKey {
    pub(crate) fn new() -> Self {
        DuplicateKey
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
