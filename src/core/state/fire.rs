//! Transitions of a chain that is fired.

use super::{
    APPENDED, AtomicState, CANCEL_HOOKS, CANCELLED, CANCELLING, FIRED, LOCKED, Next, REF, RUNNING,
    Snapshot, TAKING_WAKER, UNOBSERVED, VALUE_INLINE, WAKER,
};

/// What forbids a fire, besides that the chain is fired.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum FireUnless {
    Fired,
    /// Nobody can see the result.
    Unobserved,
    /// A canceller runs: its answer is the result.
    Cancelling,
}

impl FireUnless {
    #[inline]
    fn flags(self) -> u64 {
        match self {
            FireUnless::Fired => FIRED,
            FireUnless::Unobserved => FIRED | UNOBSERVED,
            FireUnless::Cancelling => FIRED | CANCELLING,
        }
    }
}

/// Firing: the producer, a cancel, or the drop of the producer supplies the
/// result. Meanwhile a consumer may append, await, pause or be dropped, and
/// other threads may try to cancel.
impl AtomicState {
    /// UNFIRED -> RUNNING, in one step from `seen`, in which there is nothing in
    /// the slot. The producer's reference is then the run's.
    ///
    /// Returns false if that is not the state, or not one for the short way.
    #[inline]
    pub(crate) fn claim_at_once(&self, seen: Snapshot, unless: FireUnless) -> bool {
        !seen.has(unless.flags() | LOCKED | CANCEL_HOOKS | CANCELLED | CANCELLING)
            && self.change(seen, seen.claimed().0).is_ok()
    }

    /// UNFIRED -> RUNNING, for the producer, whose reference is then the run's.
    /// Waits for a thread that looks at the cancel hooks. Returns the state
    /// before, which says whether there are such hooks in the slot; none if
    /// another thread fired the chain, or `unless` forbids it.
    #[inline]
    pub(crate) fn claim(&self, unless: FireUnless) -> Option<Snapshot> {
        let (seen, claimed) = self.update(|s| {
            if s.has(unless.flags()) {
                Next::Abort
            } else if s.has(LOCKED) {
                Next::WaitForUnlock
            } else {
                Next::To(s.claimed().0)
            }
        });
        claimed.then_some(seen)
    }

    /// UNFIRED -> AT REST, in one step from `seen`, which [is
    /// quiet](Snapshot::is_quiet): the value lies in the producer's own place. If
    /// there is a waker, the caller must take it, and then give up its reference
    /// with [`end_taking_waker`](AtomicState::end_taking_waker); else its
    /// reference is given up here.
    ///
    /// The Release hands the value over to who sees `VALUE_INLINE`.
    #[inline]
    pub(crate) fn fire_inline(&self, seen: Snapshot) -> bool {
        let to = if seen.has(WAKER) {
            (seen.0 & !WAKER) | FIRED | VALUE_INLINE | TAKING_WAKER
        } else {
            (seen.0 | FIRED | VALUE_INLINE) - REF
        };
        self.change(seen, to).is_ok()
    }

    /// UNFIRED -> RUNNING, for a cancel, with a reference for the run.
    /// `answered` if the canceller has run; else there must be no hooks.
    pub(crate) fn claim_for_cancel(&self, answered: bool) -> bool {
        let (_, fired) = self.update(|s| {
            if s.has(FIRED) || (!answered && s.has(CANCEL_HOOKS | CANCELLING)) {
                Next::Abort
            } else if s.has(LOCKED) {
                Next::WaitForUnlock
            } else {
                let to = (s.0 | FIRED | RUNNING | CANCELLED) & !(APPENDED | CANCELLING);
                Next::To(Snapshot(to).with_ref().0)
            }
        });
        fired
    }
}
