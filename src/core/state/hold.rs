//! What holds a chain, or is held by it: wakers, pauses, references.

use super::{AtomicState, Next, PAUSE, REF, RUNNING, Snapshot, TAKING_WAKER, WAKER};
use crate::sync::Ordering;

/// What [`AtomicState::unpause`] came to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unpause {
    /// The caller is the runner now; its reference is the run's.
    Run,
    /// Something else holds the chain up, or it is unfired.
    Nothing,
    /// The caller has the last reference: it frees the block.
    Last,
}

/// The waker's place ([waker]).
impl AtomicState {
    /// Registers the waker that the owner of the consumer has written to its
    /// place, unless the chain is at rest.
    pub(crate) fn set_waker(&self, seen: Snapshot) -> bool {
        let (_, registered) = self.update_from(seen, |s| {
            if s.is_at_rest() {
                Next::Abort
            } else {
                Next::To(s.0 | WAKER)
            }
        });
        registered
    }

    /// Takes the waker's place back, for the owner of the consumer. Returns the
    /// state after, and whether the waker is the caller's; else the runner has it.
    pub(crate) fn take_waker(&self, seen: Snapshot) -> (Snapshot, bool) {
        let (seen, taken) = self.update_from(seen, |s| {
            if s.has(WAKER) {
                Next::To(s.0 & !WAKER)
            } else {
                Next::Abort
            }
        });
        let now = if taken { seen.0 & !WAKER } else { seen.0 };
        (Snapshot(now), taken)
    }

    /// Notes that the runner has moved the waker out, and gives up its
    /// reference. Returns whether it was the last one.
    pub(crate) fn end_taking_waker(&self) -> bool {
        // ORDERING: AcqRel: Release pairs with the Acquire of the owner of the
        // consumer that writes the next waker to the place; as in `release`.
        Snapshot(self.0.fetch_sub(REF + TAKING_WAKER, Ordering::AcqRel)).is_sole()
    }
}

/// Pauses and references.
impl AtomicState {
    /// Adds a pause, with a reference.
    pub(crate) fn pause(&self) {
        self.update(|s| Next::To(s.with_pause().with_ref().0));
    }

    /// Undoes a pause: PAUSED -> RUNNING if it was what held the chain up, and its
    /// reference is then the run's; else that is given up.
    pub(crate) fn unpause(&self) -> Unpause {
        let (seen, changed) = self.update(|s| {
            if s.is_held_by_one_pause() {
                Next::To((s.0 - PAUSE) | RUNNING)
            } else if s.is_sole() {
                Next::Abort
            } else {
                Next::To(s.0 - PAUSE - REF)
            }
        });
        if !changed {
            Unpause::Last
        } else if seen.is_held_by_one_pause() {
            Unpause::Run
        } else {
            Unpause::Nothing
        }
    }

    /// Adds a reference.
    pub(crate) fn retain(&self) {
        self.update(|s| Next::To(s.with_ref().0));
    }

    /// Gives up `refs` references, and returns whether they were the last ones:
    /// the caller then frees the block.
    #[inline]
    pub(crate) fn release(&self, refs: u64) -> bool {
        // ORDERING: AcqRel: Release, so that all that this holder did comes before
        // the freeing; Acquire, so that the thread that frees sees what the others
        // did.
        Snapshot(self.0.fetch_sub(refs * REF, Ordering::AcqRel)).refs() == refs
    }
}
