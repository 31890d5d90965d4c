//! A lock between processes.
//!
//! The operating system tells nobody when such a lock becomes free, so it is
//! asked again and again. Invariants:
//!
//! 1. Who takes the parts out of an attempt settles it: a try that ends it, a
//!    cancel, the drop of its Deferred, or the end of the runtime. They are
//!    locked while the system is asked, which does not wait.
//! 2. `waiting` is set exactly while an attempt has its parts.

use crate::bridge::failed_start;
use crate::chain::{Deferred, Resolver};
use crate::core::{CancelRequest, Delegate};
use crate::failure::{AlreadyLocking, Failure, TimedOut};
use crate::sync::lock;
use crate::task::Clock;
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// A lock that one process at a time holds: Twisted's
/// `DeferredFilesystemLock`.
///
/// It is an advisory lock of the operating system on a file, which is made if
/// there is none and is never removed. It also excludes others in this process,
/// and the system releases it when its holder dies, however that happens.
///
/// Who waits asks the system again after at most 64 milliseconds, so there is
/// no order among those that wait. Clones are the same object.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{DeferredFilesystemLock, testing};
///
/// let path = std::env::temp_dir().join("tokio-deferred-example.lock");
/// let lock = DeferredFilesystemLock::new(path);
/// let guard = testing::success_of(lock.defer_until_locked(None));
/// // No other process is here.
/// drop(guard);
/// ```
#[derive(Clone)]
pub struct DeferredFilesystemLock(Arc<Inner>);

struct Inner {
    path: PathBuf,
    waiting: AtomicBool,
}

/// A [`DeferredFilesystemLock`] that is held; dropping it releases the lock.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{DeferredFilesystemLock, testing};
///
/// let dir = tempfile::tempdir().unwrap();
/// let lock = DeferredFilesystemLock::new(dir.path().join("lock"));
/// let guard = testing::success_of(lock.defer_until_locked(None));
/// assert_eq!(guard.path(), lock.path());
/// drop(guard); // the next one may have it
/// ```
#[must_use = "a guard that is dropped at once releases the lock at once"]
pub struct FilesystemLockGuard {
    file: File,
    of: Arc<Inner>,
}

/// The file of a [`DeferredFilesystemLock`] cannot be made, opened for writing
/// or locked; the `source()` says why.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{DeferredFilesystemLock, LockFileError, testing};
///
/// let dir = tempfile::tempdir().unwrap();
/// let lock = DeferredFilesystemLock::new(dir.path().join("missing").join("lock"));
/// let failure = testing::failure_of(lock.defer_until_locked(None));
/// let error = failure.check::<LockFileError>().unwrap();
/// assert_eq!(error.path, lock.path());
/// assert_eq!(error.source.kind(), std::io::ErrorKind::NotFound);
/// ```
#[derive(Debug, thiserror::Error)]
#[error("cannot lock the file {}", .path.display())]
#[non_exhaustive]
pub struct LockFileError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// The first pause between two tries; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
/// The longest one.
const LAST_PAUSE: Duration = Duration::from_millis(64);

impl DeferredFilesystemLock {
    /// Makes a lock of the file at `path`, which is not touched yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        DeferredFilesystemLock(Arc::new(Inner {
            path: path.into(),
            waiting: AtomicBool::new(false),
        }))
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Takes the lock, or waits for it, at most for `timeout`.
    ///
    /// A free lock is taken at once and needs no runtime.
    ///
    /// # Errors
    ///
    /// The Deferred fails
    ///
    /// - with [`LockFileError`] if the file cannot be opened for writing;
    /// - with [`TimedOut`] if others hold the lock for all the time allowed;
    /// - with [`AlreadyLocking`] if this object waits for the lock already;
    /// - with [`NoRuntime`](crate::NoRuntime) if it has to wait and there is no runtime with
    ///   timers, or that one shuts down meanwhile.
    ///
    /// # Cancel safety
    ///
    /// Cancelling or dropping the Deferred ends the wait; a lock that it has
    /// got is released.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use tokio_deferred::DeferredFilesystemLock;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let path = std::env::temp_dir().join("tokio-deferred-timeout.lock");
    /// let held = DeferredFilesystemLock::new(&path).defer_until_locked(None).await.unwrap();
    /// let other = DeferredFilesystemLock::new(&path);
    /// let error = other
    ///     .defer_until_locked(Some(Duration::from_millis(5)))
    ///     .await
    ///     .unwrap_err();
    /// assert!(error.is_timed_out());
    /// # drop(held);
    /// # }
    /// ```
    #[doc(alias = "deferUntilLocked")]
    #[track_caller]
    pub fn defer_until_locked(&self, timeout: Option<Duration>) -> Deferred<FilesystemLockGuard> {
        let made = Location::caller();
        self.start(timeout, made)
            .unwrap_or_else(|failure| failed_start(failure, made))
    }

    fn start(
        &self,
        timeout: Option<Duration>,
        made: &'static Location<'static>,
    ) -> Result<Deferred<FilesystemLockGuard>, Failure> {
        let waiting = Waiting::start(&self.0)
            .ok_or_else(|| Failure::from_error(AlreadyLocking::new(), made))?;
        let cannot = |source| {
            let path = self.0.path.clone();
            Failure::from_error(LockFileError { path, source }, made)
        };
        // It is opened for writing, as some systems lock nothing else.
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&self.0.path)
            .map_err(cannot)?;
        match file.try_lock() {
            Ok(()) => {
                let of = self.0.clone();
                return Ok(Deferred::ready(Ok(FilesystemLockGuard { file, of }), made));
            }
            Err(TryLockError::Error(error)) => return Err(cannot(error)),
            Err(TryLockError::WouldBlock) => {}
        }
        let clock = Clock::find().map_err(|none| Failure::from_error(none, made))?;
        let attempt = Arc::new(Attempt {
            deadline: timeout.map(|after| (after, Clock::deadline(clock.now(), after))),
            clock,
            made,
            parts: Mutex::new(None),
        });
        let (resolver, d) = Deferred::with_delegate(made, attempt.clone());
        let d = d.fired_by("a filesystem lock");
        *lock(&attempt.parts) = Some(Parts {
            file,
            resolver,
            waiting,
        });
        attempt.try_in(FIRST_PAUSE);
        Ok(d)
    }
}

/// The mark that an object waits for its lock.
struct Waiting(Arc<Inner>);

impl Waiting {
    fn start(of: &Arc<Inner>) -> Option<Self> {
        // ORDERING: only the flag itself matters.
        let before = of.waiting.swap(true, Ordering::Relaxed);
        (!before).then(|| Waiting(of.clone()))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // ORDERING: as above.
        self.0.waiting.store(false, Ordering::Relaxed);
    }
}

/// A wait for the lock.
struct Attempt {
    clock: Clock,
    deadline: Option<(Duration, Instant)>,
    made: &'static Location<'static>,
    parts: Mutex<Option<Parts>>,
}

struct Parts {
    file: File,
    resolver: Resolver<FilesystemLockGuard>,
    waiting: Waiting,
}

impl Attempt {
    fn try_in(self: Arc<Self>, pause: Duration) {
        let clock = self.clock.clone();
        let left = self
            .deadline
            .map(|(_, deadline)| deadline.saturating_duration_since(clock.now()));
        let wait = left.map_or(pause, |left| left.min(pause));
        clock.call_later(wait, move |due| match due {
            Ok(()) => self.try_now(pause),
            Err(none) => self.fail(|made| Failure::from_error(none, made)),
        });
    }

    fn try_now(self: Arc<Self>, pause: Duration) {
        let mut parts = lock(&self.parts);
        let Some(waits) = parts.as_ref() else {
            return;
        };
        match waits.file.try_lock() {
            Ok(()) => {
                let take_if_ready = parts.take();
                drop(parts);
                if let Some(Parts {
                    file,
                    resolver,
                    waiting,
                }) = take_if_ready
                {
                    let of = waiting.0.clone();
                    drop(waiting);
                    resolver.callback(FilesystemLockGuard { file, of });
                }
            }
            Err(TryLockError::WouldBlock) => {
                drop(parts);
                match self.deadline {
                    Some((after, deadline)) if self.clock.now() >= deadline => {
                        self.fail(|made| Failure::from_error(TimedOut::new(after), made));
                    }
                    _ => self.try_in((pause * 2).min(LAST_PAUSE)),
                }
            }
            Err(TryLockError::Error(source)) => {
                let path = waits.waiting.0.path.clone();
                drop(parts);
                self.fail(|made| Failure::from_error(LockFileError { path, source }, made));
            }
        }
    }

    /// Gives up, unless the attempt is take_if_ready.
    fn fail(&self, why: impl FnOnce(&'static Location<'static>) -> Failure) {
        let take_if_ready = lock(&self.parts).take();
        if let Some(Parts {
            resolver, waiting, ..
        }) = take_if_ready
        {
            drop(waiting);
            resolver.fire(Err(why(self.made)));
        }
    }
}

impl Delegate for Attempt {
    fn cancel(self: Arc<Self>, request: CancelRequest) {
        self.fail(|_| request.into_failure());
    }

    fn unseen(&self) {
        self.fail(Failure::unseen);
    }
}

impl FilesystemLockGuard {
    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.of.path
    }
}

impl Drop for FilesystemLockGuard {
    fn drop(&mut self) {
        // Closing the file releases the lock, unless a child process has the
        // same open file. If this fails, closing still comes.
        let _ = self.file.unlock();
    }
}

impl fmt::Debug for FilesystemLockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilesystemLockGuard")
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for DeferredFilesystemLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeferredFilesystemLock")
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}
