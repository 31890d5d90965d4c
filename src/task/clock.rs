//! The timers of a Tokio runtime: what a reactor's `callLater` is to Twisted.
//!
//! A [`Clock`] reads a runtime's time, which a test may have paused, and
//! schedules calls in it. The calls themselves are in a [`TimerQueue`].
//!
//! Rules:
//!
//! - *\[no thread-locals\]* A [`Clock`] also works on a thread whose
//!   thread-locals are gone, in the destructor of one, say. Tokio cannot enter a
//!   runtime there, so the runtime's own threads make the timers.
//! - *\[no question by panic\]* Tokio says that a runtime has no timers by a panic
//!   and in no other way. The panic is caught where it comes, once for a thread
//!   and a runtime. In a runtime that has timers nothing panics, and a program
//!   that aborts on a panic needs such a runtime.

use super::timer_queue::{Scheduled, TimerQueue};
use crate::bridge::{enter, find_runtime};
use crate::failure::{NoRuntime, discard};
use std::cell::Cell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use tokio::runtime::{Handle, Id};
use tokio::time::{Instant, Sleep, sleep_until};

/// How far off the farthest deadline is: what does not fit an `Instant` is as
/// good as never.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

thread_local! {
    /// The runtime that this thread asked for timers last, and the answer.
    static LAST_ASKED: Cell<Option<(Id, bool)>> = const { Cell::new(None) };
}

/// Why a timer was not made.
#[derive(Debug)]
pub(super) enum NoTimer {
    /// This thread's thread-locals are gone: another thread has to make it.
    NoThreadLocals,
    /// The runtime has no timers.
    NoRuntime(NoRuntime),
}

/// Makes a timer of `runtime`, which the runtime does not know of before the
/// timer is polled.
pub(super) fn new_timer(runtime: &Handle, deadline: Instant) -> Result<Pin<Box<Sleep>>, NoTimer> {
    let Some(_entered) = enter(runtime) else {
        return Err(NoTimer::NoThreadLocals);
    };
    catch_unwind(AssertUnwindSafe(|| Box::pin(sleep_until(deadline)))).map_err(|payload| {
        discard(payload);
        NoTimer::NoRuntime(NoRuntime::no_timer())
    })
}

/// The time and the timers of one runtime.
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
        if clock.has_timers() {
            Ok(clock)
        } else {
            Err(NoRuntime::no_timer())
        }
    }

    /// Whether the runtime has timers, as far as this thread can find out.
    fn has_timers(&self) -> bool {
        let id = self.0.id();
        if let Ok(Some((asked, answer))) = LAST_ASKED.try_with(Cell::get)
            && asked == id
        {
            return answer;
        }
        let answer = match new_timer(&self.0, self.now()) {
            Ok(_) => true,
            // The queue finds out, in a task.
            Err(NoTimer::NoThreadLocals) => return true,
            Err(NoTimer::NoRuntime(_)) => false,
        };
        let _ = LAST_ASKED.try_with(|last| last.set(Some((id, answer))));
        answer
    }

    pub(crate) fn now(&self) -> Instant {
        match enter(&self.0) {
            Some(_entered) => Instant::now(),
            // Tokio cannot say here whether a test has paused the time.
            None => Instant::from_std(std::time::Instant::now()),
        }
    }

    /// Returns the time in `after` from `start`.
    pub(crate) fn deadline(start: Instant, after: Duration) -> Instant {
        start.checked_add(after).unwrap_or_else(|| start + FAR)
    }

    /// Completes at `deadline`. To be polled in a task of this runtime, but for
    /// the first time, which may be anywhere.
    pub(crate) async fn sleep_until(&self, deadline: Instant) {
        let mut timer = None;
        poll_fn(|cx| {
            let timer = match &mut timer {
                Some(timer) => timer,
                None => match new_timer(&self.0, deadline) {
                    Ok(made) => timer.insert(made),
                    Err(NoTimer::NoThreadLocals) => {
                        // The task, which is on another thread, makes it.
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    // Whoever has a clock found timers: as good as never.
                    Err(NoTimer::NoRuntime(_)) => return Poll::Pending,
                },
            };
            timer.as_mut().poll(cx)
        })
        .await;
    }

    /// Calls `call` in `after` from now, in a task of the runtime; with an error,
    /// and possibly before this returns, if the runtime has shut down or shuts
    /// down before that.
    ///
    /// The call must not panic.
    pub(crate) fn call_later<F>(&self, after: Duration, call: F) -> Scheduled
    where
        F: FnOnce(Result<(), NoRuntime>) + Send + 'static,
    {
        let deadline = Self::deadline(self.now(), after);
        TimerQueue::schedule(&self.0, deadline, Box::new(call))
    }
}
