//! The waker that a local coroutine gives to other threads.

use futures::task::{ArcWake, AtomicWaker};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What other threads get of a coroutine.
#[derive(Default)]
pub(super) struct Remote {
    woken: AtomicBool,
    pub(super) task: AtomicWaker,
}

impl Remote {
    pub(super) fn take_woken(&self) -> bool {
        // ORDERING: AcqRel: pairs with `wake_by_ref`; the poll that follows
        // sees what was done before the wake.
        self.woken.swap(false, Ordering::AcqRel)
    }

    pub(super) fn is_woken(&self) -> bool {
        // ORDERING: Acquire: as above.
        self.woken.load(Ordering::Acquire)
    }
}

impl ArcWake for Remote {
    fn wake_by_ref(this: &Arc<Self>) {
        // ORDERING: Release: pairs with `take_woken`. A swap, for a store would
        // hide the wake of another thread that came just before: the poll would
        // see what was done before this one only.
        this.woken.swap(true, Ordering::Release);
        this.task.wake();
    }
}

#[cfg(all(test, not(tokio_deferred_loom)))]
mod tests {
    use super::*;
    use std::thread;

    /// Miri, whose loads may be stale, finds a wake that hides another one.
    #[test]
    fn two_threads_wake_at_once_then_what_both_did_before_is_seen() {
        let remote = Arc::new(Remote::default());
        let done = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        let threads = [0, 1].map(|n| {
            let (remote, done) = (remote.clone(), done.clone());
            thread::spawn(move || {
                done[n].store(true, Ordering::Relaxed);
                ArcWake::wake_by_ref(&remote);
            })
        });
        // Not by `join`, after which all is seen.
        let are_over = || threads.iter().all(thread::JoinHandle::is_finished);
        let mut is_last = false;
        while !is_last {
            is_last = are_over();
            if remote.take_woken() && done.iter().all(|done| done.load(Ordering::Relaxed)) {
                return;
            }
            thread::yield_now();
        }
        panic!("a wake was lost");
    }
}
