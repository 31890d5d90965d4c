//! Calls in the future, on the timers of a Tokio runtime: what a reactor's
//! `callLater` is to Twisted.
//!
//! A call that is pending is one task. Invariants:
//!
//! 1. Each call is called exactly once: when it is due, or with [`NoRuntime`]
//!    when its task is dropped before (its runtime shut down, or it was
//!    stopped; who stops a call makes sure that this does nothing).
//! 2. A `Clock` has timers: who has one makes them without a panic.

use crate::bridge::find_runtime;
use crate::failure::{NoRuntime, discard};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{Instant, Sleep, sleep_until};

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
        // Tokio has no other way to ask. So its panic's message is printed,
        // which says how to enable timers.
        match catch_unwind(AssertUnwindSafe(|| clock.sleep_until(clock.now()))) {
            Ok(_) => Ok(clock),
            Err(payload) => {
                discard(payload);
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

    /// Calls `call` in `after` from now, in a task of its own.
    pub(crate) fn call_later<F>(&self, after: Duration, call: F) -> Scheduled
    where
        F: FnOnce(Result<(), NoRuntime>) + Send + 'static,
    {
        let sleep = self.sleep_until(Self::deadline(self.now(), after));
        let due = Due(Some(call));
        let task = self.0.spawn(async move {
            sleep.await;
            due.call();
        });
        Scheduled(task.abort_handle())
    }
}

/// A call that is due or will be.
pub(crate) struct Scheduled(AbortHandle);

impl Scheduled {
    /// Stops the call's timer and lets its task end.
    pub(crate) fn stop(&self) {
        self.0.abort();
    }
}

/// A call that nobody can lose (invariant 1).
struct Due<F: FnOnce(Result<(), NoRuntime>)>(Option<F>);

impl<F: FnOnce(Result<(), NoRuntime>)> Due<F> {
    fn call(mut self) {
        if let Some(call) = self.0.take() {
            call(Ok(()));
        }
    }
}

impl<F: FnOnce(Result<(), NoRuntime>)> Drop for Due<F> {
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call(Err(NoRuntime::new()));
        }
    }
}
