//! Failures of operations that could not even be started, and depth.
//!
//! An operation that needs a runtime fails at once where there is none, or where
//! it has shut down. Code that starts it again in an errback, as code that
//! reconnects does, would then nest: the start fails, the errback runs, starts,
//! fails.
//!
//! Rules:
//!
//! - *\[at once, mostly\]* As long as few failed stages are inside of each other on
//!   the thread's stack, the failure is there when the start returns. Past that
//!   depth the Deferred gets it from the trampoline, and the errback runs from
//!   there.
//! - *\[endless retries end\]* Code that starts again whatever the failure is would
//!   keep the thread, which may be dropping a runtime, for ever. After
//!   [`MOST_IN_A_ROW`] failures that were put off in one go, the next is reported
//!   and not delivered: its Deferred has no result.

use crate::chain::{Deferred, Resolver};
use crate::core::{drains, is_deep, trampoline};
use crate::failure::{Failure, report};
use std::cell::Cell;
use std::panic::Location;

/// How many failures in a row are put off before a retry counts as endless.
/// Between two of them are as many as the stack holds: a million in all.
const MOST_IN_A_ROW: u32 = 1 << 15;

thread_local! {
    /// The go of the trampoline in which failures were put off last, and how many.
    static PUT_OFF: Cell<(u64, u32)> = const { Cell::new((0, 0)) };
}

/// Returns a Deferred that fails, because what it is of could not be started.
pub(crate) fn failed_start<T: Send + 'static>(
    failure: Failure,
    made: &'static Location<'static>,
) -> Deferred<T> {
    if !is_deep() {
        return Deferred::ready(Err(failure), made);
    }
    let (resolver, d) = Deferred::unfired(made);
    fail_start(resolver, failure, made);
    d
}

/// Fails what could not be started.
pub(crate) fn fail_start<T: Send + 'static>(
    resolver: Resolver<T>,
    failure: Failure,
    made: &'static Location<'static>,
) {
    deliver_failure(made, move || resolver.fire(Err(failure)));
}

/// Calls `deliver`, which fails what could not be started.
pub(crate) fn deliver_failure(made: &'static Location<'static>, deliver: impl FnOnce() + 'static) {
    if is_deep() && is_endless() {
        report(Failure::from_box(ENDLESS.into(), made), made, None);
        // The drop of what it owns would be a failure, and the reason for the
        // next start.
        std::mem::forget(deliver);
        return;
    }
    trampoline(deliver);
}

const ENDLESS: &str =
    "what failed at once was started again a million times in a row; it is given up";

/// Counts a failure that is put off, and says whether there were too many.
fn is_endless() -> bool {
    let count = |put_off: &Cell<(u64, u32)>| {
        let now = drains();
        let (then, count) = put_off.get();
        let count = if then == now { count + 1 } else { 1 };
        put_off.set((now, count));
        count > MOST_IN_A_ROW
    };
    PUT_OFF.try_with(count).unwrap_or(false)
}
