//! Deferreds by key: replies that carry the id of their request.
//!
//! Rules:
//!
//! - **\[one end\]** A key that waits has its resolver in the map. The thread that
//!   takes the resolver out fires it: a reply, a cancel, the drop of the
//!   Deferred, `fail_all`, `close`, or the end of the map. So of a reply and a
//!   cancel that come at the same moment one finds the key, and the other
//!   nothing.
//! - **\[serial\]** Each insert has a number of its own. A cancel takes out the
//!   resolver of its own number only: the key may have been answered, and be in
//!   use again.
//! - **\[order\]** Where several fail together, they fail in the order in which
//!   they were inserted.
//! - **\[outside the lock\]** Nothing is fired, dropped or cloned while the lock is
//!   held; only `Eq` and `Hash` of the key run there.
//! - **\[weak\]** Deferreds refer to the map weakly, so that they fail when its
//!   last handle goes.

use crate::chain::{Deferred, Resolver};
use crate::core::{CancelRequest, Delegate};
use crate::failure::{BoxError, DuplicateKey, Failure};
use crate::sync::{Mutex, lock};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::hash::Hash;
use std::panic::Location;
use std::sync::{Arc, Weak};

/// Results that are told apart by a key: the replies of a server, by the id of
/// their request.
///
/// [`insert`](ResolverMap::insert) makes a Deferred for a key, and
/// [`resolve`](ResolverMap::resolve) fires it, from any thread, with or without a
/// runtime. Clones are the same map.
///
/// A Deferred that is cancelled, or dropped with no callback on it, takes its
/// key out: a reply that comes later finds nothing, and the key is free. So a
/// timeout on the Deferred leaves nothing behind. When the last handle of the map
/// goes, those that wait fail with [`ResolverDropped`](crate::ResolverDropped),
/// in the order in which they were inserted.
///
/// `Eq` and `Hash` of the key are called while the map is locked, and must not
/// use the map.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{ResolverMap, testing};
///
/// let replies = ResolverMap::new();
/// let (a, b) = (replies.insert(1), replies.insert(2));
/// // What reads from the connection:
/// assert!(replies.callback(&2, "two"));
/// assert!(replies.callback(&1, "one"));
/// assert!(!replies.callback(&7, "nobody asked"));
/// assert_eq!(testing::success_of(a), "one");
/// assert_eq!(testing::success_of(b), "two");
///
/// // The connection is lost:
/// let c = replies.insert(3);
/// replies.close("connection reset");
/// assert_eq!(testing::failure_of(c).to_string(), "connection reset");
/// assert!(testing::failure_of(replies.insert(4)).to_string().contains("reset"));
/// ```
pub struct ResolverMap<K, T>(Arc<Shared<K, T>>);

struct Shared<K, T> {
    state: Mutex<State<K, T>>,
}

struct State<K, T> {
    waiting: HashMap<K, Waiting<T>>,
    /// The number of the next insert. At one a nanosecond these last 584 years.
    next: u64,
    /// Why nothing can be inserted any more.
    closed: Option<Failure>,
}

struct Waiting<T> {
    serial: u64,
    resolver: Resolver<T>,
}

impl<K, T> ResolverMap<K, T>
where
    K: Eq + Hash + Clone + Send + Sync + 'static,
    T: Send + 'static,
{
    /// Makes an empty map.
    pub fn new() -> Self {
        ResolverMap(Arc::new(Shared {
            state: Mutex::new(State {
                waiting: HashMap::new(),
                next: 0,
                closed: None,
            }),
        }))
    }

    /// Makes a Deferred that waits for what [`resolve`](ResolverMap::resolve)
    /// gives for `key`.
    ///
    /// Insert before the request is sent: a reply to a key that is not there yet
    /// is refused.
    ///
    /// # Errors
    ///
    /// The Deferred fails at once
    ///
    /// - with [`DuplicateKey`] if another waits for that key, which goes on to
    ///   wait;
    /// - with the error of [`close`](ResolverMap::close) if the map is closed.
    ///
    /// # Cancel safety
    ///
    /// The key is taken out when the Deferred is cancelled, or dropped with no
    /// callback on it.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{DuplicateKey, ResolverMap, testing};
    ///
    /// let replies = ResolverMap::<_, ()>::new();
    /// let waits = replies.insert("a");
    /// assert!(testing::failure_of(replies.insert("a")).is::<DuplicateKey>());
    /// drop(waits);
    /// testing::assert_no_result(&replies.insert("a"));
    /// ```
    #[track_caller]
    pub fn insert(&self, key: K) -> Deferred<T> {
        let made = Location::caller();
        let refused = |failure| Deferred::ready(Err(failure), made);
        let own_key = key.clone();
        let mut state = lock(&self.0.state);
        if let Some(failure) = &state.closed {
            let failure = failure.clone();
            drop(state);
            return refused(failure);
        }
        let serial = state.next;
        let entry = match state.waiting.entry(key) {
            Entry::Vacant(entry) => entry,
            Entry::Occupied(_) => {
                drop(state);
                return refused(Failure::from_error(DuplicateKey::new(), made));
            }
        };
        let request = Arc::new(Request {
            map: Arc::downgrade(&self.0),
            key: own_key,
            serial,
            made,
        });
        let (resolver, d) = Deferred::with_delegate(made, request);
        entry.insert(Waiting { serial, resolver });
        state.next += 1;
        drop(state);
        d.fired_by("a map of resolvers")
    }

    /// Fires the Deferred of `key` with `result`, and returns whether it did.
    ///
    /// False if nobody waits for the key: it was never inserted, was answered
    /// before, or its Deferred was cancelled or dropped. The result is then
    /// dropped, and a failure is not reported. The stages run on this thread,
    /// before this returns; the key is free from before they run.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{ResolverMap, testing};
    ///
    /// let replies = ResolverMap::new();
    /// let d = replies.insert(1);
    /// assert!(replies.resolve(&1, "42".parse::<i32>()));
    /// assert!(!replies.resolve(&1, "43".parse::<i32>()));
    /// assert_eq!(testing::success_of(d), 42);
    /// ```
    #[track_caller]
    pub fn resolve<E: Into<BoxError>>(&self, key: &K, result: Result<T, E>) -> bool {
        match result {
            Ok(value) => self.callback(key, value),
            Err(error) => self.errback(key, error),
        }
    }

    /// Fires the Deferred of `key` with a value: a short
    /// [`resolve`](ResolverMap::resolve).
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{ResolverMap, testing};
    ///
    /// let replies = ResolverMap::new();
    /// let d = replies.insert(1);
    /// d.cancel();
    /// assert!(!replies.callback(&1, "too late"));
    /// assert!(testing::failure_of(d).is_cancelled());
    /// ```
    pub fn callback(&self, key: &K, value: T) -> bool {
        let resolver = self.0.take(key);
        resolver.is_some_and(|resolver| resolver.try_callback(value).is_ok())
    }

    /// Fires the Deferred of `key` with a failure, raised at the caller's line:
    /// a short [`resolve`](ResolverMap::resolve).
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{ResolverMap, testing};
    ///
    /// let replies = ResolverMap::<_, ()>::new();
    /// let d = replies.insert(1);
    /// assert!(replies.errback(&1, "no such page"));
    /// assert_eq!(testing::failure_of(d).to_string(), "no such page");
    /// ```
    #[track_caller]
    pub fn errback(&self, key: &K, error: impl Into<BoxError>) -> bool {
        let at = Location::caller();
        match self.0.take(key) {
            Some(resolver) if resolver.is_observed() => {
                resolver.fire(Err(Failure::from_box(error.into(), at)));
                true
            }
            _ => false,
        }
    }

    /// Fails all that wait, in the order in which they were inserted, on this
    /// thread, and returns how many there were.
    ///
    /// All get the same failure. What their callbacks insert stays.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{ResolverMap, testing};
    ///
    /// let replies = ResolverMap::<_, ()>::new();
    /// let (a, b) = (replies.insert(1), replies.insert(2));
    /// assert_eq!(replies.fail_all("connection reset"), 2);
    /// for d in [a, b] {
    ///     assert_eq!(testing::failure_of(d).to_string(), "connection reset");
    /// }
    /// // A new connection:
    /// testing::assert_no_result(&replies.insert(1));
    /// ```
    #[track_caller]
    pub fn fail_all(&self, error: impl Into<BoxError>) -> usize {
        let failure = Failure::from_box(error.into(), Location::caller());
        let waiting = std::mem::take(&mut lock(&self.0.state).waiting);
        fail(waiting, &failure)
    }

    /// Fails all that wait, as [`fail_all`](ResolverMap::fail_all) does, and all
    /// that are inserted from now on.
    ///
    /// Returns how many waited. If the map was closed before, nobody waits, and
    /// the first error stays.
    #[track_caller]
    pub fn close(&self, error: impl Into<BoxError>) -> usize {
        let failure = Failure::from_box(error.into(), Location::caller());
        let mut state = lock(&self.0.state);
        state.closed.get_or_insert_with(|| failure.clone());
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        fail(waiting, &failure)
    }

    /// Returns whether [`close`](ResolverMap::close) was called.
    pub fn is_closed(&self) -> bool {
        lock(&self.0.state).closed.is_some()
    }

    /// Returns whether a Deferred waits for `key`.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::ResolverMap;
    ///
    /// let replies = ResolverMap::<_, ()>::new();
    /// let d = replies.insert(1);
    /// assert!(replies.contains_key(&1));
    /// drop(d);
    /// assert!(!replies.contains_key(&1));
    /// ```
    pub fn contains_key(&self, key: &K) -> bool {
        lock(&self.0.state).waiting.contains_key(key)
    }

    /// Returns how many keys wait.
    pub fn len(&self) -> usize {
        lock(&self.0.state).waiting.len()
    }

    /// Returns whether no key waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K: Eq + Hash, T> Shared<K, T> {
    fn take(&self, key: &K) -> Option<Resolver<T>> {
        let taken = lock(&self.state).waiting.remove_entry(key);
        // The key is dropped here, outside the lock.
        taken.map(|(_key, waiting)| waiting.resolver)
    }
}

/// What waits, oldest first, and the keys, which are dropped.
fn in_order<K, T>(waiting: HashMap<K, Waiting<T>>) -> impl Iterator<Item = Resolver<T>> {
    let mut waiting: Vec<_> = waiting.into_values().collect();
    waiting.sort_unstable_by_key(|waiting| waiting.serial);
    waiting.into_iter().map(|waiting| waiting.resolver)
}

fn fail<K, T: Send + 'static>(waiting: HashMap<K, Waiting<T>>, failure: &Failure) -> usize {
    let mut failed = 0;
    for resolver in in_order(waiting) {
        failed += usize::from(resolver.is_observed());
        resolver.fire(Err(failure.clone()));
    }
    failed
}

impl<K, T> Drop for Shared<K, T> {
    fn drop(&mut self) {
        // Fails those that wait. None of them can come back to this map.
        let waiting = std::mem::take(&mut lock(&self.state).waiting);
        in_order(waiting).for_each(drop);
    }
}

/// A request that waits, as its cancel and its drop see it.
struct Request<K, T> {
    map: Weak<Shared<K, T>>,
    key: K,
    serial: u64,
    made: &'static Location<'static>,
}

impl<K: Eq + Hash + Clone, T> Request<K, T> {
    fn take(&self) -> Option<Resolver<T>> {
        let map = self.map.upgrade()?;
        let mut state = lock(&map.state);
        if state.waiting.get(&self.key)?.serial != self.serial {
            return None;
        }
        let taken = state.waiting.remove_entry(&self.key);
        drop(state);
        taken.map(|(_key, waiting)| waiting.resolver)
    }
}

impl<K, T> Delegate for Request<K, T>
where
    K: Eq + Hash + Clone + Send + Sync + 'static,
    T: Send + 'static,
{
    fn cancel(self: Arc<Self>, request: CancelRequest) {
        match self.take() {
            Some(resolver) => resolver.fire(Err(request.into_failure())),
            // Its result is on the way.
            None => request.give_up(),
        }
    }

    fn unseen(&self) {
        if let Some(resolver) = self.take() {
            resolver.fire(Err(Failure::unseen(self.made)));
        }
    }
}

impl<K, T> Clone for ResolverMap<K, T> {
    fn clone(&self) -> Self {
        ResolverMap(self.0.clone())
    }
}

impl<K, T> Default for ResolverMap<K, T>
where
    K: Eq + Hash + Clone + Send + Sync + 'static,
    T: Send + 'static,
{
    fn default() -> Self {
        ResolverMap::new()
    }
}

impl<K, T> fmt::Debug for ResolverMap<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.0.state);
        f.debug_struct("ResolverMap")
            .field("waiting", &state.waiting.len())
            .field("closed", &state.closed.is_some())
            .finish()
    }
}
