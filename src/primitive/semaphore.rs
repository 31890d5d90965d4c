//! Tokio's semaphore for callbacks.

use super::wait_queue::Lanes;
use crate::bridge::failed_start;
use crate::chain::{Deferred, Outcome};
use crate::failure::Failure;
use futures::FutureExt;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::task::coop::unconstrained;

/// A limited number of permits: Twisted's `DeferredSemaphore`, over Tokio's
/// [`Semaphore`].
///
/// Async fns share the limit: [`from_tokio`](Self::from_tokio) and
/// [`as_tokio`](Self::as_tokio) give either side the other's semaphore. All
/// wait in Tokio's queue, first come first served, from the moment
/// [`acquire`](Self::acquire) is called. A waiter that is cancelled, or dropped
/// with no callback on it, gives up its place, and no permit is lost.
///
/// A free permit costs no task and needs no runtime. A waiter is fired by a task
/// of the runtime that was current when its wait began, else of the default one:
/// never inside the release, and whatever other waiters and workers do. A few
/// tasks serve all waiters of a semaphore. A coroutine that a waiter's callback
/// starts goes on in the same task.
///
/// Clones are the same semaphore.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, DeferredSemaphore, gather_results};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let two = DeferredSemaphore::new(2);
/// let jobs = (0..10).map(|n| {
///     two.run(move || Deferred::from_infallible(async move {
///         tokio::task::yield_now().await; // at most two of these at a time
///         n * n
///     }))
/// });
/// let squares = gather_results(jobs.collect::<Vec<_>>()).await.unwrap();
/// assert_eq!(squares.iter().sum::<i32>(), 285);
/// # }
/// ```
#[derive(Clone)]
pub struct DeferredSemaphore(Arc<Inner>);

struct Inner {
    semaphore: Arc<Semaphore>,
    limit: usize,
    lanes: Lanes<OwnedSemaphorePermit>,
}

impl DeferredSemaphore {
    /// Makes a semaphore with `limit` permits.
    ///
    /// A limit of 0 is Tokio's: nobody gets a permit until async code adds some
    /// ([`Semaphore::add_permits`]). Twisted's `DeferredSemaphore(0)` raises.
    ///
    /// # Panics
    ///
    /// If `limit` is more than [`Semaphore::MAX_PERMITS`].
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::DeferredSemaphore;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let none = DeferredSemaphore::new(0);
    /// let waits = none.acquire();
    /// none.as_tokio().add_permits(1);
    /// waits.await.unwrap();
    /// # }
    /// ```
    pub fn new(limit: usize) -> Self {
        Self::from_tokio(Arc::new(Semaphore::new(limit)), limit)
    }

    /// Makes one that gives out the permits of Tokio's `semaphore`; `limit` is
    /// what [`limit`](Self::limit) returns.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tokio::sync::Semaphore;
    /// use tokio_deferred::{DeferredSemaphore, testing};
    ///
    /// let tokios = Arc::new(Semaphore::new(3));
    /// let ours = DeferredSemaphore::from_tokio(tokios.clone(), 3);
    /// let permit = testing::success_of(ours.acquire());
    /// assert_eq!(tokios.available_permits(), 2);
    /// drop(permit);
    /// assert_eq!(tokios.available_permits(), 3);
    /// ```
    pub fn from_tokio(semaphore: Arc<Semaphore>, limit: usize) -> Self {
        DeferredSemaphore(Arc::new(Inner {
            semaphore,
            limit,
            lanes: Lanes::new(),
        }))
    }

    /// Returns Tokio's semaphore, for async code that shares the permits.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::DeferredSemaphore;
    ///
    /// let semaphore = DeferredSemaphore::new(2);
    /// let _permit = semaphore.as_tokio().try_acquire().unwrap();
    /// assert_eq!(semaphore.tokens(), 1);
    /// ```
    pub fn as_tokio(&self) -> &Arc<Semaphore> {
        &self.0.semaphore
    }

    /// Returns how many permits there are in all: the number that was given
    /// when the semaphore was made.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(tokio_deferred::DeferredSemaphore::new(7).limit(), 7);
    /// ```
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// Returns how many permits are free now: Twisted's `tokens`.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(tokio_deferred::DeferredSemaphore::new(7).tokens(), 7);
    /// ```
    pub fn tokens(&self) -> usize {
        self.0.semaphore.available_permits()
    }

    /// Takes a permit, or waits for one; dropping the permit releases it.
    ///
    /// The place in the queue is taken now, not when the Deferred is first
    /// polled.
    ///
    /// # Errors
    ///
    /// The Deferred fails with Tokio's [`AcquireError`] if the semaphore is
    /// closed, and with [`NoRuntime`](crate::NoRuntime) if it has to wait and
    /// there is no runtime, or that one shuts down meanwhile.
    ///
    /// # Cancel safety
    ///
    /// Cancelling or dropping the Deferred loses the place in the queue, and
    /// nothing else.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{DeferredSemaphore, testing};
    ///
    /// let semaphore = DeferredSemaphore::new(1);
    /// let permit = testing::success_of(semaphore.acquire());
    /// assert_eq!(semaphore.tokens(), 0);
    /// drop(permit);
    /// assert_eq!(semaphore.tokens(), 1);
    /// ```
    #[track_caller]
    pub fn acquire(&self) -> Deferred<OwnedSemaphorePermit> {
        self.acquire_at(1, Location::caller())
    }

    /// Takes `n` permits at once, or waits until it can.
    ///
    /// A waiter for many permits is not passed by one for few. If there never
    /// are `n` permits, the Deferred waits until it is cancelled.
    ///
    /// # Errors
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{DeferredSemaphore, testing};
    ///
    /// let semaphore = DeferredSemaphore::new(5);
    /// let three = testing::success_of(semaphore.acquire_many(3));
    /// assert_eq!(three.num_permits(), 3);
    /// assert_eq!(semaphore.tokens(), 2);
    /// ```
    #[track_caller]
    pub fn acquire_many(&self, n: u32) -> Deferred<OwnedSemaphorePermit> {
        self.acquire_at(n, Location::caller())
    }

    fn acquire_at(
        &self,
        n: u32,
        made: &'static Location<'static>,
    ) -> Deferred<OwnedSemaphorePermit> {
        let semaphore = &self.0.semaphore;
        // The look spares those who will wait a try.
        if semaphore.available_permits() >= n as usize
            && let Ok(permit) = semaphore.clone().try_acquire_many_owned(n)
        {
            return Deferred::ready(Ok(permit), made);
        }
        // What is known at once needs no runtime.
        if semaphore.is_closed()
            && let Some(Err(closed)) =
                unconstrained(semaphore.clone().acquire_many_owned(n)).now_or_never()
        {
            return failed_start(Failure::from_error(closed, made), made);
        }
        let acquired = semaphore.clone().acquire_many_owned(n);
        let convert = |acquired: Result<_, AcquireError>, made| {
            acquired.map_err(|closed| Failure::from_error(closed, made))
        };
        self.0.lanes.wait(acquired, convert, "a semaphore", made)
    }

    /// Takes a permit, calls `f`, and releases the permit when its outcome is
    /// known, before the Deferred goes on to its stages: Twisted's `run`.
    ///
    /// The outcome is the Deferred's. A failure and a panic release the permit
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
    /// then the Deferred fails at once, and the permit comes back when the call
    /// is over.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{DeferredSemaphore, testing};
    ///
    /// let semaphore = DeferredSemaphore::new(1);
    /// let inside = semaphore.clone();
    /// let outside = semaphore.clone();
    /// let d = semaphore
    ///     .run(move || Ok(inside.tokens()))
    ///     .map(move |tokens_inside| (tokens_inside, outside.tokens()));
    /// assert_eq!(testing::success_of(d), (0, 1));
    /// ```
    #[track_caller]
    pub fn run<R: Outcome>(&self, f: impl FnOnce() -> R + Send + 'static) -> Deferred<R::Output> {
        super::run_holding(self.acquire(), f)
    }
}

impl fmt::Debug for DeferredSemaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeferredSemaphore")
            .field("limit", &self.limit())
            .field("tokens", &self.tokens())
            .finish_non_exhaustive()
    }
}
