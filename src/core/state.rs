//! The state word: flags, pauses and references of a chain in 64 bits.

/// A result was there once, or is being put there by the runner.
pub(super) const FIRED: u64 = 1;
/// Somebody is the runner.
pub(super) const RUNNING: u64 = 1 << 1;
/// A stage returned a chain that has no result yet.
pub(super) const WAITING: u64 = 1 << 2;
/// Somebody looks at what the slot holds beside values.
pub(super) const LOCKED: u64 = 1 << 3;
/// A record was appended since the runner last looked.
pub(super) const APPENDED: u64 = 1 << 4;
/// A waker is in its place.
pub(super) const WAKER: u64 = 1 << 5;
/// The runner is taking the waker out of its place.
pub(super) const TAKING_WAKER: u64 = 1 << 6;
/// A cancel reached the chain while it was unfired.
pub(super) const CANCELLED: u64 = 1 << 7;
/// Unfired: the slot holds what a cancel needs.
pub(super) const CANCEL_HOOKS: u64 = 1 << 8;
/// A canceller is running; what it returns will fire the chain.
pub(super) const CANCELLING: u64 = 1 << 9;
/// The slot says which chain took this one's place.
pub(super) const FORWARDED: u64 = 1 << 10;
/// The last record is appended, and the consumer gone.
pub(super) const CLOSED: u64 = 1 << 11;
/// The consumer was dropped before anything was appended: nobody can see the
/// result.
pub(super) const UNOBSERVED: u64 = 1 << 12;

/// The value lies where the producer put it, beside the slot.
pub(super) const VALUE_INLINE: u64 = 1 << 13;

/// A call waits for the end of the run: see [`after_stage`](super::after_stage).
/// Set only beside `RUNNING`; the transition that ends that clears it.
pub(super) const AFTER_STAGE: u64 = 1 << 14;

/// One pause.
pub(super) const PAUSE: u64 = 1 << 16;
const PAUSE_BITS: u64 = ((1 << 20) - 1) << 16;

/// One reference.
pub(super) const REF: u64 = 1 << 36;

/// A copy of the state word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct State(pub(super) u64);

impl State {
    #[inline]
    pub(super) fn has(self, flag: u64) -> bool {
        self.0 & flag != 0
    }

    #[inline]
    pub(super) fn is_paused(self) -> bool {
        self.0 & PAUSE_BITS != 0
    }

    /// Unfired, with nothing to run, nobody to ask and nothing in the slot.
    #[inline]
    pub(super) fn is_quiet(self) -> bool {
        const BUSY: u64 =
            FIRED | LOCKED | APPENDED | CANCELLED | CANCEL_HOOKS | CANCELLING | CLOSED | PAUSE_BITS;
        self.0 & BUSY == 0
    }

    /// Whether a runner has something else to do than to run the next record.
    #[inline]
    pub(super) fn is_held_up(self) -> bool {
        self.0 & (PAUSE_BITS | VALUE_INLINE) != 0
    }

    #[inline]
    pub(super) fn has_last_pause(self) -> bool {
        self.0 & PAUSE_BITS == PAUSE
    }

    /// Invariant 9. A forwarded chain is fired and idle, but it has no consumer.
    #[inline]
    pub(super) fn is_at_rest(self) -> bool {
        self.0 & (FIRED | RUNNING | WAITING | PAUSE_BITS) == FIRED
    }

    /// Fired, and nothing but pauses stands between it and running.
    #[inline]
    pub(super) fn is_idle(self) -> bool {
        self.0 & (FIRED | RUNNING | WAITING | FORWARDED) == FIRED
    }

    #[inline]
    pub(super) fn is_sole(self) -> bool {
        self.0 >> REF.trailing_zeros() == 1
    }

    #[inline]
    pub(super) fn refs(self) -> u64 {
        self.0 >> REF.trailing_zeros()
    }

    /// # Panics
    ///
    /// At 2^20 pauses: a count that wrapped would run a paused chain.
    #[inline]
    pub(super) fn with_pause(self) -> Self {
        assert!(
            self.0 & PAUSE_BITS != PAUSE_BITS,
            "a Deferred was paused more than 1,048,575 times at once"
        );
        State(self.0 + PAUSE)
    }

    /// # Panics
    ///
    /// At 2^28 references: a count that wrapped would free a live block.
    #[inline]
    pub(super) fn with_ref(self) -> Self {
        match self.0.checked_add(REF) {
            Some(state) => State(state),
            None => panic!("a Deferred has more than 268,435,455 handles"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_do_not_reach_their_neighbours() {
        let full = State(PAUSE_BITS);
        assert!(full.is_paused() && !full.has_last_pause());
        assert_eq!(full.refs(), 0);
        assert!(std::panic::catch_unwind(|| full.with_pause()).is_err());
        let full = State(u64::MAX);
        assert!(std::panic::catch_unwind(|| full.with_ref()).is_err());
        assert!(State(REF).is_sole() && !State(2 * REF).is_sole());
    }

    #[test]
    fn flags_are_one_bit_each_and_beside_the_counts() {
        let counts = PAUSE_BITS | REF.wrapping_neg();
        let mut taken = counts;
        for flag in [
            FIRED,
            RUNNING,
            WAITING,
            LOCKED,
            APPENDED,
            WAKER,
            TAKING_WAKER,
            CANCELLED,
            CANCEL_HOOKS,
            CANCELLING,
            FORWARDED,
            CLOSED,
            UNOBSERVED,
            VALUE_INLINE,
            AFTER_STAGE,
        ] {
            assert_eq!(flag.count_ones(), 1);
            assert_eq!(flag & taken, 0);
            taken |= flag;
        }
        assert_eq!(PAUSE_BITS & REF.wrapping_neg(), 0);
        assert_eq!(PAUSE_BITS.count_ones(), 20);
        const { assert!(PAUSE_BITS & PAUSE != 0 && PAUSE_BITS & (PAUSE >> 1) == 0) };
    }

    #[test]
    fn rest_excludes_every_other_state() {
        assert!(State(FIRED | APPENDED | WAKER).is_at_rest());
        for flag in [RUNNING, WAITING, PAUSE] {
            assert!(!State(FIRED | flag).is_at_rest());
        }
        assert!(!State(0).is_at_rest());
    }
}
