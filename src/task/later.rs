//! One call, later.

use super::clock::Clock;
use super::timer_queue::Scheduled;
use crate::bridge::{fail_start, failed_start};
use crate::chain::{Deferred, FireOnce, Outcome};
use crate::core::{CancelRequest, Delegate};
use crate::failure::Failure;
use std::panic::Location;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Calls `f` in `after` from now, on a task of the runtime, and returns a
/// Deferred of what it returns: Twisted's `deferLater`.
///
/// Cancelling the Deferred stops the timer, and `f` is never called; once it
/// was called, a cancel reaches the Deferred that it returned. Dropping the
/// Deferred leaves the call to be made. A panic in `f` is the failure.
///
/// # Errors
///
/// Without a Tokio runtime, or without timers in it, `f` is dropped and the
/// Deferred fails with [`NoRuntime`](crate::NoRuntime); so it does if the
/// runtime shuts down before.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tokio_deferred::task;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// let start = tokio::time::Instant::now();
/// let d = task::defer_later(Duration::from_secs(3), || Ok("done"));
/// assert_eq!(d.await.unwrap(), "done");
/// assert_eq!(start.elapsed().as_secs(), 3);
/// # }
/// ```
#[doc(alias = "deferLater")]
#[track_caller]
pub fn defer_later<R: Outcome>(
    after: Duration,
    f: impl FnOnce() -> R + Send + 'static,
) -> Deferred<R::Output> {
    delay(after).add_callback(move |()| f())
}

/// Returns a Deferred that has its result in `after` from now.
#[track_caller]
fn delay(after: Duration) -> Deferred<()> {
    let made = Location::caller();
    let clock = match Clock::find() {
        Ok(clock) => clock,
        Err(none) => return failed_start(Failure::from_error(none, made), made),
    };
    let delay = Arc::new(Delay {
        resolver: FireOnce::empty(),
        timer: OnceLock::new(),
    });
    let (resolver, d) = Deferred::with_delegate(made, delay.clone());
    let d = d.fired_by("a timer");
    delay.resolver.put(resolver);
    let due = delay.clone();
    let timer = clock.call_later(after, move |it_is| match it_is {
        Ok(()) => due.resolver.fire(Ok(())),
        Err(none) => {
            if let Some(resolver) = due.resolver.take() {
                fail_start(resolver, Failure::from_error(none, made), made);
            }
        }
    });
    // Nobody else has the Deferred yet, so no cancel came before this.
    let _ = delay.timer.set(timer);
    d
}

/// A delay that is not over. The timer and a cancel may both end it: the one
/// that takes the resolver does.
struct Delay {
    resolver: FireOnce<()>,
    timer: OnceLock<Scheduled>,
}

impl Delegate for Delay {
    fn cancel(self: Arc<Self>, request: CancelRequest) {
        if let Some(timer) = self.timer.get() {
            timer.stop();
        }
        self.resolver.fire(Err(request.into_failure()));
    }
}
