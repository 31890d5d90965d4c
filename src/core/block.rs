//! The block: what the halves and handles of one chain share.

use super::after_stage::Calls;
use super::arena::{Inline, Reader, Writer};
use super::cancel::CancelHooks;
use super::fast_fire::InlineValue;
use super::info::ChainInfo;
use super::link::Forward;
use super::pool::{self, Size};
use super::record::Record;
use super::slot::Slot;
use super::state::{AFTER_STAGE, CANCEL_HOOKS, FORWARDED, LOCKED, REF, RUNNING, State, WAKER};
use crate::failure::{Failure, catch_and_log};
use crate::sync::{AtomicPtr, AtomicU64, HintU64, Ordering, Spin, UnsafeCell};
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::task::Waker;

#[repr(C)]
pub(super) struct Block {
    pub(super) state: AtomicU64,
    pub(super) slot: UnsafeCell<Slot>,
    pub(super) fast_fire: UnsafeCell<InlineValue>,
    /// Puts a result into the slot as the producer's `Result<T, Failure>`, for who
    /// does not know the type.
    pub(super) put: StoreResult,
    pub(super) info: ChainInfo,
    pub(super) reader: UnsafeCell<Reader>,
    /// Behind the last complete record.
    pub(super) write: AtomicPtr<Record>,
    pub(super) writer: UnsafeCell<Writer>,
    /// Counts the waits of this chain; see `Forward`.
    pub(super) wait_generation: UnsafeCell<u32>,
    /// The [`Awaiter`](super::consumer::Awaiter) that polled this chain last; 0 is
    /// none. The owner of the consumer writes it; a cancel of that coroutine reads
    /// it.
    pub(super) awaited_by: HintU64,
    pub(super) waker: UnsafeCell<MaybeUninit<Waker>>,
    inline: UnsafeCell<Inline>,
}

/// A pointer to a block (invariant 1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct ChainPtr(NonNull<Block>);

pub(super) type StoreResult = unsafe fn(&mut Slot, UntypedResult<'_>);

/// A result without its type.
pub(super) enum UntypedResult<'a> {
    /// The value, which is moved out.
    Value(&'a mut InlineValue),
    Failure(Failure),
}

/// # Safety
///
/// If it is a value, it is a `T`.
unsafe fn put<T>(slot: &mut Slot, bare: UntypedResult<'_>) {
    slot.put::<Result<T, Failure>>(match bare {
        // SAFETY: the caller says so.
        UntypedResult::Value(fast_fire) => Ok(unsafe { fast_fire.take() }),
        UntypedResult::Failure(failure) => Err(failure),
    });
}

impl ChainPtr {
    /// Makes a block in the given state, which holds the references too.
    pub(super) fn new<T>(state: u64, info: ChainInfo) -> ChainPtr {
        #[cfg(tokio_deferred_loom)]
        super::models::count(1);
        let block = pool::take(Size::Block).cast::<Block>();
        let at = block.as_ptr();
        // SAFETY: the memory is fresh; each field is written once and none is
        // read before. The inline room stays uninitialised, as its type says.
        unsafe {
            (&raw mut (*at).state).write(AtomicU64::new(state));
            (&raw mut (*at).slot).write(UnsafeCell::new(Slot::empty()));
            (&raw mut (*at).fast_fire).write(UnsafeCell::new(Slot::empty()));
            (&raw mut (*at).put).write(put::<T>);
            (&raw mut (*at).info).write(info);
            #[cfg(tokio_deferred_loom)]
            (&raw mut (*at).inline).write(UnsafeCell::new(Inline::uninit()));
            let start = (*at).start();
            (&raw mut (*at).reader).write(UnsafeCell::new(Reader::new(start)));
            (&raw mut (*at).write).write(AtomicPtr::new(start));
            (&raw mut (*at).writer).write(UnsafeCell::new(Writer::new()));
            (&raw mut (*at).awaited_by).write(HintU64::new(0));
            (&raw mut (*at).wait_generation).write(UnsafeCell::new(0));
            (&raw mut (*at).waker).write(UnsafeCell::new(MaybeUninit::uninit()));
        }
        ChainPtr(block)
    }

    /// # Safety
    ///
    /// `raw` came from `into_raw`.
    #[inline]
    pub(super) unsafe fn from_raw_unchecked(raw: *mut Block) -> ChainPtr {
        // SAFETY: the caller says so.
        ChainPtr(unsafe { NonNull::new_unchecked(raw) })
    }

    pub(super) fn into_raw(self) -> *mut Block {
        self.0.as_ptr()
    }

    #[inline]
    pub(super) fn block<'a>(self) -> &'a Block {
        // SAFETY: invariant 1: the user of a ChainPtr holds a reference for as long
        // as it uses what this returns.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    pub(super) fn load(self) -> State {
        // ORDERING: Acquire: what a state says of the slot, the waker and the
        // records was written before it.
        State(self.block().state.load(Ordering::Acquire))
    }

    /// Goes from the state `from` to `to`, or returns the state there is.
    #[inline]
    pub(super) fn change(self, from: State, to: u64) -> Result<(), State> {
        // ORDERING: AcqRel: each side of a change of state hands over what the
        // old state gave it, and takes over what the new one does. Acquire on
        // failure, as in `load`.
        self.block()
            .state
            .compare_exchange(from.0, to, Ordering::AcqRel, Ordering::Acquire)
            .map(drop)
            .map_err(State)
    }

    /// Changes the state as `f` says of the one there is, and returns the state
    /// that it decided on, and whether that was changed. While `f` says
    /// [`Transition::WaitForUnlock`], it waits for whoever holds `LOCKED`.
    #[inline]
    pub(super) fn update(self, mut f: impl FnMut(State) -> Transition) -> (State, bool) {
        let mut spin = Spin::new();
        let mut state = self.load();
        loop {
            match f(state) {
                Transition::To(to) => match self.change(state, to) {
                    Ok(()) => return (state, true),
                    Err(seen) => state = seen,
                },
                Transition::Abort => return (state, false),
                Transition::WaitForUnlock => {
                    spin.wait();
                    state = self.load();
                }
            }
        }
    }

    /// Sets `LOCKED` if `wanted` still says so of the state (invariant 5).
    pub(super) fn lock_if(self, wanted: impl Fn(State) -> bool) -> Result<State, State> {
        let (state, repr) = self.update(|s| {
            if !wanted(s) {
                Transition::Abort
            } else if s.has(LOCKED) {
                Transition::WaitForUnlock
            } else {
                Transition::To(s.0 | LOCKED)
            }
        });
        if repr { Ok(state) } else { Err(state) }
    }

    /// Clears `LOCKED`, and `flags` with it.
    pub(super) fn unlock_and_clear(self, flags: u64) {
        // ORDERING: Release: what was done under the lock is done. No Acquire:
        // nothing is read after.
        self.block()
            .state
            .fetch_and(!(LOCKED | flags), Ordering::Release);
    }

    /// Clears a flag that nobody else clears.
    pub(super) fn clear(self, flag: u64) {
        // ORDERING: AcqRel: as in `change`.
        self.block().state.fetch_and(!flag, Ordering::AcqRel);
    }

    /// Adds a reference.
    pub(super) fn retain(self) -> ChainPtr {
        self.update(|s| Transition::To(s.with_ref().0));
        self
    }

    /// Gives up `refs` references, and clears `flags`, which are set.
    #[inline]
    pub(super) fn release(self, refs: u64, flags: u64) {
        // ORDERING: AcqRel: Release, so that all that this holder did comes
        // before the freeing; Acquire, so that the one who frees sees it.
        let old = self
            .block()
            .state
            .fetch_sub(refs * REF + flags, Ordering::AcqRel);
        if State(old).refs() == refs {
            // SAFETY: invariant 1: these were the last ones.
            unsafe { self.free() };
        }
    }

    /// Ends a run that gives up `refs` references, most often the last ones.
    #[inline]
    pub(super) fn release_run(self, refs: u64, calls: &mut Calls) {
        let mut state = self.load();
        loop {
            if state.has(AFTER_STAGE) {
                self.clear(AFTER_STAGE);
                calls.take_from(self);
                state = self.load();
                continue;
            }
            if state.refs() == refs {
                // Nobody else has one, or could get one: no read-modify-write is
                // needed to be the last. `load` acquires what the others gave up
                // before.
                // SAFETY: invariant 1: these are the last ones.
                return unsafe { self.free() };
            }
            match self.change(state, state.0 - refs * REF - RUNNING) {
                Ok(()) => return,
                Err(seen) => state = seen,
            }
        }
    }

    /// Frees the block, and every block that only it kept.
    ///
    /// # Safety
    ///
    /// The caller has the last reference. The slot holds no value (8).
    #[cold]
    #[inline(never)]
    unsafe fn free_slowly(self) {
        let mut next = Some(self);
        while let Some(this) = next.take() {
            let state = this.load();
            if state.has(FORWARDED) {
                let forward = this.block().slot.with_mut(|slot| {
                    // SAFETY: invariant 4: FORWARDED says what it holds, and we
                    // are the last.
                    unsafe { (*slot).take::<Forward>() }
                });
                // ORDERING: as in `release`.
                let old = forward.to.block().state.fetch_sub(REF, Ordering::AcqRel);
                next = State(old).is_sole().then_some(forward.to);
            }
            if state.has(CANCEL_HOOKS) {
                // Never fired: its value was refused, as nobody could see it.
                let side = this.block().slot.with_mut(|slot| {
                    // SAFETY: invariant 4, and we are the last.
                    unsafe { (*slot).take::<CancelHooks>() }
                });
                catch_and_log("the drop of a canceller", || drop(side));
            }
            if state.has(WAKER) {
                let waker = this.block().waker.with_mut(|waker| {
                    // SAFETY: invariant 10, and we are the last.
                    unsafe { (*waker).assume_init_read() }
                });
                catch_and_log("the drop of a waker", || drop(waker));
            }
            // SAFETY: the last reference is ours, and all parts are done with.
            unsafe { this.dealloc() };
        }
    }

    /// As `free_slowly`, with a short way for the usual block.
    ///
    /// # Safety
    ///
    /// As there.
    #[inline]
    pub(super) unsafe fn free(self) {
        // ORDERING: the last reference is ours: nobody else changes it.
        let state = State(self.block().state.load(Ordering::Relaxed));
        if state.has(FORWARDED | WAKER | CANCEL_HOOKS) {
            // SAFETY: the caller says so.
            unsafe { self.free_slowly() }
        } else {
            // SAFETY: the caller says so, and nothing is left in the block.
            unsafe { self.dealloc() }
        }
    }

    /// # Safety
    ///
    /// The last reference is the caller's; slot and waker are empty.
    #[inline]
    unsafe fn dealloc(self) {
        // SAFETY: invariant 1: nobody has a reference any more; the block came
        // from the pool.
        #[cfg(tokio_deferred_loom)]
        super::models::count(-1);
        // SAFETY: as above.
        unsafe {
            self.block().reader.with_mut(|reader| (*reader).end());
            self.0.drop_in_place();
            pool::give(Size::Block, self.0.cast());
        }
    }
}

/// What [`ChainPtr::update`] does next.
pub(super) enum Transition {
    To(u64),
    Abort,
    WaitForUnlock,
}

impl Block {
    /// Where the first record goes.
    pub(super) fn start(&self) -> *mut Record {
        self.inline.with_mut(|inline| inline.cast())
    }
}
