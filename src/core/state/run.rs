//! Transitions of a chain that runs, or waits for another.

use super::{
    APPENDED, AtomicState, CALLS, FORWARDED, LOCKED, Next, REF, RUNNING, Snapshot, TAKING_WAKER,
    VALUE_INLINE, WAITING, WAKER,
};
use crate::sync::Ordering;

/// What [`AtomicState::stop`] came to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The run is over, and its reference given up.
    Stopped,
    /// The state has changed: the runner must look again.
    Changed,
    /// The runner has the last reference, and has given up nothing.
    Last,
}

/// What [`AtomicState::end_run`] came to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndOfRun {
    /// Others still refer to the chain; the runner's references are given up.
    Shared,
    /// The runner's references are the last ones: it frees the block.
    Last,
    /// Calls wait, which the runner has to take first.
    Calls,
}

/// Running. The caller is the runner, except where it becomes that. Meanwhile
/// the owner of the consumer may append, register a waker and pause, and other
/// threads may register calls.
impl AtomicState {
    /// AT REST -> RUNNING, with a reference for the run, by the owner of the
    /// consumer.
    pub(crate) fn run_from_rest(&self) {
        self.update(|s| Next::To(Snapshot(s.0 | RUNNING).with_ref().0));
    }

    /// RUNNING -> AT REST or PAUSED, in one step from `seen`, and the run's
    /// reference is given up; no waker may be there.
    ///
    /// The Acquire on the way out pairs with an append: a runner whose `seen` had
    /// no `APPENDED` changes it only if nothing was appended since.
    #[inline]
    pub(crate) fn stop(&self, seen: Snapshot) -> Stop {
        if seen.is_sole() {
            // An EmptyChain was dropped while a pause held it up.
            return Stop::Last;
        }
        match self.change(seen, (seen.0 & !RUNNING) - REF) {
            Ok(()) => Stop::Stopped,
            Err(_) => Stop::Changed,
        }
    }

    /// RUNNING -> AT REST, in one step from `seen`, which has a waker: the caller
    /// must take it, and then call
    /// [`end_taking_waker`](AtomicState::end_taking_waker).
    #[inline]
    pub(crate) fn stop_and_take_waker(&self, seen: Snapshot) -> bool {
        let to = (seen.0 & !(RUNNING | WAKER)) | TAKING_WAKER;
        self.change(seen, to).is_ok()
    }

    /// RUNNING -> WAITING: from here on a cancel goes to the awaited chain.
    /// Returns whether calls wait, which the caller has to take.
    pub(crate) fn running_to_waiting(&self) -> bool {
        let (seen, _) = self.update(|s| Next::To((s.0 & !(RUNNING | CALLS)) | WAITING));
        seen.has_calls()
    }

    /// WAITING -> RUNNING, by the deliverer only, whose link's reference is then
    /// the run's. Waits for a thread that looks at the wait.
    pub(crate) fn waiting_to_running(&self) {
        self.update(|s| {
            debug_assert!(s.is_waiting(), "only the awaited chain ends a wait");
            if s.has(LOCKED) {
                Next::WaitForUnlock
            } else {
                Next::To((s.0 & !WAITING) | RUNNING)
            }
        });
    }

    /// RUNNING -> FORWARDED. Returns whether calls wait, which the caller has to
    /// take.
    pub(crate) fn running_to_forwarded(&self) -> bool {
        let (seen, _) = self.update(|s| Next::To((s.0 & !(RUNNING | CALLS)) | FORWARDED));
        seen.has_calls()
    }

    /// WAITING and locked -> FORWARDED, by the deliverer.
    pub(crate) fn waiting_to_forwarded(&self) {
        self.update(|s| Next::To((s.0 & !(WAITING | LOCKED)) | FORWARDED));
    }

    /// Ends the run of a chain whose last record has run, giving up `refs`
    /// references.
    #[inline]
    pub(crate) fn end_run(&self, refs: u64) -> EndOfRun {
        let mut state = self.load();
        loop {
            if state.has_calls() {
                return EndOfRun::Calls;
            }
            if state.refs() == refs {
                // No other thread has one, or could get one: no read-modify-write
                // is needed to be the last. `load` acquired what the others did
                // before they gave up theirs.
                return EndOfRun::Last;
            }
            match self.change(state, state.0 - refs * REF - RUNNING) {
                Ok(()) => return EndOfRun::Shared,
                Err(seen) => state = seen,
            }
        }
    }

    /// Notes that the runner has seen what was appended up to `seen`; if the
    /// state has changed, nothing happens. After it the runner reads again how
    /// far the records go.
    pub(crate) fn clear_appended(&self, seen: Snapshot) {
        let _ = self.change(seen, seen.0 & !APPENDED);
    }

    /// Notes that the value was moved or taken out of the producer's place.
    pub(crate) fn clear_inline_value(&self) {
        // ORDERING: AcqRel: as in `change`.
        self.0.fetch_and(!VALUE_INLINE, Ordering::AcqRel);
    }

    /// Notes that a call waits for the end of the run, if there is a run. The
    /// caller holds the lock over the calls, so the runner, which takes that lock
    /// after it cleared the bit, finds the call.
    pub(crate) fn note_call(&self) -> bool {
        let (_, running) = self.update(|s| {
            if s.is_running() {
                Next::To(s.0 | CALLS)
            } else {
                Next::Abort
            }
        });
        running
    }

    /// Notes that the runner is about to take the calls.
    pub(crate) fn clear_calls(&self) {
        // ORDERING: AcqRel: as in `change`.
        self.0.fetch_and(!CALLS, Ordering::AcqRel);
    }
}
