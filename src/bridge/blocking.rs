//! Whether this thread may block.
//!
//! Tokio knows, and says it only by a panic, which a program may turn into its
//! end. So it is inferred from two things that Tokio does say:
//!
//! - *\[scheduler\]* A poll of `yield_now` leaves the waker to the scheduler on a
//!   thread that runs a runtime's tasks, and wakes it at once everywhere else: on
//!   a thread that only entered a runtime, on one for blocking code, and inside
//!   of `block_in_place`.
//! - *\[budget\]* A task, and the future that is given to `block_on`, are polled
//!   with a budget for Tokio's operations. Code that may block has none. This
//!   tells of a `block_on` that runs beside the workers of its runtime.
//!
//! What neither tells: code inside of `tokio::task::unconstrained` in the future
//! that is given to the `block_on` of a multi-thread runtime. That thread runs no
//! tasks, so blocking it stops none.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use tokio::runtime::Handle;
use tokio::task::coop::poll_proceed;
use tokio::task::yield_now;

/// More than Tokio's budget for one poll, which is a byte.
const MORE_THAN_A_BUDGET: usize = 256;

/// Returns whether blocking this thread stops no task of a runtime.
pub(crate) fn may_block() -> bool {
    if Handle::try_current().is_err() {
        return true;
    }
    !runs_tasks() && !has_budget()
}

/// Whether a scheduler runs on this thread, and is not suspended.
fn runs_tasks() -> bool {
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            // ORDERING: what matters is whether this thread did it.
            self.0.store(true, Ordering::Relaxed);
        }
    }

    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(woken.clone());
    let _ = pin!(yield_now()).poll(&mut Context::from_waker(&waker));
    // ORDERING: as above.
    !woken.0.load(Ordering::Relaxed)
}

/// Whether what is being polled on this thread has a budget. Nothing is taken
/// from it.
fn has_budget() -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    let mut taken = Vec::new();
    while taken.len() < MORE_THAN_A_BUDGET {
        match poll_proceed(&mut cx) {
            Poll::Ready(unit) => taken.push(unit),
            Poll::Pending => break,
        }
    }
    let is_limited = taken.len() < MORE_THAN_A_BUDGET;
    // Each gives back what there was before it was taken: the first is the last.
    while taken.pop().is_some() {}
    is_limited
}
