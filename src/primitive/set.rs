//! Deferreds that come and go, and whoever ends next.
//!
//! Rules:
//!
//! - **\[one place\]** A member has a number, and is in `pending` until it ends.
//!   The end that takes the number out of `pending` puts the result into `done`;
//!   an end that does not find its number was let go of, and gives its result
//!   up.
//! - **\[outside the lock\]** No member is cancelled, no waker is woken, cloned or
//!   dropped, and no result is dropped or reported while the lock is held.
//! - **\[one reader\]** Only the set's owner takes results out and registers a
//!   waker, by `&mut`.
//! - **\[home\]** A value that nobody takes goes back to where it came from, if
//!   there is such a place.

use super::line::Line;
use crate::chain::Deferred;
use crate::core::{CancelRequest, GiveBack, Handle};
use crate::failure::{BoxError, DeferredError, Failure, catch_and_log, report};
use crate::sync::{Mutex, lock};
use futures::stream::{FusedStream, Stream};
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Deferreds whose results are taken one by one, in the order in which they
/// end: Tokio's `JoinSet` for Deferreds.
///
/// Members may be added at any time. [`next`](DeferredSet::next) waits for the
/// one that ends next; the set is a [`Stream`] as well. It needs no runtime.
///
/// *Dropping* the set cancels the members that have no result, in the order in
/// which they were added; what comes of that cancel is not reported. A failure
/// that was there, and that nobody took, is reported as unhandled.
/// [`detach_all`](DeferredSet::detach_all) lets the members go on instead.
///
/// The set keeps nothing of a member whose result was taken.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, DeferredSet};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut set = DeferredSet::new();
/// let (slow, d) = Deferred::new();
/// set.insert(d);
/// set.insert(Deferred::succeed("quick"));
/// assert_eq!(set.next().await.unwrap().unwrap(), "quick");
/// std::thread::spawn(move || slow.callback("slow"));
/// assert_eq!(set.next().await.unwrap().unwrap(), "slow");
/// assert!(set.next().await.is_none());
/// # }
/// ```
#[doc(alias = "JoinSet")]
#[doc(alias = "FuturesUnordered")]
#[must_use = "a DeferredSet that is dropped cancels its members"]
pub struct DeferredSet<T: Send + 'static> {
    shared: Arc<Shared<T>>,
    made: &'static Location<'static>,
}

struct Shared<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    /// With what cancels the member, unless it had its result when it was added.
    pending: Line<Option<Handle>>,
    done: VecDeque<Done<T>>,
    waker: Option<Waker>,
}

/// A member that ended.
struct Done<T> {
    result: Result<T, Failure>,
    home: Option<GiveBack<T>>,
}

impl<T: Send + 'static> DeferredSet<T> {
    /// Makes an empty set.
    #[track_caller]
    pub fn new() -> Self {
        DeferredSet {
            shared: Arc::new(Shared {
                state: Mutex::new(State {
                    pending: Line::new(),
                    done: VecDeque::new(),
                    waker: None,
                }),
            }),
            made: Location::caller(),
        }
    }

    /// Adds a member.
    ///
    /// One that has its result already comes behind those that ended before.
    pub fn insert(&mut self, mut deferred: Deferred<T>) {
        let home = deferred.take_return_to();
        let handle = deferred.pending_handle();
        let mut state = lock(&self.shared.state);
        let number = state.pending.next_number();
        state.pending.push(handle);
        drop(state);
        let (shared, made) = (self.shared.clone(), self.made);
        deferred.end(move |result| shared.ended(number, Done { result, home }, made));
    }

    /// Waits for the member that ends next, and returns its result; `None` if
    /// the set is empty.
    ///
    /// # Errors
    ///
    /// The failure of that member.
    ///
    /// # Cancel safety
    ///
    /// If this is dropped before it is ready, no result is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, DeferredSet};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut set: DeferredSet<_> = (1..=3).map(Deferred::succeed).collect();
    /// set.insert(Deferred::fail("no luck"));
    /// let mut sum = 0;
    /// while let Some(result) = set.next().await {
    ///     match result {
    ///         Ok(n) => sum += n,
    ///         Err(error) => assert_eq!(error.failure().to_string(), "no luck"),
    ///     }
    /// }
    /// assert_eq!(sum, 6);
    /// # }
    /// ```
    #[doc(alias = "join_next")]
    pub async fn next(&mut self) -> Option<Result<T, DeferredError>> {
        poll_fn(|cx| self.poll_ended(cx)).await
    }

    /// Returns the result of a member that has ended, if there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, DeferredSet};
    ///
    /// let mut set = DeferredSet::new();
    /// let (resolver, d) = Deferred::new();
    /// set.insert(d);
    /// assert!(set.try_next().is_none());
    /// resolver.callback(1);
    /// assert_eq!(set.try_next().unwrap().unwrap(), 1);
    /// ```
    #[doc(alias = "try_join_next")]
    pub fn try_next(&mut self) -> Option<Result<T, DeferredError>> {
        let done = lock(&self.shared.state).done.pop_front()?;
        Some(done.result.map_err(DeferredError::from))
    }

    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, DeferredError>>> {
        if let Some(result) = self.try_next() {
            return Poll::Ready(Some(result));
        }
        // Cloned before the lock is taken, and dropped after: it is code of the
        // executor's.
        let mut waker = Some(cx.waker().clone());
        let mut state = lock(&self.shared.state);
        if let Some(done) = state.done.pop_front() {
            drop(state);
            return Poll::Ready(Some(done.result.map_err(DeferredError::from)));
        }
        if state.pending.is_empty() {
            return Poll::Ready(None);
        }
        std::mem::swap(&mut state.waker, &mut waker);
        drop(state);
        drop(waker);
        Poll::Pending
    }

    /// Cancels each member that has no result, in the order in which they were
    /// added, on this thread.
    ///
    /// They stay in the set: what comes of the cancel is theirs to bring, and
    /// [`next`](DeferredSet::next)'s to return.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, DeferredSet};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let (resolver, d) = Deferred::<()>::new();
    /// let mut set = DeferredSet::from_iter([d]);
    /// set.cancel_all();
    /// assert!(resolver.is_cancelled());
    /// assert!(set.next().await.unwrap().unwrap_err().is_cancelled());
    /// # }
    /// ```
    #[doc(alias = "abort_all")]
    #[track_caller]
    pub fn cancel_all(&mut self) {
        self.send_to_all(None, Location::caller());
    }

    /// As [`cancel_all`](DeferredSet::cancel_all), and says why: `reason` is the
    /// `source()` of each [`Cancelled`](crate::Cancelled) that comes of it.
    #[track_caller]
    pub fn cancel_all_with(&mut self, reason: impl Into<BoxError>) {
        self.send_to_all(Some(reason.into()), Location::caller());
    }

    fn send_to_all(&self, reason: Option<BoxError>, at: &'static Location<'static>) {
        let state = lock(&self.shared.state);
        let handles: Vec<_> = state.pending.values().filter_map(Option::clone).collect();
        drop(state);
        let quiet = false;
        CancelRequest { reason, quiet, at }.send_to(handles);
    }

    /// Lets all members go, those that have ended as well, and leaves the set
    /// empty.
    ///
    /// The others go on. A failure, also one that comes later, is reported as
    /// unhandled.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, DeferredSet, testing};
    ///
    /// let (resolver, d) = Deferred::<()>::new();
    /// let mut set = DeferredSet::from_iter([d]);
    /// set.detach_all();
    /// drop(set);
    /// assert!(!resolver.is_cancelled());
    /// let reports = testing::capture_unhandled(|| resolver.errback("nobody waits"));
    /// assert_eq!(reports.len(), 1);
    /// ```
    pub fn detach_all(&mut self) {
        drop(self.let_go());
    }

    /// Takes all members out, and returns what cancels those without a result.
    fn let_go(&self) -> Vec<Handle> {
        let mut state = lock(&self.shared.state);
        let pending = state.pending.take();
        let done = std::mem::take(&mut state.done);
        drop(state);
        for done in done {
            done.give_up(self.made);
        }
        pending.flatten().collect()
    }

    /// Returns how many members there are whose results were not taken.
    pub fn len(&self) -> usize {
        let state = lock(&self.shared.state);
        state.pending.len() + state.done.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Shared<T> {
    /// Takes in the end of a member.
    fn ended(&self, number: u64, done: Done<T>, made: &'static Location<'static>) {
        let mut state = lock(&self.state);
        let Some(handle) = state.pending.remove(number) else {
            drop(state);
            return done.give_up(made);
        };
        state.done.push_back(done);
        let waker = state.waker.take();
        drop(state);
        drop(handle);
        if let Some(waker) = waker {
            catch_and_log("a waker", || waker.wake());
        }
    }
}

impl<T> Done<T> {
    /// Sends a value that nobody takes home, or drops it; reports a failure.
    fn give_up(self, made: &'static Location<'static>) {
        match (self.result, self.home) {
            (Ok(value), Some(home)) => catch_and_log("the return of a value", || home(value)),
            (Ok(value), None) => catch_and_log("the drop of a value", || drop(value)),
            (Err(failure), _) => report(failure, made, None),
        }
    }
}

impl<T: Send + 'static> Drop for DeferredSet<T> {
    fn drop(&mut self) {
        let handles = self.let_go();
        CancelRequest::unwanted(self.made).send_to(handles);
    }
}

impl<T: Send + 'static> Stream for DeferredSet<T> {
    type Item = Result<T, DeferredError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_ended(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.len();
        (len, Some(len))
    }
}

impl<T: Send + 'static> FusedStream for DeferredSet<T> {
    /// Returns whether the set is empty. One that is filled again goes on.
    fn is_terminated(&self) -> bool {
        self.is_empty()
    }
}

impl<T: Send + 'static> Extend<Deferred<T>> for DeferredSet<T> {
    fn extend<I: IntoIterator<Item = Deferred<T>>>(&mut self, deferreds: I) {
        deferreds.into_iter().for_each(|d| self.insert(d));
    }
}

impl<T: Send + 'static> FromIterator<Deferred<T>> for DeferredSet<T> {
    #[track_caller]
    fn from_iter<I: IntoIterator<Item = Deferred<T>>>(deferreds: I) -> Self {
        let mut set = DeferredSet::new();
        set.extend(deferreds);
        set
    }
}

impl<T: Send + 'static> Default for DeferredSet<T> {
    #[track_caller]
    fn default() -> Self {
        DeferredSet::new()
    }
}

impl<T: Send + 'static> fmt::Debug for DeferredSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.shared.state);
        f.debug_struct("DeferredSet")
            .field("pending", &state.pending.len())
            .field("done", &state.done.len())
            .field("made", &format_args!("{}", self.made))
            .finish()
    }
}
