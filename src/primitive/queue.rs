//! A queue whose items are waited for with Deferreds.
//!
//! Invariants:
//!
//! 1. Under the lock there are items or waiting gets, or neither, never both.
//!    An item on its way from one to the other belongs to the thread that took
//!    it out.
//! 2. Who takes a get out of the map fires it, or gives it up. So a get has
//!    one end: an item, a cancel, or the drop of its Deferred.
//! 3. Gets know the queue weakly: when the last handle goes, they fail.

use crate::chain::{Deferred, Resolver};
use crate::core::{CancelRequest, Delegate, ReturnTo};
use crate::failure::{Failure, QueueOverflow, QueueUnderflow};
use crate::sync::{Mutex, lock};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Weak};

/// A queue between callbacks, or between callbacks and async fns: Twisted's
/// `DeferredQueue`.
///
/// Items go to gets in the order of the calls. Clones are the same queue, so
/// there may be any number of producers and consumers. It needs no runtime:
/// [`put`](Self::put) fires the get that waits.
///
/// No item is lost to a get: one that was cancelled, or dropped with no
/// callback on it, is passed over; and an item whose Deferred is dropped
/// untaken, with no callback on it, goes back to the front, even past the size.
/// When the last handle of the queue goes, gets that wait fail with
/// [`ResolverDropped`](crate::ResolverDropped).
///
/// # Examples
///
/// ```
/// use tokio_deferred::{DeferredQueue, testing};
///
/// let queue = DeferredQueue::new();
/// let first = queue.get().map(|n: i32| n * 2);
/// queue.put(1).unwrap();
/// queue.put(2).unwrap();
/// assert_eq!(testing::success_of(first), 2);
/// assert_eq!(testing::success_of(queue.get()), 2);
/// ```
pub struct DeferredQueue<T>(Arc<Shared<T>>);

struct Shared<T> {
    size: Option<usize>,
    backlog: Option<usize>,
    state: Mutex<State<T>>,
}

struct State<T> {
    items: VecDeque<T>,
    /// By number, which is their order.
    gets: BTreeMap<u64, Resolver<T>>,
    next: u64,
}

impl<T: Send + 'static> DeferredQueue<T> {
    /// Makes a queue without limits.
    pub fn new() -> Self {
        Self::with_limits(None, None)
    }

    /// Makes a queue that keeps at most `size` items, and lets at most
    /// `backlog` gets wait.
    pub fn with_limits(size: Option<usize>, backlog: Option<usize>) -> Self {
        DeferredQueue(Arc::new(Shared {
            size,
            backlog,
            state: Mutex::new(State {
                items: VecDeque::new(),
                gets: BTreeMap::new(),
                next: 0,
            }),
        }))
    }

    /// Hands `item` to the get that waits longest, whose stages run on this
    /// thread; if none waits, keeps it.
    ///
    /// # Errors
    ///
    /// The item, in a [`QueueOverflow`], if as many are kept as the size
    /// allows.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::DeferredQueue;
    ///
    /// let queue = DeferredQueue::with_limits(Some(1), None);
    /// queue.put("kept").unwrap();
    /// let refused = queue.put("too much").unwrap_err();
    /// assert_eq!(refused.into_inner(), "too much");
    /// ```
    pub fn put(&self, item: T) -> Result<(), QueueOverflow<T>> {
        let refused = self.0.hand_over(item, |state, item| {
            if self.0.size.is_some_and(|size| state.items.len() >= size) {
                return Some(item);
            }
            state.items.push_back(item);
            None
        });
        refused.map_or(Ok(()), |item| Err(QueueOverflow(item)))
    }

    /// Takes the oldest item, or waits for one, behind the gets before it.
    ///
    /// # Errors
    ///
    /// The Deferred fails with [`QueueUnderflow`] if as many gets wait as the
    /// backlog allows, and with [`ResolverDropped`](crate::ResolverDropped) if
    /// the queue goes away.
    ///
    /// # Cancel safety
    ///
    /// Cancelling or dropping the Deferred loses no item. Dropped while it has
    /// an item, with no callback on it, it puts that back to the front.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{DeferredQueue, testing};
    ///
    /// let queue = DeferredQueue::new();
    /// let nobody_waits_for_this = queue.get();
    /// queue.put(1).unwrap();
    /// drop(nobody_waits_for_this);
    /// assert_eq!(testing::success_of(queue.get()), 1);
    /// ```
    #[track_caller]
    pub fn get(&self) -> Deferred<T> {
        let made = Location::caller();
        let mut state = lock(&self.0.state);
        if let Some(item) = state.items.pop_front() {
            drop(state);
            return Deferred::ready(Ok(item), made).return_to(Arc::downgrade(&self.0));
        }
        if self
            .0
            .backlog
            .is_some_and(|backlog| state.gets.len() >= backlog)
        {
            drop(state);
            let failure = Failure::from_error(QueueUnderflow::new(), made);
            return Deferred::ready(Err(failure), made);
        }
        let number = state.next;
        state.next += 1;
        let home = Arc::downgrade(&self.0);
        let queue = home.clone();
        let get = Arc::new(Get {
            queue,
            number,
            made,
        });
        let (resolver, d) = Deferred::with_delegate(made, get);
        let d = d.return_to(home).fired_by("a queue");
        state.gets.insert(number, resolver);
        d
    }

    /// Returns how many items are kept.
    pub fn len(&self) -> usize {
        lock(&self.0.state).items.len()
    }

    /// Returns whether no item is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many gets wait.
    pub fn waiting(&self) -> usize {
        lock(&self.0.state).gets.len()
    }
}

impl<T: Send + 'static> Shared<T> {
    /// Fires the first get that takes `item`; if there is none, `keep` keeps
    /// it, or returns it.
    fn hand_over(
        &self,
        mut item: T,
        keep: impl FnOnce(&mut State<T>, T) -> Option<T>,
    ) -> Option<T> {
        loop {
            let mut state = lock(&self.state);
            let Some((_, get)) = state.gets.pop_first() else {
                return keep(&mut state, item);
            };
            drop(state);
            item = get.try_callback(item).err()?;
        }
    }
}

/// A get that waits, as its cancel sees it.
struct Get<T> {
    queue: Weak<Shared<T>>,
    number: u64,
    made: &'static Location<'static>,
}

impl<T: Send + 'static> Delegate for Get<T> {
    fn cancel(self: Arc<Self>, request: CancelRequest) {
        if let Some(get) = self.take() {
            get.fire(Err(request.into_failure()));
        }
    }

    fn unseen(&self) {
        if let Some(get) = self.take() {
            get.fire(Err(Failure::unseen(self.made)));
        }
    }
}

impl<T> Get<T> {
    fn take(&self) -> Option<Resolver<T>> {
        let queue = self.queue.upgrade()?;
        lock(&queue.state).gets.remove(&self.number)
    }
}

impl<T: Send + 'static> ReturnTo<T> for Weak<Shared<T>> {
    fn take_back(self, item: T) {
        // Without a queue there is nobody left who could want it.
        if let Some(queue) = self.upgrade() {
            queue.hand_over(item, |state, item| {
                state.items.push_front(item);
                None
            });
        }
    }
}

impl<T> Clone for DeferredQueue<T> {
    fn clone(&self) -> Self {
        DeferredQueue(self.0.clone())
    }
}

impl<T: Send + 'static> Default for DeferredQueue<T> {
    fn default() -> Self {
        DeferredQueue::new()
    }
}

impl<T: Send + 'static> fmt::Debug for DeferredQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.0.state);
        f.debug_struct("DeferredQueue")
            .field("items", &state.items.len())
            .field("waiting", &state.gets.len())
            .finish_non_exhaustive()
    }
}
