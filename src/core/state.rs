//! The state machine of a chain: one atomic word with flags, a count of pauses
//! and a count of references, and every transition of it.
//!
//! The bits are private to this file. The other files look at a [`Snapshot`],
//! and change the state by the named transitions of [`AtomicState`]: each says
//! from which state to which, who may ask for it, and what the answer means.
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

/// The last record was appended, and the consumer is given up.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Closing {
    /// Nothing was ever appended before: nobody can see the result.
    pub(crate) unobserved: bool,
    /// The consumer's reference is used by the caller further on.
    pub(crate) keep_ref: bool,
}

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

/// Appending, by the owner of the consumer. Meanwhile the chain may be fired,
/// run, and come to rest.
impl AtomicState {
    /// Makes a record known to the runner that there is, or will be, in one step
    /// from `seen`, which is not at rest.
    #[inline]
    pub(crate) fn note_appended_at_once(&self, seen: Snapshot) -> bool {
        self.change(seen, seen.0 | APPENDED).is_ok()
    }

    /// Makes a record known; AT REST -> RUNNING if the chain is at rest, with a
    /// reference for the run. Returns whether the caller is the runner now.
    pub(crate) fn note_appended(&self) -> bool {
        let (seen, _) = self.update(|s| {
            Next::To(if s.is_at_rest() {
                Snapshot(s.0 | RUNNING).with_ref().0
            } else {
                s.0 | APPENDED
            })
        });
        seen.is_at_rest()
    }

    /// The same for the last record, which stands where `write` points, and is
    /// made known by this alone. The consumer's reference is kept, goes to the
    /// run, or is given up.
    pub(crate) fn note_closed(&self, closing: Closing) -> bool {
        let flags = if closing.unobserved {
            CLOSED | UNOBSERVED
        } else {
            CLOSED
        };
        let (seen, _) = self.update(|s| {
            Next::To(match (s.is_at_rest(), closing.keep_ref) {
                (true, true) => Snapshot(s.0 | RUNNING | flags).with_ref().0,
                (true, false) => s.0 | RUNNING | flags,
                (false, true) => s.0 | APPENDED | flags,
                // Not the last: who will make it run, or has it held up, has one.
                (false, false) => (s.0 | APPENDED | flags) - REF,
            })
        });
        seen.is_at_rest()
    }
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
