//! Tokio's mutex for callbacks.
//!
//! Tokio's mutex tells nobody whether it is locked: to find out one has to lock
//! it, and then the `try_lock` of another thread fails for no reason that it
//! could see. So the lock counts its own users instead: those that hold it, and
//! those that wait. A guard is therefore a type of this library.

use super::wait_queue::Lanes;
use crate::chain::{Deferred, Outcome};
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// A lock that one job or guard at a time holds: Twisted's `DeferredLock`, over
/// Tokio's [`Mutex`].
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
    lanes: Lanes<DeferredLockGuard>,
    /// How many hold the lock, or wait for it.
    users: Arc<AtomicUsize>,
}

/// One that holds the lock, or waits for it.
struct User(Arc<AtomicUsize>);

impl User {
    fn new(users: &Arc<AtomicUsize>) -> Self {
        // ORDERING: Relaxed: only the drop has something to hand over.
        users.fetch_add(1, Ordering::Relaxed);
        User(users.clone())
    }
}

impl Drop for User {
    fn drop(&mut self) {
        // ORDERING: Release: pairs with the Acquire in `is_locked`. A thread
        // that finds no user sees what the last one did.
        self.0.fetch_sub(1, Ordering::Release);
    }
}

/// A [`DeferredLock`] that is held; dropping it releases the lock.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{DeferredLock, DeferredLockGuard, testing};
///
/// let lock = DeferredLock::new();
/// let guard: DeferredLockGuard = testing::success_of(lock.acquire());
/// assert!(lock.is_locked());
/// drop(guard);
/// assert!(!lock.is_locked());
/// ```
#[must_use = "a guard that is dropped at once releases the lock at once"]
pub struct DeferredLockGuard {
    // The order of the fields is that of their drops: while the mutex is
    // locked, there is a user.
    _guard: OwnedMutexGuard<()>,
    _user: User,
}

impl DeferredLockGuard {
    fn new(guard: OwnedMutexGuard<()>, user: User) -> Self {
        DeferredLockGuard {
            _guard: guard,
            _user: user,
        }
    }
}

impl fmt::Debug for DeferredLockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeferredLockGuard").finish_non_exhaustive()
    }
}

impl DeferredLock {
    /// Makes a lock that nobody holds.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::DeferredLock;
    ///
    /// assert!(!DeferredLock::new().is_locked());
    /// ```
    pub fn new() -> Self {
        Self::from_tokio(Arc::default())
    }

    /// Makes a lock of Tokio's `mutex`, which async code may lock as well.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tokio::sync::Mutex;
    /// use tokio_deferred::{DeferredLock, testing};
    ///
    /// let mutex = Arc::new(Mutex::new(()));
    /// let lock = DeferredLock::from_tokio(mutex.clone());
    /// let guard = testing::success_of(lock.acquire());
    /// assert!(mutex.try_lock().is_err());
    /// drop(guard);
    /// assert!(mutex.try_lock().is_ok());
    /// ```
    pub fn from_tokio(mutex: Arc<Mutex<()>>) -> Self {
        DeferredLock(Arc::new(Inner {
            mutex,
            lanes: Lanes::new(),
            users: Arc::default(),
        }))
    }

    /// Returns Tokio's mutex, for async code that shares the lock.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::DeferredLock;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let lock = DeferredLock::new();
    /// let _guard = lock.as_tokio().lock().await;
    /// let waits = lock.acquire();
    /// assert!(!waits.is_fired());
    /// # }
    /// ```
    pub fn as_tokio(&self) -> &Arc<Mutex<()>> {
        &self.0.mutex
    }

    /// Returns whether the lock is held, or waited for, through this object or
    /// its clones: Twisted's `locked`.
    ///
    /// Code that locks Tokio's mutex by itself is not seen, unless an
    /// [`acquire`](Self::acquire) waits for it. Looking takes no lock, so it
    /// never makes the `try_lock` of other code fail.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, DeferredLock};
    ///
    /// let lock = DeferredLock::new();
    /// let (resolver, job) = Deferred::new();
    /// let done = lock.run(|| job);
    /// assert!(lock.is_locked());
    /// resolver.callback(());
    /// assert!(!lock.is_locked());
    /// # drop(done);
    /// ```
    pub fn is_locked(&self) -> bool {
        // ORDERING: Acquire: pairs with the Release of a user's drop.
        self.0.users.load(Ordering::Acquire) > 0
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
    pub fn acquire(&self) -> Deferred<DeferredLockGuard> {
        let made = Location::caller();
        let Inner {
            mutex,
            lanes,
            users,
        } = &*self.0;
        let user = User::new(users);
        if let Ok(guard) = mutex.clone().try_lock_owned() {
            return Deferred::ready(Ok(DeferredLockGuard::new(guard, user)), made);
        }
        let locked = mutex.clone().lock_owned();
        let acquired = async move { DeferredLockGuard::new(locked.await, user) };
        lanes.wait(acquired, |guard, _| Ok(guard), "a lock", made)
    }

    /// Takes the lock, calls `f`, and releases the lock when its outcome is
    /// known, before the Deferred goes on to its stages: Twisted's `run`.
    ///
    /// The outcome is the Deferred's. A failure and a panic release the lock
    /// too.
    ///
    /// # Errors
    ///
    /// As for [`acquire`](Self::acquire); then `f` is not called.
    ///
    /// # Cancel safety
    ///
    /// Dropping the Deferred leaves the job waiting or running. Cancelling it
    /// takes the job out of the queue; once the job runs, it cancels the
    /// Deferred that the job returned. A call on a thread
    /// ([`threads`](crate::threads)) that the job started cannot be stopped:
    /// then the Deferred fails at once, and the lock comes back when the call
    /// is over.
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
