//! Every factorial is computed once: calls that come while it is under way
//! share it, later ones find it, and larger ones start from it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_deferred::{Deferred, Resolver, SharedDeferred, task};

use crate::product::{Factorial, extend};

/// What has happened so far; each call is `computed`, `cached` or `shared`.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) calls: AtomicU64,
    pub(crate) answered: AtomicU64,
    pub(crate) computed: AtomicU64,
    pub(crate) cached: AtomicU64,
    pub(crate) shared: AtomicU64,
    pub(crate) multiplications: AtomicU64,
}

/// The factorials that are known or under way. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Factorials {
    known: Arc<Mutex<BTreeMap<u32, SharedDeferred<Arc<Factorial>>>>>,
    pub(crate) counters: Arc<Counters>,
    delay: Duration,
}

/// What a call found under the lock, and so what is left to do without it.
enum Found {
    Entry(Deferred<Arc<Factorial>>),
    Nothing(Start),
}

/// A factorial nobody has asked for yet: the smaller one to start from and
/// the resolver that the callers now wait on.
struct Start {
    below: Option<(u32, Deferred<Arc<Factorial>>)>,
    resolver: Resolver<Arc<Factorial>>,
    entry: SharedDeferred<Arc<Factorial>>,
}

impl Factorials {
    /// Makes an empty cache that waits for `delay` before each computation.
    pub(crate) fn new(delay: Duration) -> Self {
        Self {
            known: Arc::default(),
            counters: Arc::default(),
            delay,
        }
    }

    /// Returns `n!`, computing no factor that was computed before.
    pub(crate) fn get(&self, n: u32) -> Deferred<Arc<Factorial>> {
        let counters = Arc::clone(&self.counters);
        counters.calls.fetch_add(1, Ordering::Relaxed);
        let found = self.find(n);
        let answer = match found {
            Found::Entry(answer) => {
                let how = if answer.is_fired() {
                    &counters.cached
                } else {
                    &counters.shared
                };
                how.fetch_add(1, Ordering::Relaxed);
                answer
            }
            Found::Nothing(start) => {
                counters.computed.fetch_add(1, Ordering::Relaxed);
                self.start(n, start)
            }
        };
        answer.finally(move || {
            counters.answered.fetch_add(1, Ordering::Relaxed);
        })
    }

    /// Finds the entry of `n`, or makes it under the same lock, so that of any
    /// number of simultaneous calls exactly one computes.
    fn find(&self, n: u32) -> Found {
        let mut known = self.lock();
        if let Some(entry) = known.get(&n) {
            return Found::Entry(entry.subscribe());
        }
        // One that is still under way will do: its factors are among ours.
        let below = known
            .range(..n)
            .next_back()
            .map(|(&smaller, entry)| (smaller, entry.subscribe()));
        let (resolver, deferred) = Deferred::new();
        let entry = deferred.share();
        known.insert(n, entry.clone());
        Found::Nothing(Start {
            below,
            resolver,
            entry,
        })
    }

    /// Starts the computation of `n!` and returns what its first caller awaits.
    fn start(&self, n: u32, start: Start) -> Deferred<Arc<Factorial>> {
        let Start {
            below,
            resolver,
            entry,
        } = start;
        let answer = entry.subscribe();

        // The cache is a subscriber like any other. It forgets what failed, so
        // that the next call tries again; and because it never cancels, a
        // client that goes away takes the result from nobody.
        let cache = self.clone();
        let forgets = entry.subscribe().map(drop).add_errback(move |_| {
            let failed = cache.lock().remove(&n);
            drop(failed);
        });
        forgets.detach();

        let (smaller, base) = below.unwrap_or_else(|| (0, Deferred::succeed(Factorial::of_zero())));
        let factors = u64::from(n - smaller);
        self.counters
            .multiplications
            .fetch_add(factors, Ordering::Relaxed);
        let delay = self.delay;
        resolver.fire_from(base.add_callback(move |base| {
            if delay.is_zero() {
                extend(base, smaller + 1, n)
            } else {
                task::defer_later(delay, move || extend(base, smaller + 1, n))
            }
        }));
        answer
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, SharedDeferred<Arc<Factorial>>>> {
        // Nothing that can panic runs under the lock.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
