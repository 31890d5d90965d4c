//! The state machine of a chain: one atomic word with flags, a count of pauses
//! and a count of references, and every transition of it.
//!
//! The bits are private to this folder. The other files look at a [`Snapshot`],
//! and change the state by the named transitions of [`AtomicState`], which stand
//! in [`fire`], [`lock`], [`run`], [`append`] and [`hold`]: each says from which
//! state to which, who may ask for it, and what the answer means.
//! The picture of the states is at the head of [the core](super).
//!
//! # Orderings
//!
//! Every transition that hands something over is an `AcqRel` read-modify-write,
//! and every look at the state is an `Acquire` load. So they pair in one way
//! only: *the thread that makes a transition has written what the new state
//! speaks of (the slot, the waker, a record), and the thread that reads the new
//! state sees it.* All writers use read-modify-writes, so a later one continues
//! the release sequence of an earlier one: who sees the bit of the later sees
//! what the earlier one wrote. Where a method needs less, or means more, it says
//! so.

mod append;
mod fire;
mod hold;
mod lock;
mod run;

pub(crate) use append::Closing;
pub(crate) use fire::FireUnless;
pub(crate) use hold::Unpause;
pub(crate) use run::{EndOfRun, Stop};

use crate::sync::{AtomicU64, Ordering, Spin};

/// Set once, by the thread that won the right to supply the result. Never
/// cleared.
const FIRED: u64 = 1;
/// A thread, the *runner*, runs the chain. Set and cleared by that thread.
const RUNNING: u64 = 1 << 1;
/// A stage returned a chain that has no result yet: the slot holds a
/// [`Wait`](super::memory::links::Wait). Set by the runner, cleared by the deliverer.
const WAITING: u64 = 1 << 2;
/// Spin lock over the slot while it holds something other than the value. Held
/// for a few instructions, by any thread; never across user code.
const LOCKED: u64 = 1 << 3;
/// A record was appended since the runner last looked. Set by the owner of the
/// consumer, cleared by the runner.
const APPENDED: u64 = 1 << 4;
/// A waker is in its place. Set by the owner of the consumer, cleared by that
/// owner or by the runner.
const WAKER: u64 = 1 << 5;
/// The runner, which is at rest by now, moves the waker out of its place. Set
/// and cleared by that thread.
const TAKING_WAKER: u64 = 1 << 6;
/// A cancel reached the chain while it was unfired. Never cleared.
const CANCELLED: u64 = 1 << 7;
/// Unfired, and the slot holds [`CancelHooks`](super::memory::cancel_hooks::CancelHooks). Set
/// by the producer, cleared by the thread that takes them out.
const CANCEL_HOOKS: u64 = 1 << 8;
/// Unfired, and a canceller runs, whose answer will fire the chain. Set and
/// cleared by the thread that cancels.
const CANCELLING: u64 = 1 << 9;
/// The slot holds a [`Forward`](super::memory::links::Forward): only handles refer to the
/// chain. Never cleared.
const FORWARDED: u64 = 1 << 10;
/// The last record is appended, and the consumer gone. Never cleared.
const CLOSED: u64 = 1 << 11;
/// The consumer was dropped before anything was appended: nobody can see the
/// result. Never cleared.
const UNOBSERVED: u64 = 1 << 12;
/// The value lies where the producer put it, beside the slot. Set by the fire,
/// cleared by who moves or takes the value.
const VALUE_INLINE: u64 = 1 << 13;
/// A call waits for the end of the run: see [`after_stage`](super::engine::after_stage).
/// Set by any thread, but only beside `RUNNING`, and cleared by the runner.
const CALLS: u64 = 1 << 14;

/// One pause; 20 bits count them.
const PAUSE: u64 = 1 << 16;
const PAUSE_BITS: u64 = ((1 << 20) - 1) << 16;

/// One reference; 28 bits count them.
const REF: u64 = 1 << 36;

/// The state of a chain at some moment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Snapshot(u64);

impl Snapshot {
    #[inline]
    const fn has(self, flags: u64) -> bool {
        self.0 & flags != 0
    }

    #[inline]
    pub(crate) fn is_fired(self) -> bool {
        self.has(FIRED)
    }

    #[inline]
    pub(crate) fn is_running(self) -> bool {
        self.has(RUNNING)
    }

    #[inline]
    pub(crate) fn is_waiting(self) -> bool {
        self.has(WAITING)
    }

    #[inline]
    pub(crate) fn is_forwarded(self) -> bool {
        self.has(FORWARDED)
    }

    #[inline]
    pub(crate) fn is_closed(self) -> bool {
        self.has(CLOSED)
    }

    #[inline]
    pub(crate) fn is_cancelled(self) -> bool {
        self.has(CANCELLED)
    }

    #[inline]
    pub(crate) fn is_cancelling(self) -> bool {
        self.has(CANCELLING)
    }

    /// Whether the result is still to come, and may be seen.
    #[inline]
    pub(crate) fn is_observed(self) -> bool {
        !self.has(FIRED | UNOBSERVED)
    }

    #[inline]
    pub(crate) fn has_cancel_hooks(self) -> bool {
        self.has(CANCEL_HOOKS)
    }

    #[inline]
    pub(crate) fn has_waker(self) -> bool {
        self.has(WAKER)
    }

    #[inline]
    pub(crate) fn has_appended(self) -> bool {
        self.has(APPENDED)
    }

    #[inline]
    pub(crate) fn has_calls(self) -> bool {
        self.has(CALLS)
    }

    #[inline]
    pub(crate) fn has_inline_value(self) -> bool {
        self.has(VALUE_INLINE)
    }

    #[inline]
    pub(crate) fn is_paused(self) -> bool {
        self.has(PAUSE_BITS)
    }

    /// Whether the runner has to do something else than to run the next record.
    #[inline]
    pub(crate) fn is_interrupted(self) -> bool {
        self.has(PAUSE_BITS | VALUE_INLINE)
    }

    /// [rest]: fired, and nobody moves it but the owner of the consumer. (A
    /// forwarded chain looks so too, but has no such owner.)
    #[inline]
    pub(crate) fn is_at_rest(self) -> bool {
        self.0 & (FIRED | RUNNING | WAITING | PAUSE_BITS) == FIRED
    }

    /// Whether a fire from here has nothing to run, nobody to ask and nothing in
    /// its way, so that [`fire_inline`](AtomicState::fire_inline) may do.
    #[inline]
    pub(crate) fn is_quiet(self) -> bool {
        const BUSY: u64 =
            FIRED | LOCKED | APPENDED | CANCELLED | CANCEL_HOOKS | CANCELLING | CLOSED | PAUSE_BITS;
        !self.has(BUSY)
    }

    /// Whether nothing is to be run after a fire from here, and nobody woken.
    #[inline]
    pub(crate) fn rests_when_fired(self) -> bool {
        !self.has(APPENDED | WAKER | CLOSED | PAUSE_BITS)
    }

    /// Whether a chain that is freed in this state may hold something besides
    /// its memory.
    #[inline]
    pub(crate) fn holds_something(self) -> bool {
        self.has(FORWARDED | WAKER | CANCEL_HOOKS)
    }

    /// Whether the runner of before is still at the waker's place.
    #[inline]
    pub(crate) fn is_taking_waker(self) -> bool {
        self.has(TAKING_WAKER)
    }

    #[inline]
    pub(crate) fn is_sole(self) -> bool {
        self.refs() == 1
    }

    #[inline]
    pub(crate) fn refs(self) -> u64 {
        self.0 >> REF.trailing_zeros()
    }

    /// The state after a claim from here: the chain is fired, and runs.
    #[inline]
    pub(crate) fn claimed(self) -> Self {
        Snapshot((self.0 | FIRED | RUNNING) & !(APPENDED | CANCEL_HOOKS))
    }

    /// # Panics
    ///
    /// At 2^20 pauses: a count that wrapped would run a paused chain.
    #[inline]
    fn with_pause(self) -> Self {
        assert!(
            self.0 & PAUSE_BITS != PAUSE_BITS,
            "a Deferred was paused more than 1,048,575 times at once"
        );
        Snapshot(self.0 + PAUSE)
    }

    /// # Panics
    ///
    /// At 2^28 references: a count that wrapped would free a live block.
    #[inline]
    fn with_ref(self) -> Self {
        match self.0.checked_add(REF) {
            Some(state) => Snapshot(state),
            None => panic!("a Deferred has more than 268,435,455 handles"),
        }
    }

    /// Whether only pauses stand between a fired chain and its next run, and
    /// there is one of them.
    #[inline]
    fn is_held_by_one_pause(self) -> bool {
        self.0 & PAUSE_BITS == PAUSE && self.0 & (FIRED | RUNNING | WAITING | FORWARDED) == FIRED
    }
}

/// What a transition does next with the state it looked at.
enum Next {
    To(u64),
    Abort,
    WaitForUnlock,
}

/// The state of a chain.
pub(crate) struct AtomicState(AtomicU64);

impl AtomicState {
    /// UNFIRED, with a reference for the producer and one for the consumer.
    #[inline]
    pub(crate) fn unfired() -> Self {
        AtomicState(AtomicU64::new(2 * REF))
    }

    /// UNFIRED, with cancel hooks that the caller puts into the slot before
    /// another thread has the chain.
    #[inline]
    pub(crate) fn unfired_with_hooks() -> Self {
        AtomicState(AtomicU64::new((2 * REF) | CANCEL_HOOKS))
    }

    /// AT REST, with one reference, and nothing in the slot.
    #[inline]
    pub(crate) fn empty() -> Self {
        AtomicState(AtomicU64::new(FIRED | REF))
    }

    #[inline]
    pub(crate) fn load(&self) -> Snapshot {
        // ORDERING: Acquire: pairs with the Release in every transition.
        Snapshot(self.0.load(Ordering::Acquire))
    }

    /// The state, for the thread that has the last reference: no other thread
    /// changes it, and giving up the others' references was acquired before.
    #[inline]
    pub(crate) fn load_last(&self) -> Snapshot {
        // ORDERING: Relaxed: see above.
        Snapshot(self.0.load(Ordering::Relaxed))
    }

    /// Goes from `seen` to `to`, or says which state there is instead.
    #[inline]
    fn change(&self, seen: Snapshot, to: u64) -> Result<(), Snapshot> {
        // ORDERING: AcqRel: see the head of this file. Acquire on failure, as in
        // `load`.
        self.0
            .compare_exchange(seen.0, to, Ordering::AcqRel, Ordering::Acquire)
            .map(drop)
            .map_err(Snapshot)
    }

    /// Changes the state as `f` says of the one there is. Returns the state that
    /// `f` decided on, and whether it was changed. While `f` says
    /// [`Next::WaitForUnlock`], it waits for the thread that holds `LOCKED`.
    #[inline]
    fn update(&self, f: impl FnMut(Snapshot) -> Next) -> (Snapshot, bool) {
        self.update_from(self.load(), f)
    }

    #[inline]
    fn update_from(
        &self,
        mut state: Snapshot,
        mut f: impl FnMut(Snapshot) -> Next,
    ) -> (Snapshot, bool) {
        let mut spin = Spin::new();
        loop {
            match f(state) {
                Next::To(to) => match self.change(state, to) {
                    Ok(()) => return (state, true),
                    Err(seen) => state = seen,
                },
                Next::Abort => return (state, false),
                Next::WaitForUnlock => {
                    spin.wait();
                    state = self.load();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_do_not_reach_their_neighbours() {
        let full = Snapshot(PAUSE_BITS);
        assert!(full.is_paused() && !full.is_held_by_one_pause());
        assert_eq!(full.refs(), 0);
        assert!(std::panic::catch_unwind(|| full.with_pause()).is_err());
        let full = Snapshot(u64::MAX);
        assert!(std::panic::catch_unwind(|| full.with_ref()).is_err());
        assert!(Snapshot(REF).is_sole() && !Snapshot(2 * REF).is_sole());
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
            CALLS,
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
        assert!(Snapshot(FIRED | APPENDED | WAKER).is_at_rest());
        for flag in [RUNNING, WAITING, PAUSE] {
            assert!(!Snapshot(FIRED | flag).is_at_rest());
        }
        assert!(!Snapshot(0).is_at_rest());
    }
}
