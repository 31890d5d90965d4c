//! A queue whose items are waited for with Deferreds.
//!
//! Rules:
//!
//! - **[items or gets]** Under the lock the queue has items or waiting gets, or
//!   neither, never both. An item on its way from one to the other belongs to
//!   the thread that took it out.
//! - **[one taker]** A get that waits has its resolver in the line. The thread
//!   that takes the resolver out fires it. So a get has one end: an item, a
//!   cancel, the drop of its Deferred, a close, or the end of the queue.
//! - **[numbers]** An item gets its number when it is first handed out, and
//!   keeps it. Items that were never handed out are younger than all that have
//!   a number. So an item that comes back goes before every younger one, in
//!   whatever order the items come back.
//! - **[outside the lock]** No item is dropped, no get is fired and no code of
//!   the user's runs while the lock is held.
//! - **[weak]** Gets refer to the queue weakly. The handles own [`Handle`],
//!   whose drop ends the queue for the gets; streams own [`Shared`], so that
//!   they still get what is kept.

use super::line::Line;
use crate::bridge::failed_start;
use crate::chain::{Deferred, Resolver};
use crate::core::{CancelRequest, Delegate, ReturnTo};
use crate::failure::{Failure, QueueClosed, QueueOverflow, QueueUnderflow};
use crate::sync::{AtomicU64, Mutex, lock};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::panic::Location;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

/// A queue between callbacks, or between callbacks and async fns: Twisted's
/// `DeferredQueue`.
///
/// Items go to gets in the order of the calls. Clones are the same queue, so
/// there may be any number of producers and consumers. The queue needs no
/// runtime: [`put`](Self::put) fires the get that waits.
///
/// No item is lost to a get. A get that was cancelled, or dropped with no
/// callback on it, is passed over. An item whose Deferred is dropped untaken,
/// with no callback on it, goes back to where it was in the order of the items,
/// even past the size.
///
/// [`close`](Self::close) ends the queue: the items that are kept can still be
/// got, and then every get fails with [`QueueClosed`]. When the last handle of
/// the queue goes, gets that wait fail with
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
pub struct DeferredQueue<T>(Arc<Handle<T>>);

/// What all handles of a queue own together.
struct Handle<T>(Arc<Shared<T>>);

pub(super) struct Shared<T> {
    size: Option<usize>,
    backlog: Option<usize>,
    state: Mutex<State<T>>,
}

struct State<T> {
    /// Those that were never handed out, oldest first.
    items: VecDeque<T>,
    /// Those that came back, by number. All are older than `items`.
    returned: BTreeMap<u64, T>,
    /// The number of the next item that is handed out for the first time.
    next_item: u64,
    /// The gets that wait.
    gets: Line<Waiting<T>>,
    closed: bool,
}

/// A get that waits, as the queue sees it.
struct Waiting<T> {
    resolver: Resolver<T>,
    get: Arc<Get<T>>,
}

impl<T> State<T> {
    fn len(&self) -> usize {
        self.items.len() + self.returned.len()
    }

    /// Takes the oldest item out, with its number.
    fn pop(&mut self) -> Option<(u64, T)> {
        self.returned
            .pop_first()
            .or_else(|| Some((self.next_item, self.items.pop_front()?)))
            .inspect(|(number, _)| self.next_item = self.next_item.max(number + 1))
    }

    /// Keeps an item, which has a number if it was handed out before.
    fn keep(&mut self, number: Option<u64>, item: T) {
        match number {
            Some(number) => drop(self.returned.insert(number, item)),
            None => self.items.push_back(item),
        }
    }
}

impl<T: Send + 'static> DeferredQueue<T> {
    /// Makes a queue without limits.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::DeferredQueue;
    ///
    /// let queue = DeferredQueue::new();
    /// queue.put("kept").unwrap();
    /// assert_eq!(queue.len(), 1);
    /// ```
    pub fn new() -> Self {
        Self::with_limits(None, None)
    }

    /// Makes a queue that keeps at most `size` items, and lets at most
    /// `backlog` gets wait; `None` is no limit.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{DeferredQueue, QueueUnderflow, testing};
    ///
    /// let queue = DeferredQueue::with_limits(Some(1), Some(0));
    /// assert!(testing::failure_of(queue.get()).is::<QueueUnderflow>()); // nobody may wait
    /// queue.put(1).unwrap();
    /// assert!(queue.put(2).is_err()); // one item is all there may be
    /// ```
    pub fn with_limits(size: Option<usize>, backlog: Option<usize>) -> Self {
        let shared = Arc::new(Shared {
            size,
            backlog,
            state: Mutex::new(State {
                items: VecDeque::new(),
                returned: BTreeMap::new(),
                next_item: 0,
                gets: Line::new(),
                closed: false,
            }),
        });
        DeferredQueue(Arc::new(Handle(shared)))
    }

    /// Hands `item` to the get that waits longest, whose stages run on this
    /// thread; if no get waits, the queue keeps it.
    ///
    /// # Errors
    ///
    /// The item, in a [`QueueOverflow`], if as many are kept as the size
    /// allows, or if the queue is closed.
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
        let shared = self.shared();
        let refused = shared.hand_over(None, item, |state| {
            !state.closed && shared.size.is_none_or(|size| state.len() < size)
        });
        refused.map_or(Ok(()), |item| Err(QueueOverflow(item)))
    }

    /// Takes the oldest item, or waits for one, behind the gets before it.
    ///
    /// The place in the queue is taken now, not when the Deferred is first
    /// polled. An item that is kept is in the Deferred when `get` returns.
    ///
    /// # Errors
    ///
    /// The Deferred fails
    ///
    /// - with [`QueueUnderflow`] if as many gets wait as the backlog allows;
    /// - with [`QueueClosed`] if the queue is closed and keeps no item, or is
    ///   closed while the get waits;
    /// - with [`ResolverDropped`](crate::ResolverDropped) if the last handle of
    ///   the queue goes while the get waits.
    ///
    /// # Cancel safety
    ///
    /// Cancelling or dropping the Deferred loses no item. A Deferred that is
    /// dropped while it has an item, with no callback on it, puts that back to
    /// where it was. The library's own stages that pass a value on, such as
    /// [`add_timeout`](Deferred::add_timeout), are no callbacks in this sense.
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
        match self.shared().get(self.shared().backlog, made) {
            Got::Item(number, item) => {
                let home = Home {
                    queue: Arc::downgrade(self.shared()),
                    number,
                };
                Deferred::ready(Ok(item), made).return_to(home)
            }
            Got::Waits(d) => d,
            Got::Full => failed_start(Failure::from_error(QueueUnderflow::new(), made), made),
            Got::Closed => failed_start(Failure::from_error(QueueClosed::new(), made), made),
        }
    }

    /// Ends the queue: from now on it takes no more items.
    ///
    /// The gets that wait fail with [`QueueClosed`], in their order, on this
    /// thread. Items that are kept can still be got; when there are none left,
    /// a get fails at once. A second call does nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{DeferredQueue, QueueClosed, testing};
    ///
    /// let queue = DeferredQueue::new();
    /// queue.put("the last one").unwrap();
    /// queue.close();
    /// assert_eq!(queue.put("too late").unwrap_err().into_inner(), "too late");
    /// assert_eq!(testing::success_of(queue.get()), "the last one");
    /// assert!(testing::failure_of(queue.get()).is::<QueueClosed>());
    /// ```
    pub fn close(&self) {
        let gets = {
            let mut state = lock(&self.shared().state);
            state.closed = true;
            state.gets.take()
        };
        for Waiting { resolver, get } in gets {
            resolver.fire(Err(Failure::from_error(QueueClosed::new(), get.made)));
        }
    }

    /// Returns whether [`close`](Self::close) was called.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::DeferredQueue;
    ///
    /// let queue = DeferredQueue::<()>::new();
    /// assert!(!queue.is_closed());
    /// queue.close();
    /// assert!(queue.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        lock(&self.shared().state).closed
    }

    /// Returns how many items are kept.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::DeferredQueue;
    ///
    /// let queue = DeferredQueue::new();
    /// queue.put(()).unwrap();
    /// assert_eq!(queue.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        lock(&self.shared().state).len()
    }

    /// Returns whether no item is kept.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::DeferredQueue;
    ///
    /// let queue = DeferredQueue::new();
    /// assert!(queue.is_empty());
    /// queue.put(()).unwrap();
    /// assert!(!queue.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many gets wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::DeferredQueue;
    ///
    /// let queue = DeferredQueue::<()>::new();
    /// let get = queue.get();
    /// assert_eq!(queue.waiting(), 1);
    /// drop(get);
    /// assert_eq!(queue.waiting(), 0);
    /// ```
    pub fn waiting(&self) -> usize {
        lock(&self.shared().state).gets.len()
    }
}

impl<T> DeferredQueue<T> {
    pub(super) fn shared(&self) -> &Arc<Shared<T>> {
        &self.0.0
    }
}

/// What a get finds.
pub(super) enum Got<T> {
    /// An item, and its number.
    Item(u64, T),
    /// It waits.
    Waits(Deferred<T>),
    /// As many wait as may.
    Full,
    /// There is no item, and none will come.
    Closed,
}

impl<T: Send + 'static> Shared<T> {
    /// Takes an item, or a place among the gets if fewer than `backlog` wait.
    pub(super) fn get(
        self: &Arc<Self>,
        backlog: Option<usize>,
        made: &'static Location<'static>,
    ) -> Got<T> {
        let mut state = lock(&self.state);
        if let Some((number, item)) = state.pop() {
            return Got::Item(number, item);
        }
        if state.closed {
            return Got::Closed;
        }
        if backlog.is_some_and(|backlog| state.gets.len() >= backlog) {
            return Got::Full;
        }
        let place = state.gets.next_number();
        let get = Arc::new(Get {
            queue: Arc::downgrade(self),
            place,
            item: AtomicU64::new(0),
            made,
        });
        let (resolver, d) = Deferred::with_delegate(made, get.clone());
        let d = d.return_to(get.clone()).fired_by("a queue");
        state.gets.push(Waiting { resolver, get });
        Got::Waits(d)
    }

    /// Fires the first get that takes `item`. If no get does, the queue keeps
    /// the item if it `may`; else the item is returned.
    fn hand_over(
        &self,
        mut number: Option<u64>,
        mut item: T,
        may: impl FnOnce(&State<T>) -> bool,
    ) -> Option<T> {
        loop {
            let mut state = lock(&self.state);
            let Some(Waiting { resolver, get }) = state.gets.pop_first() else {
                if !may(&state) {
                    return Some(item);
                }
                state.keep(number, item);
                return None;
            };
            let known = *number.get_or_insert(state.next_item);
            state.next_item = state.next_item.max(known + 1);
            drop(state);
            // ORDERING: Relaxed: the fire hands the number over with the item.
            get.item.store(known, Ordering::Relaxed);
            item = resolver.try_callback(item).err()?;
        }
    }

    fn take_back(this: &Weak<Self>, number: u64, item: T) {
        // Without a queue there is nobody left who could want it.
        if let Some(queue) = this.upgrade() {
            queue.hand_over(Some(number), item, |_| true);
        }
    }
}

impl<T> Drop for Handle<T> {
    /// Ends the queue: no item comes any more.
    fn drop(&mut self) {
        let gets = {
            let mut state = lock(&self.0.state);
            state.closed = true;
            state.gets.take()
        };
        // Each drop of a resolver fires its get.
        gets.for_each(drop);
    }
}

/// A get that waited, as its Deferred sees it.
struct Get<T> {
    queue: Weak<Shared<T>>,
    /// Its number among the gets.
    place: u64,
    /// The number of its item. The thread that hands the item over writes it
    /// before it fires the get; it is read when the item comes back.
    item: AtomicU64,
    made: &'static Location<'static>,
}

impl<T> Get<T> {
    fn take(&self) -> Option<Resolver<T>> {
        let queue = self.queue.upgrade()?;
        let waiting = lock(&queue.state).gets.remove(self.place)?;
        Some(waiting.resolver)
    }
}

impl<T: Send + 'static> Delegate for Get<T> {
    fn cancel(self: Arc<Self>, request: CancelRequest) {
        if let Some(resolver) = self.take() {
            resolver.fire(Err(request.into_failure()));
        }
    }

    fn unseen(&self) {
        if let Some(resolver) = self.take() {
            resolver.fire(Err(Failure::unseen(self.made)));
        }
    }
}

impl<T: Send + 'static> ReturnTo<T> for Arc<Get<T>> {
    fn take_back(self, item: T) {
        // ORDERING: Relaxed: the item came with it.
        let number = self.item.load(Ordering::Relaxed);
        Shared::take_back(&self.queue, number, item);
    }
}

/// Where an item that was there at once goes back to.
struct Home<T> {
    queue: Weak<Shared<T>>,
    number: u64,
}

impl<T: Send + 'static> ReturnTo<T> for Home<T> {
    fn take_back(self, item: T) {
        Shared::take_back(&self.queue, self.number, item);
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
        let state = lock(&self.shared().state);
        f.debug_struct("DeferredQueue")
            .field("items", &state.len())
            .field("waiting", &state.gets.len())
            .field("closed", &state.closed)
            .finish_non_exhaustive()
    }
}
