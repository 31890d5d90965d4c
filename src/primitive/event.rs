//! Something that happens, and those who wait for it.
//!
//! Rules:
//!
//! - **\[one end\]** A wait has its resolver in the map, by number. The thread that
//!   takes the resolver out fires it: a notification, a cancel, the drop of the
//!   wait's Deferred, or the end of the event.
//! - **\[those who wait now\]** A notification goes to waits whose number is below
//!   the next one at its start. So a callback that waits again is not told of
//!   the same thing twice, and a notification of all comes to an end.
//! - **\[outside the lock\]** No value is cloned or dropped, and no wait is fired,
//!   while the lock is held. A value is cloned by the thread that notifies, one
//!   clone after the other; the last wait gets the value itself.
//! - **\[passed on\]** A wait that was told by `notify`, and whose Deferred is
//!   dropped untaken, tells the one that waits longest by then. One that was
//!   told by `notify_all` does not: all who waited were told.
//! - **\[weak\]** Waits refer to the event weakly, so that they fail when its last
//!   handle goes.

use super::line::Line;
use crate::chain::{Deferred, Resolver};
use crate::core::{CancelRequest, Delegate, ReturnTo};
use crate::failure::{Failure, catch_and_log};
use crate::sync::{AtomicBool, Mutex, Ordering, lock};
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Arc, Weak};

/// Something that happens again and again, for any number of those who wait for
/// it: a condition with Deferreds.
///
/// [`notify`](Event::notify) tells as many waits as it says, oldest first, and
/// [`notify_all`](Event::notify_all) all of them. An event keeps nothing: a
/// notification that finds no wait is lost, so check the condition first, and
/// then wait. Clones are the same event. It needs no runtime: a wait's stages
/// run on the thread that notifies.
///
/// A wait that was cancelled, or dropped with no callback on it, is passed over,
/// and leaves nothing behind. If a wait was told by [`notify`](Event::notify)
/// and its Deferred is dropped untaken, with no callback on it, the notification
/// goes on to the wait that is the oldest by then. When the last handle of the
/// event goes, waits fail with [`ResolverDropped`](crate::ResolverDropped).
///
/// For an event that happens once, a [`SharedDeferred`](crate::SharedDeferred)
/// keeps its value for those who come late.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Event, testing};
///
/// let temperature = Event::new();
/// let (a, b) = (temperature.wait(), temperature.wait());
/// assert_eq!(temperature.notify_all(21), 2);
/// assert_eq!(testing::success_of(a), 21);
/// assert_eq!(testing::success_of(b), 21);
/// // Nobody waits any more.
/// assert_eq!(temperature.notify_all(22), 0);
/// ```
#[doc(alias = "condvar")]
#[doc(alias = "Notify")]
#[doc(alias = "broadcast")]
pub struct Event<T>(Arc<Shared<T>>);

struct Shared<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    waits: Line<Waiting<T>>,
}

struct Waiting<T> {
    resolver: Resolver<T>,
    wait: Arc<Wait<T>>,
}

impl<T: Clone + Send + 'static> Event<T> {
    /// Makes an event that nobody waits for.
    pub fn new() -> Self {
        let waits = Line::new();
        let state = Mutex::new(State { waits });
        Event(Arc::new(Shared { state }))
    }

    /// Waits for the next notification, behind those who wait already.
    ///
    /// The wait has its place from this call on, not from its first poll.
    ///
    /// # Errors
    ///
    /// The Deferred fails with [`ResolverDropped`](crate::ResolverDropped) when
    /// the last handle of the event goes. A panic in the clone of the value is
    /// the failure of the wait that the clone was for.
    ///
    /// # Cancel safety
    ///
    /// A notification by [`notify`](Event::notify) is not lost to a wait that is
    /// cancelled, or dropped with no callback on it, before or after it was told:
    /// another wait gets it, if there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Event, testing};
    ///
    /// let event = Event::new();
    /// let (leaves, stays) = (event.wait(), event.wait());
    /// assert_eq!(event.notify(1, "go"), 1);
    /// drop(leaves); // It was told, and did not listen.
    /// assert_eq!(testing::success_of(stays), "go");
    /// ```
    #[track_caller]
    pub fn wait(&self) -> Deferred<T> {
        let made = Location::caller();
        let mut state = lock(&self.0.state);
        let number = state.waits.next_number();
        let wait = Arc::new(Wait {
            event: Arc::downgrade(&self.0),
            number,
            passes_on: AtomicBool::new(false),
            made,
        });
        let (resolver, d) = Deferred::with_delegate(made, wait.clone());
        let d = d.return_to(wait.clone()).fired_by("an event");
        state.waits.push(Waiting { resolver, wait });
        d
    }

    /// Gives `value` to up to `n` of those who wait now, oldest first, and
    /// returns how many got it.
    ///
    /// Their stages run on this thread, one wait after the other, before this
    /// returns. The value is cloned for all but the last.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Event, testing};
    ///
    /// let event = Event::new();
    /// let waits: Vec<_> = (0..3).map(|_| event.wait()).collect();
    /// assert_eq!(event.notify(2, ()), 2);
    /// let told = waits.iter().filter(|wait| wait.is_fired()).count();
    /// assert_eq!(told, 2);
    /// ```
    pub fn notify(&self, n: usize, value: T) -> usize {
        self.0.notify(n, value, true)
    }

    /// Gives `value` to all who wait now, oldest first, and returns how many
    /// got it.
    ///
    /// In all else as [`notify`](Event::notify). One that waits again in its
    /// callback waits for the next notification.
    pub fn notify_all(&self, value: T) -> usize {
        self.0.notify(usize::MAX, value, false)
    }

    /// Returns how many wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::Event;
    ///
    /// let event = Event::<()>::new();
    /// let wait = event.wait();
    /// assert_eq!(event.waiting(), 1);
    /// drop(wait);
    /// assert_eq!(event.waiting(), 0);
    /// ```
    pub fn waiting(&self) -> usize {
        lock(&self.0.state).waits.len()
    }
}

impl<T: Clone + Send + 'static> Shared<T> {
    fn notify(&self, n: usize, value: T, passes_on: bool) -> usize {
        let end = lock(&self.state).waits.next_number();
        let mut value = Some(value);
        let mut told = 0;
        while told < n {
            let mut state = lock(&self.state);
            if state.waits.first().is_none_or(|(number, _)| number >= end) {
                break;
            }
            let Some(Waiting { resolver, wait }) = state.waits.pop_first() else {
                break;
            };
            let next = state.waits.first().map(|(number, _)| number);
            drop(state);
            if !resolver.is_observed() {
                resolver.fire(Err(Failure::unseen(wait.made)));
                continue;
            }
            // ORDERING: Relaxed: the fire hands it over with the value.
            wait.passes_on.store(passes_on, Ordering::Relaxed);
            let is_last = told + 1 == n || next.is_none_or(|next| next >= end);
            let copy = match &value {
                Some(value) if !is_last => {
                    catch_unwind(AssertUnwindSafe(|| value.clone())).map(Some)
                }
                _ => Ok(value.take()),
            };
            match copy {
                Ok(None) => unreachable!("the last one takes the value"),
                Ok(Some(copy)) => match resolver.try_callback(copy) {
                    Ok(()) => told += 1,
                    // It left meanwhile; there may be others yet.
                    Err(back) => {
                        let unwanted = value.replace(back);
                        catch_and_log("the drop of a value", || drop(unwanted));
                    }
                },
                Err(payload) => {
                    told += 1;
                    resolver.fire(Err(Failure::panicked(payload, wait.made)));
                }
            }
            if value.is_none() {
                break;
            }
        }
        catch_and_log("the drop of a value", || drop(value));
        told
    }
}

/// A wait, as its cancel and its drop see it.
struct Wait<T> {
    event: Weak<Shared<T>>,
    number: u64,
    /// Whether it was told by `notify`. Written before it is fired, read after.
    passes_on: AtomicBool,
    made: &'static Location<'static>,
}

impl<T> Wait<T> {
    fn take(&self) -> Option<Resolver<T>> {
        let event = self.event.upgrade()?;
        let waiting = lock(&event.state).waits.remove(self.number)?;
        Some(waiting.resolver)
    }
}

impl<T: Send + 'static> Delegate for Wait<T> {
    fn cancel(self: Arc<Self>, request: CancelRequest) {
        match self.take() {
            Some(resolver) => resolver.fire(Err(request.into_failure())),
            // It is being told.
            None => request.give_up(),
        }
    }

    fn unseen(&self) {
        if let Some(resolver) = self.take() {
            resolver.fire(Err(Failure::unseen(self.made)));
        }
    }
}

impl<T: Clone + Send + 'static> ReturnTo<T> for Arc<Wait<T>> {
    fn take_back(self, value: T) {
        // ORDERING: Relaxed: the value came with it.
        if self.passes_on.load(Ordering::Relaxed)
            && let Some(event) = self.event.upgrade()
        {
            event.notify(1, value, true);
        }
    }
}

impl<T> Clone for Event<T> {
    fn clone(&self) -> Self {
        Event(self.0.clone())
    }
}

impl<T: Clone + Send + 'static> Default for Event<T> {
    fn default() -> Self {
        Event::new()
    }
}

impl<T> fmt::Debug for Event<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = lock(&self.0.state).waits.len();
        f.debug_struct("Event").field("waiting", &waiting).finish()
    }
}
