//! Calls in the future, on the timers of Tokio's runtimes: what a reactor's
//! `callLater` is to Twisted.
//!
//! All calls that are pending in a runtime share one task, which sleeps until
//! the first is due. So a call that is stopped in time, as that of a timeout
//! nearly always is, has cost an entry in a map: no task, and no timer.
//!
//! Invariants:
//!
//! 1. A runtime is in the map as long as it has pending calls, and from then on
//!    until its [`Driver`] finds that there are none. While it is there it has
//!    exactly one driver that is not about to end.
//! 2. A call that was not stopped is called exactly once: when it is due, or
//!    with [`NoRuntime`] if its runtime shuts down before. The drops of
//!    [`Driver`] and [`Due`] do the latter.
//! 3. A call that is due runs in a task of its own, so that one which blocks
//!    holds up neither the driver nor the others.
//! 4. Who has a [`Clock`] makes timers without a panic.
//! 5. The lock is held over no code of the user's; calls are dropped after it.

use crate::bridge::find_runtime;
use crate::failure::{NoRuntime, discard};
use crate::sync::lock;
use futures::future::select;
use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;
use tokio::runtime::{Handle, Id};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep_until};

type Call = Box<dyn FnOnce(Result<(), NoRuntime>) + Send>;

/// Deadlines, and numbers that keep equal ones apart and in order.
type Key = (Instant, u64);

/// What is pending in one runtime.
#[derive(Default)]
struct Pending {
    calls: BTreeMap<Key, Call>,
    calls_made: u64,
    /// Wakes the driver to look at the first call again.
    changed: Arc<Notify>,
}

static PENDING: LazyLock<Mutex<HashMap<Id, Pending>>> = LazyLock::new(Mutex::default);

/// The runtime that was last found to have no timers: finding out makes Tokio
/// panic, and the message is printed, which once is enough for.
static WITHOUT_TIMERS: Mutex<Option<Id>> = Mutex::new(None);

/// How far off the farthest deadline is: what does not fit an `Instant` is as
/// good as never.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// The timers of one runtime, whose time a test may have paused.
#[derive(Clone)]
pub(crate) struct Clock(Handle);

impl Clock {
    /// Returns the clock of the runtime that is current, else of the default.
    ///
    /// # Errors
    ///
    /// If there is no runtime, or no timer in it.
    pub(crate) fn find() -> Result<Clock, NoRuntime> {
        let clock = Clock(find_runtime(None)?);
        let id = clock.0.id();
        // What has pending calls has timers.
        if lock(&PENDING).contains_key(&id) {
            return Ok(clock);
        }
        if *lock(&WITHOUT_TIMERS) == Some(id) {
            return Err(NoRuntime::new());
        }
        // Tokio has no other way to ask.
        match catch_unwind(AssertUnwindSafe(|| clock.sleep_until(Instant::now()))) {
            Ok(_) => Ok(clock),
            Err(payload) => {
                discard(payload);
                *lock(&WITHOUT_TIMERS) = Some(id);
                Err(NoRuntime::new())
            }
        }
    }

    pub(crate) fn now(&self) -> Instant {
        let _entered = self.0.enter();
        Instant::now()
    }

    /// Returns the time in `after` from `start`.
    pub(crate) fn deadline(start: Instant, after: Duration) -> Instant {
        start.checked_add(after).unwrap_or_else(|| start + FAR)
    }

    /// Makes a timer, which costs nothing before it is polled.
    pub(crate) fn sleep_until(&self, deadline: Instant) -> Sleep {
        let _entered = self.0.enter();
        sleep_until(deadline)
    }

    /// Calls `call` in `after` from now, in a task of the runtime; at once, and
    /// with an error, if that has shut down.
    pub(crate) fn call_later<F>(&self, after: Duration, call: F) -> Scheduled
    where
        F: FnOnce(Result<(), NoRuntime>) + Send + 'static,
    {
        let deadline = Self::deadline(self.now(), after);
        let id = self.0.id();
        let call: Call = Box::new(call);
        let mut all = lock(&PENDING);
        let has_driver = all.contains_key(&id);
        let pending = all.entry(id).or_default();
        pending.calls_made += 1;
        let key = (deadline, pending.calls_made);
        pending.calls.insert(key, call);
        let is_first = pending
            .calls
            .first_key_value()
            .is_some_and(|(k, _)| *k == key);
        let changed = is_first.then(|| pending.changed.clone());
        drop(all);
        if !has_driver {
            self.0.spawn(Driver { id, at_work: true }.drive());
        } else if let Some(changed) = changed {
            changed.notify_one();
        }
        Scheduled { id, key }
    }
}

/// A call that is due or will be.
#[derive(Clone, Copy)]
pub(crate) struct Scheduled {
    id: Id,
    key: Key,
}

impl Scheduled {
    /// Drops the call, unless it is due.
    pub(crate) fn stop(self) {
        let mut all = lock(&PENDING);
        let Some(pending) = all.get_mut(&self.id) else {
            return;
        };
        let call = pending.calls.remove(&self.key);
        // A driver that has nothing to wait for ends.
        let changed = pending.calls.is_empty().then(|| pending.changed.clone());
        drop(all);
        drop(call);
        if let Some(changed) = changed {
            changed.notify_one();
        }
    }
}

/// Who waits for the first call of a runtime.
struct Driver {
    id: Id,
    at_work: bool,
}

/// What a driver finds.
enum Found {
    Nothing,
    Wait(Instant, Arc<Notify>),
    Due(Vec<Due>),
}

impl Driver {
    async fn drive(mut self) {
        loop {
            match self.look(Instant::now()) {
                Found::Nothing => return,
                Found::Wait(deadline, changed) => {
                    let (timer, changed) = (pin!(sleep_until(deadline)), pin!(changed.notified()));
                    select(timer, changed).await;
                }
                Found::Due(calls) => {
                    for due in calls {
                        tokio::spawn(async move { due.call() });
                    }
                }
            }
        }
    }

    /// Takes what is due, or else ends this driver if nothing is pending.
    fn look(&mut self, now: Instant) -> Found {
        let mut all = lock(&PENDING);
        let Some(pending) = all.get_mut(&self.id) else {
            self.at_work = false;
            return Found::Nothing;
        };
        let mut calls = Vec::new();
        while let Some(entry) = pending.calls.first_entry()
            && entry.key().0 <= now
        {
            calls.push(Due(Some(entry.remove())));
        }
        if !calls.is_empty() {
            return Found::Due(calls);
        }
        if let Some((key, _)) = pending.calls.first_key_value() {
            return Found::Wait(key.0, pending.changed.clone());
        }
        self.at_work = false;
        all.remove(&self.id);
        Found::Nothing
    }
}

impl Drop for Driver {
    /// At work only if its runtime shuts down.
    fn drop(&mut self) {
        if self.at_work {
            let pending = lock(&PENDING).remove(&self.id);
            for call in pending.into_iter().flat_map(|p| p.calls.into_values()) {
                drop(Due(Some(call)));
            }
        }
    }
}

/// A call that is to be made by its task, or else by its drop.
struct Due(Option<Call>);

impl Due {
    fn call(mut self) {
        if let Some(call) = self.0.take() {
            call(Ok(()));
        }
    }
}

impl Drop for Due {
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call(Err(NoRuntime::new()));
        }
    }
}
