//! What must come out even: every thing that is counted when it begins is
//! counted when it ends, by the thing itself.

use std::collections::BTreeMap;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio_deferred::Deferred;

/// A pair of counters that are the same when all is over.
pub(crate) struct Account {
    begun: AtomicU64,
    ended: AtomicU64,
}

impl Account {
    const fn new() -> Self {
        Account {
            begun: AtomicU64::new(0),
            ended: AtomicU64::new(0),
        }
    }

    pub(crate) fn begin(&self, n: u64) {
        self.begun.fetch_add(n, Ordering::Relaxed);
    }

    /// It did not begin after all.
    pub(crate) fn take_back(&self, n: u64) {
        self.begun.fetch_sub(n, Ordering::Relaxed);
    }

    pub(crate) fn end(&self, n: u64) {
        self.ended.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    /// How many begun ones have not ended.
    pub(crate) fn open(&self) -> u64 {
        // What ends while this looks is counted as begun, too.
        let ended = self.ended();
        self.begun().saturating_sub(ended)
    }
}

/// Callbacks that must run, and those that ran.
pub(crate) static CALLBACKS: Account = Account::new();
/// How many callbacks were dropped without a run.
static LOST: AtomicU64 = AtomicU64::new(0);
/// The same, by where their duty began.
pub(crate) static LOST_FROM: Mutex<BTreeMap<&Location<'_>, u64>> = Mutex::new(BTreeMap::new());
/// Futures that were begun, and those that came to an end or were dropped.
pub(crate) static FUTURES: Account = Account::new();
/// Values made, and dropped.
pub(crate) static VALUES: Account = Account::new();
/// Permits and locks that were given out, and given back.
pub(crate) static PERMITS: Account = Account::new();
/// More permits given out at a time than there are.
pub(crate) static TOO_MANY: AtomicU64 = AtomicU64::new(0);
/// Items put into queues, and got.
pub(crate) static ITEMS: Account = Account::new();
/// The sums of their numbers.
pub(crate) static NUMBERS: Account = Account::new();
/// Failures that nobody was to handle, and those that were reported.
pub(crate) static FAILURES: Account = Account::new();
/// Reports of failures that somebody handled.
pub(crate) static UNEXPECTED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Told of every end, while somebody waits for the last.
static ENDED: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());
static WAITED_FOR: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// What chains carry.
#[derive(Debug)]
pub(crate) struct Value(pub(crate) u64);

impl Value {
    pub(crate) fn new(number: u64) -> Self {
        VALUES.begin(1);
        Value(number)
    }
}

impl Clone for Value {
    fn clone(&self) -> Self {
        Value::new(self.0)
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        VALUES.end(1);
    }
}

/// A callback's duty to run, which it owns; with a value, so that a callback
/// that is never dropped is found as well.
pub(crate) struct Due {
    met: bool,
    made: &'static Location<'static>,
    _captured: Value,
}

impl Due {
    #[track_caller]
    pub(crate) fn new() -> Self {
        CALLBACKS.begin(1);
        Due {
            met: false,
            made: Location::caller(),
            _captured: Value::new(0),
        }
    }

    /// The callback has run, and has begun whatever it begins.
    pub(crate) fn meet(mut self) {
        self.met = true;
        CALLBACKS.end(1);
        tell();
    }
}

impl Drop for Due {
    fn drop(&mut self) {
        if !self.met {
            *lock(&LOST_FROM).entry(self.made).or_default() += 1;
            LOST.fetch_add(1, Ordering::Relaxed);
            tell();
        }
    }
}

/// A future's life, which it owns: it may be dropped at any time.
pub(crate) struct Alive;

impl Alive {
    pub(crate) fn new() -> Self {
        FUTURES.begin(1);
        Alive
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        FUTURES.end(1);
        tell();
    }
}

/// Lets a chain end with a callback that must run, and that handles a failure.
#[track_caller]
pub(crate) fn finish<T: Send + 'static>(d: Deferred<T>) {
    let due = Due::new();
    d.add_both(move |_| due.meet()).detach();
}

/// Adds a callback that must run, and that makes a value of a failure.
#[track_caller]
pub(crate) fn recovered(d: Deferred<Value>) -> Deferred<Value> {
    let due = Due::new();
    d.add_both(move |result| {
        due.meet();
        Ok(result.unwrap_or_else(|_| Value::new(0)))
    })
}

/// Returns how many callbacks and futures have not ended.
pub(crate) fn outstanding() -> u64 {
    let lost = LOST.load(Ordering::Relaxed);
    CALLBACKS.open().saturating_sub(lost) + FUTURES.open()
}

fn tell() {
    if WAITED_FOR.load(Ordering::Relaxed) {
        *lock(&ENDED.0) = true;
        ENDED.1.notify_one();
    }
}

/// How long nothing may end before those that are left are given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// Calls `push` until every callback and future has ended, or none ends any
/// more.
pub(crate) fn settle(mut push: impl FnMut()) {
    WAITED_FOR.store(true, Ordering::Relaxed);
    let mut last_change = Instant::now();
    loop {
        let all_ended = outstanding() == 0;
        push();
        // What ended before may have left something for that push.
        if (all_ended && outstanding() == 0) || last_change.elapsed() > PATIENCE {
            break;
        }
        let ended = lock(&ENDED.0);
        // An end that came before it was waited for told nobody, hence a
        // timeout far below the patience.
        let waited = ENDED
            .1
            .wait_timeout_while(ended, PATIENCE / 100, |ended| !*ended);
        let (mut ended, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut *ended) {
            last_change = Instant::now();
        }
    }
    WAITED_FOR.store(false, Ordering::Relaxed);
}

/// Locks a mutex that is held over nothing that can panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
