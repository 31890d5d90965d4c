//! What the threads have in common: the ends of chains that another thread
//! goes on with, and the limits that all of them wait for.

use crate::ledger::{self, Due, ITEMS, NUMBERS, PERMITS, TOO_MANY, Value};
use crate::random::Random;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio_deferred::{
    CancelHandle, Deferred, DeferredLock, DeferredQueue, DeferredSemaphore, Pause, Resolver,
    SharedDeferred,
};

/// Things that were put aside, up to a number.
pub(crate) struct Pool<T> {
    things: Mutex<Vec<T>>,
    room: usize,
}

impl<T> Pool<T> {
    fn new(room: usize) -> Self {
        Pool {
            things: Mutex::default(),
            room,
        }
    }

    /// Puts `thing` aside, and returns one of the others if there is no room.
    pub(crate) fn put(&self, random: &mut Random, thing: T) -> Option<T> {
        let mut things = ledger::lock(&self.things);
        if things.len() < self.room {
            things.push(thing);
            return None;
        }
        let which = random.below(things.len());
        Some(std::mem::replace(&mut things[which], thing))
    }

    /// Takes any of them.
    pub(crate) fn take(&self, random: &mut Random) -> Option<T> {
        let mut things = ledger::lock(&self.things);
        if things.is_empty() {
            return None;
        }
        let which = random.below(things.len());
        Some(things.swap_remove(which))
    }

    fn take_all(&self) -> Vec<T> {
        std::mem::take(&mut *ledger::lock(&self.things))
    }
}

/// A limit, and how much of it is given out as its users see it.
pub(crate) struct Limit<L> {
    pub(crate) of: L,
    most: u64,
    out: Arc<AtomicU64>,
}

impl<L> Limit<L> {
    fn new(of: L, most: u64) -> Self {
        let out = Arc::default();
        Limit { of, most, out }
    }

    /// Returns a function that books what was given out, `n` of it.
    pub(crate) fn gate<G>(&self, n: u64) -> impl FnOnce(G) -> Held<G> + Send + use<G, L> {
        let (out, most) = (self.out.clone(), self.most);
        move |guard| {
            PERMITS.begin(n);
            // ORDERING: with the limit's own, which order the holders: more
            // than the most is seen by one of them.
            if out.fetch_add(n, Ordering::AcqRel) + n > most {
                TOO_MANY.fetch_add(1, Ordering::Relaxed);
            }
            Held { out, n, guard }
        }
    }
}

/// What was given out; given back when it is dropped.
pub(crate) struct Held<G> {
    out: Arc<AtomicU64>,
    n: u64,
    /// Behind the count, so it is given back after that.
    #[allow(dead_code)]
    guard: G,
}

impl<G> Drop for Held<G> {
    fn drop(&mut self) {
        self.out.fetch_sub(self.n, Ordering::AcqRel);
        PERMITS.end(self.n);
    }
}

/// Anything that is held.
pub(crate) trait Hold: Send {}
impl<G: Send> Hold for Held<G> {}

pub(crate) struct World {
    pub(crate) runtime: Handle,
    pub(crate) resolvers: Pool<Resolver<Value>>,
    pub(crate) ends: Pool<Deferred<Value>>,
    pub(crate) handles: Pool<CancelHandle>,
    pub(crate) pauses: Pool<Pause>,
    pub(crate) shared: Pool<SharedDeferred<Value>>,
    pub(crate) held: Pool<Box<dyn Hold>>,
    pub(crate) tasks: Pool<AbortHandle>,
    pub(crate) semaphores: Vec<Limit<DeferredSemaphore>>,
    pub(crate) locks: Vec<Limit<DeferredLock>>,
    pub(crate) queues: Vec<DeferredQueue<Value>>,
}

impl World {
    pub(crate) fn new(runtime: Handle) -> Self {
        let semaphore = |limit: usize| Limit::new(DeferredSemaphore::new(limit), limit as u64);
        World {
            runtime,
            resolvers: Pool::new(256),
            ends: Pool::new(256),
            handles: Pool::new(256),
            pauses: Pool::new(64),
            shared: Pool::new(64),
            held: Pool::new(8),
            tasks: Pool::new(64),
            semaphores: [1, 3, 8].map(semaphore).into(),
            locks: (0..2).map(|_| Limit::new(DeferredLock::new(), 1)).collect(),
            queues: vec![
                DeferredQueue::new(),
                DeferredQueue::with_limits(Some(16), Some(16)),
            ],
        }
    }

    /// A Deferred that any thread may fire.
    pub(crate) fn leaf(&self, random: &mut Random) -> Deferred<Value> {
        let (mut resolver, d) = if random.one_in(8) {
            let answer = random.one_in(2).then(|| Value::new(1));
            Deferred::with_canceller(move || answer.map(Ok))
        } else {
            Deferred::new()
        };
        if random.one_in(8) {
            let told = Value::new(0);
            resolver.on_cancel(move || drop(told));
        }
        if let Some(other) = self.resolvers.put(random, resolver) {
            fire(random, other);
        }
        d
    }

    /// Lets another thread go on with `d`, or nobody.
    pub(crate) fn leave(&self, random: &mut Random, mut d: Deferred<Value>) {
        if random.one_in(4) {
            self.expose(random, &mut d);
        }
        if random.one_in(3) {
            ledger::finish(d);
        } else if let Some(other) = self.ends.put(random, d) {
            ledger::finish(other);
        }
    }

    /// Lets another thread cancel `d`.
    pub(crate) fn expose<T: Send + 'static>(&self, random: &mut Random, d: &mut Deferred<T>) {
        self.handles.put(random, d.cancel_handle());
    }

    /// Keeps what is held for a while.
    pub(crate) fn hold(&self, random: &mut Random, held: impl Hold + 'static) {
        let other = self.held.put(random, Box::new(held));
        drop(other);
    }

    /// Fires, drops and takes back whatever is left.
    pub(crate) fn clear(&self, random: &mut Random) {
        self.pauses.take_all();
        self.held.take_all();
        self.handles.take_all();
        self.shared.take_all();
        self.tasks.take_all();
        for resolver in self.resolvers.take_all() {
            fire(random, resolver);
        }
        for end in self.ends.take_all() {
            ledger::finish(end);
        }
        for queue in &self.queues {
            while queue.waiting() > 0 && put(queue, 1) {}
        }
    }

    /// Takes out of the queues what is left in them.
    pub(crate) fn empty_queues(&self) {
        for queue in &self.queues {
            while !queue.is_empty() {
                get(queue).detach();
            }
        }
    }

    /// Says what is wrong with the limits, once all is given back.
    pub(crate) fn limits_in_use(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for Limit { of, .. } in &self.semaphores {
            if of.tokens() != of.limit() {
                let (left, limit) = (of.tokens(), of.limit());
                wrong.push(format!("a semaphore of {limit} has {left} permits left"));
            }
        }
        for Limit { of, .. } in &self.locks {
            if of.is_locked() {
                wrong.push("a lock is still locked".to_owned());
            }
        }
        wrong
    }
}

/// Fires `resolver` in any of the ways there are.
pub(crate) fn fire(random: &mut Random, resolver: Resolver<Value>) {
    match random.below(8) {
        0 => drop(resolver),
        1 => resolver.errback("made to fail"),
        2 => resolver.fire_from(Deferred::succeed(Value::new(2))),
        3 => drop(resolver.try_callback(Value::new(3))),
        _ => resolver.callback(Value::new(4)),
    }
}

/// Puts a number into `queue`; says whether there was room.
pub(crate) fn put(queue: &DeferredQueue<Value>, number: u64) -> bool {
    // Counted before, as another thread may get it at once.
    ITEMS.begin(1);
    NUMBERS.begin(number);
    let put = queue.put(Value::new(number)).is_ok();
    if !put {
        ITEMS.take_back(1);
        NUMBERS.take_back(number);
    }
    put
}

/// Gets a number out of `queue`, sooner or later.
pub(crate) fn get(queue: &DeferredQueue<Value>) -> Deferred<()> {
    count(queue.get())
}

/// Counts the number that comes out of a queue, if one does.
pub(crate) fn count(get: Deferred<Value>) -> Deferred<()> {
    let due = Due::new();
    get.add_both(move |got| {
        due.meet();
        if let Ok(value) = got {
            ITEMS.end(1);
            NUMBERS.end(value.0);
        }
    })
}
