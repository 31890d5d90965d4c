//! The lock over the slot.

use super::{
    APPENDED, AtomicState, CANCEL_HOOKS, CANCELLED, CANCELLING, FIRED, LOCKED, Next, RUNNING,
    Snapshot,
};
use crate::sync::Ordering;

/// The lock over the slot, while that holds something other than the value.
/// Nobody ends the state in which the slot holds it (fires, delivers) meanwhile.
impl AtomicState {
    fn lock_if(&self, wanted: impl Fn(Snapshot) -> bool) -> Option<Snapshot> {
        let (seen, locked) = self.update(|s| {
            if !wanted(s) {
                Next::Abort
            } else if s.has(LOCKED) {
                Next::WaitForUnlock
            } else {
                Next::To(s.0 | LOCKED)
            }
        });
        locked.then_some(seen)
    }

    /// Locks an unfired, uncancelled chain, for its producer, and returns the
    /// state, which says whether there are hooks.
    pub(crate) fn lock_unfired(&self) -> Option<Snapshot> {
        self.lock_if(|s| !s.has(FIRED | CANCELLED))
    }

    /// Locks the hooks of an unfired chain that no canceller runs for, for a
    /// cancel.
    pub(crate) fn lock_hooks(&self) -> bool {
        self.lock_if(|s| s.0 & (FIRED | CANCEL_HOOKS | CANCELLING) == CANCEL_HOOKS)
            .is_some()
    }

    /// Locks the [`Wait`](super::memory::links::Wait) of a waiting chain.
    pub(crate) fn lock_wait(&self) -> bool {
        self.lock_if(Snapshot::is_waiting).is_some()
    }

    /// Unlocks, with nothing changed but what the slot holds.
    pub(crate) fn unlock(&self) {
        // ORDERING: Release: pairs with the Acquire of the next thread that
        // locks. Nothing is read after, so there is no Acquire.
        self.0.fetch_and(!LOCKED, Ordering::Release);
    }

    /// Unlocks an unfired chain whose slot holds hooks now.
    pub(crate) fn unlock_with_hooks(&self) {
        self.update(|s| Next::To((s.0 & !LOCKED) | CANCEL_HOOKS));
    }

    /// Unlocks an unfired chain whose hooks stay, and notes the cancel.
    pub(crate) fn unlock_cancelled(&self) {
        self.update(|s| Next::To((s.0 & !LOCKED) | CANCELLED));
    }

    /// Unlocks an unfired chain whose hooks were taken out: UNFIRED -> RUNNING
    /// if the cancel decides, with a reference for the run; else a canceller
    /// runs, and its answer decides.
    pub(crate) fn unlock_without_hooks(&self, decided: bool) {
        self.update(|s| {
            let to = (s.0 & !(LOCKED | CANCEL_HOOKS)) | CANCELLED;
            Next::To(if decided {
                Snapshot((to & !APPENDED) | FIRED | RUNNING).with_ref().0
            } else {
                to | CANCELLING
            })
        });
    }
}
