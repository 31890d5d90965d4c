//! Tokio's mutex for callbacks.

use super::wait_queue::Lanes;
use crate::chain::{Deferred, Outcome};
use crate::sync::lock;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// A lock that one at a time holds: Twisted's `DeferredLock`, over Tokio's
/// [`Mutex`].
///
/// Async fns share it: [`from_tokio`](Self::from_tokio) and
/// [`as_tokio`](Self::as_tokio) give either side the other's lock. All that
/// [`DeferredSemaphore`](crate::DeferredSemaphore) says of order, runtimes,
/// cancelling and dropping holds here too.
///
/// Clones are the same lock.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, DeferredLock};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let lock = DeferredLock::new();
/// let first = lock.run(|| Deferred::from_infallible(tokio::task::yield_now()));
/// assert!(lock.is_locked());
/// let second = lock.run(|| Ok("after the first"));
/// assert_eq!(second.await.unwrap(), "after the first");
/// first.await.unwrap();
/// # }
/// ```
#[derive(Clone)]
pub struct DeferredLock(Arc<Inner>);

struct Inner {
    mutex: Arc<Mutex<()>>,
    lanes: Lanes<OwnedMutexGuard<()>>,
    /// Repr by who looks whether the mutex is locked, which is by locking it:
    /// an `acquire` is not to take that for a holder.
    probe: std::sync::Mutex<()>,
}

impl DeferredLock {
    /// Makes a lock that nobody holds.
    pub fn new() -> Self {
        Self::from_tokio(Arc::default())
    }

    /// Makes one of Tokio's `mutex`.
    pub fn from_tokio(mutex: Arc<Mutex<()>>) -> Self {
        DeferredLock(Arc::new(Inner {
            mutex,
            lanes: Lanes::new(),
            probe: std::sync::Mutex::default(),
        }))
    }

    /// Returns Tokio's mutex, for async code that shares the lock.
    pub fn as_tokio(&self) -> &Arc<Mutex<()>> {
        &self.0.mutex
    }

    /// Returns whether somebody holds the lock now.
    pub fn is_locked(&self) -> bool {
        let _probe = lock(&self.0.probe);
        self.0.mutex.try_lock().is_err()
    }

    /// Takes the lock, or waits for it; dropping the guard releases it.
    ///
    /// The place in the queue is taken now, not when the Deferred is first
    /// polled.
    ///
    /// # Errors
    ///
    /// The Deferred fails with [`NoRuntime`](crate::NoRuntime) if it has to
    /// wait and there is no runtime, or that one shuts down meanwhile.
    ///
    /// # Cancel safety
    ///
    /// Cancelling or dropping the Deferred loses the place in the queue, and
    /// nothing else.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{DeferredLock, testing};
    ///
    /// let lock = DeferredLock::new();
    /// let guard = testing::success_of(lock.acquire());
    /// assert!(lock.is_locked());
    /// drop(guard);
    /// assert!(!lock.is_locked());
    /// ```
    #[track_caller]
    pub fn acquire(&self) -> Deferred<OwnedMutexGuard<()>> {
        let made = Location::caller();
        let mutex = &self.0.mutex;
        let tried = {
            let _probe = lock(&self.0.probe);
            mutex.clone().try_lock_owned()
        };
        match tried {
            Ok(guard) => Deferred::ready(Ok(guard), made),
            Err(_) => {
                let guard = mutex.clone().lock_owned();
                self.0
                    .lanes
                    .wait(guard, |guard, _| Ok(guard), "a lock", made)
            }
        }
    }

    /// Takes the lock, calls `f`, and releases the lock when its outcome is
    /// known, before the Deferred goes on to its stages: Twisted's `run`.
    ///
    /// The outcome is the Deferred's. A failure and a panic release the lock
    /// too. Dropping the Deferred leaves the job waiting or running; cancelling
    /// it takes the job out of the queue, or, once it runs, cancels the
    /// Deferred that it returned.
    ///
    /// # Errors
    ///
    /// As for [`acquire`](Self::acquire); then `f` is not called.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{DeferredLock, testing};
    ///
    /// let lock = DeferredLock::new();
    /// let d = lock.run(|| Ok("7".parse::<i32>()?));
    /// assert_eq!(testing::success_of(d), 7);
    /// assert!(!lock.is_locked());
    /// ```
    #[track_caller]
    pub fn run<R: Outcome>(&self, f: impl FnOnce() -> R + Send + 'static) -> Deferred<R::Output> {
        super::run_holding(self.acquire(), f)
    }
}

impl Default for DeferredLock {
    fn default() -> Self {
        DeferredLock::new()
    }
}

impl fmt::Debug for DeferredLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeferredLock")
            .field("locked", &self.is_locked())
            .finish_non_exhaustive()
    }
}
