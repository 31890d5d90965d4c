//! The block of a chain, and counted references to it.

use super::awaiter::{AwaitState, Awaiter};
use super::cancel_hooks::CancelHooks;
use super::info::ChainInfo;
use super::links::Forward;
use super::pool::{self, Shelves, Size};
use super::ptr::ChainPtr;
use super::record::Record;
use super::room::{InlineRoom, Reader, Writer};
use super::slot::{InlineValue, Slot};
use crate::core::state::AtomicState;
use crate::failure::{Failure, catch_and_log};
use crate::sync::{AtomicPtr, HintU64, Ordering, UnsafeCell};
use std::alloc::Layout;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::task::Waker;

/// What the ends and handles of one chain share. Who may touch a field, and when,
/// stands with it; the rules in brackets stand at the head of
/// [the core](crate::core).
#[repr(C)]
pub(crate) struct Block {
    /// Any thread, at any time.
    pub(crate) state: AtomicState,
    /// [slot]: by the state, the runner, the owner of the consumer, or the thread
    /// that holds `LOCKED`.
    pub(crate) slot: UnsafeCell<Slot>,
    /// The owner of the producer, until `VALUE_INLINE` is set; from then on whoever
    /// owns the slot.
    pub(crate) inline_value: UnsafeCell<InlineValue>,
    /// Puts a result into the slot as the producer's `Result<T, Failure>`, for
    /// code that does not know the type. Never changes.
    pub(crate) put: StoreResult,
    /// Any thread; its parts say more.
    pub(crate) info: ChainInfo,
    /// The runner.
    pub(crate) reader: UnsafeCell<Reader>,
    /// Behind the last complete record. The owner of the consumer stores it, and
    /// the runner loads it.
    write: AtomicPtr<Record>,
    /// The owner of the consumer.
    writer: UnsafeCell<Writer>,
    /// Counts the waits of this chain; see [`Forward`]. The runner changes it;
    /// while the chain waits, who holds `LOCKED` reads it; once the chain is
    /// forwarded, any thread does.
    pub(crate) wait_generation: UnsafeCell<u32>,
    /// The [`Awaiter`] that polled this chain last. The owner of the consumer
    /// writes it; a cancel of that coroutine reads it, as a hint.
    awaited_by: HintU64,
    /// [waker].
    pub(crate) waker: UnsafeCell<MaybeUninit<Waker>>,
    /// The owner of the consumer writes where nothing was written, the runner
    /// reads what is complete.
    room: UnsafeCell<InlineRoom>,
}

const BLOCKS: Size = Size {
    shelf: Shelves::Blocks,
    layout: Layout::new::<Block>(),
};

pub(crate) type StoreResult = unsafe fn(&mut Slot, UntypedResult<'_>);

/// A result without its type.
pub(crate) enum UntypedResult<'a> {
    /// The value, which is moved out.
    Value(&'a mut InlineValue),
    Failure(Failure),
}

/// # Safety
///
/// If it is a value, it is a `T`.
unsafe fn put<T>(slot: &mut Slot, result: UntypedResult<'_>) {
    slot.put::<Result<T, Failure>>(match result {
        // SAFETY: the caller says that it is a `T`.
        UntypedResult::Value(value) => Ok(unsafe { value.take() }),
        UntypedResult::Failure(failure) => Err(failure),
    });
}

impl Block {
    /// Returns where a record of `size` bytes may be written, and keeps the
    /// reserve behind it. `publish` makes it known.
    ///
    /// # Safety
    ///
    /// By the owner of the consumer ([one writer]).
    #[inline]
    pub(crate) unsafe fn reserve(&self, size: usize) -> *mut Record {
        let write = self.end_of_records();
        // SAFETY: [one writer]: only the owner of the consumer comes here, and the
        // reserve is free at `write`.
        self.writer
            .with_mut(|writer| unsafe { (*writer).reserve(write, size) })
    }

    /// Where the last record ends, and so where the reserve is: the place of the
    /// chain's last record.
    ///
    /// By the owner of the consumer; by the runner of a closed chain.
    #[inline]
    pub(crate) fn end_of_records(&self) -> *mut Record {
        // ORDERING: Relaxed: this thread stored it, or the one that handed the
        // consumer over. For the runner of a closed chain: it does not change any
        // more, and `CLOSED` was acquired.
        self.write.load(Ordering::Relaxed)
    }

    /// As far as the records are complete, for the runner.
    #[inline]
    pub(crate) fn complete_records(&self) -> *mut Record {
        // ORDERING: Acquire: pairs with the Release in `publish`: the records up to
        // here are complete.
        self.write.load(Ordering::Acquire)
    }

    /// Makes the record at `record`, of `size` bytes, known to the runner. The
    /// read-modify-write that must follow is the caller's ([one writer]).
    #[inline]
    pub(crate) fn publish(&self, record: *mut Record, size: usize) {
        // ORDERING: Release: pairs with the Acquire in `complete_records`: whoever
        // sees this sees the record's bytes.
        self.write
            .store(record.wrapping_byte_add(size), Ordering::Release);
    }

    /// Where the first record goes.
    fn start(&self) -> *mut Record {
        self.room.with_mut(|room| room.cast())
    }

    /// The coroutine that polled the chain last, if one did.
    #[inline]
    pub(crate) fn awaiter(&self) -> Option<Awaiter> {
        // ORDERING: as in `set_awaiter`.
        Awaiter::from_word(self.awaited_by.load(Ordering::Relaxed))
    }

    /// Says which coroutine polled the chain last.
    ///
    /// By the owner of the consumer.
    pub(crate) fn set_awaiter(&self, awaiter: Option<Awaiter>) {
        // ORDERING: Relaxed: a hint. The owner of the consumer reads what it wrote; a
        // cancel that meets a Deferred on its way from one coroutine to another may
        // take it for either one's.
        let word = Awaiter::into_word(awaiter);
        self.awaited_by.store(word, Ordering::Relaxed);
    }

    /// Notes that the result left the chain: no coroutine awaits it there any more.
    ///
    /// By the owner of the consumer.
    #[inline]
    pub(crate) fn forget_awaiter(&self) {
        if self.awaiter().is_some() {
            self.set_awaiter(None);
        }
    }

    /// Whether no record was appended, except perhaps the last one.
    ///
    /// By the owner of the consumer.
    pub(crate) fn is_untouched(&self) -> bool {
        self.end_of_records() == self.start()
    }
}

impl ChainPtr {
    /// Makes a block in the given state, which says how many references there
    /// are.
    #[inline]
    pub(crate) fn make<T>(state: AtomicState, info: ChainInfo) -> ChainPtr {
        #[cfg(tokio_deferred_loom)]
        crate::core::models::count(1);
        let block = pool::take(BLOCKS).cast::<Block>();
        let at = block.as_ptr();
        // SAFETY: the memory is fresh; each field is written once and none is
        // read before. The room for records stays uninitialised, as its type says.
        unsafe {
            (&raw mut (*at).state).write(state);
            (&raw mut (*at).slot).write(UnsafeCell::new(Slot::empty()));
            (&raw mut (*at).inline_value).write(UnsafeCell::new(Slot::empty()));
            (&raw mut (*at).put).write(put::<T>);
            (&raw mut (*at).info).write(info);
            #[cfg(tokio_deferred_loom)]
            (&raw mut (*at).room).write(UnsafeCell::new(InlineRoom::uninit()));
            let start = (*at).start();
            (&raw mut (*at).reader).write(UnsafeCell::new(Reader::new(start)));
            (&raw mut (*at).write).write(AtomicPtr::new(start));
            (&raw mut (*at).writer).write(UnsafeCell::new(Writer::new()));
            (&raw mut (*at).awaited_by).write(HintU64::new(0));
            (&raw mut (*at).wait_generation).write(UnsafeCell::new(0));
            (&raw mut (*at).waker).write(UnsafeCell::new(MaybeUninit::uninit()));
        }
        ChainPtr::new(block.cast())
    }

    #[inline]
    pub(crate) fn block<'a>(self) -> &'a Block {
        // SAFETY: [references]: the user of a ChainPtr holds a reference for as
        // long as it uses what this returns.
        unsafe { self.address().cast().as_ref() }
    }

    #[inline]
    pub(crate) fn state<'a>(self) -> &'a AtomicState {
        &self.block().state
    }

    /// Adds a reference.
    pub(crate) fn retain(self) -> ChainPtr {
        self.state().retain();
        self
    }

    /// Gives up `refs` references.
    #[inline]
    pub(crate) fn release(self, refs: u64) {
        if self.state().release(refs) {
            // SAFETY: [references]: these were the last ones.
            unsafe { self.free() };
        }
    }

    /// Moves the runner past `record`, of `size` bytes.
    ///
    /// # Safety
    ///
    /// The caller is the runner, and this is its next record.
    #[inline(always)]
    pub(crate) unsafe fn pass(self, record: *mut Record, size: usize) {
        self.block().reader.with_mut(|reader| {
            // SAFETY: [one runner]; the reserve of the room that the record is in
            // comes behind it.
            unsafe { (*reader).read = record.byte_add(size) }
        });
    }

    /// Takes the result out of the slot.
    ///
    /// # Safety
    ///
    /// The slot is the caller's ([slot]), and holds a `Result<T, Failure>`.
    #[inline]
    pub(crate) unsafe fn take_result<T>(self) -> Result<T, Failure> {
        // SAFETY: the caller says whose the slot is and what it holds.
        let take = |slot: *mut Slot| unsafe { (*slot).take_result() };
        self.block().slot.with_mut(take)
    }

    /// Puts a result into the slot.
    ///
    /// # Safety
    ///
    /// The slot is the caller's ([slot]), and empty.
    #[inline]
    pub(crate) unsafe fn put_result<T>(self, result: Result<T, Failure>) {
        // SAFETY: the caller says whose the slot is.
        let put = |slot: *mut Slot| unsafe { (*slot).put(result) };
        self.block().slot.with_mut(put);
    }

    /// Puts a failure into the slot, as a result of the producer's type.
    ///
    /// # Safety
    ///
    /// The slot is the caller's ([slot]), and empty; no stage ran.
    pub(crate) unsafe fn put_failure(self, failure: Failure) {
        let block = self.block();
        block.slot.with_mut(|slot| {
            // SAFETY: the caller says so: before the first stage the type of the
            // slot is the producer's ([types]).
            unsafe { (block.put)(&mut *slot, UntypedResult::Failure(failure)) }
        });
    }

    /// Frees the block, with a short way for the usual one.
    ///
    /// # Safety
    ///
    /// The caller has the last reference. The slot holds no value ([last record]).
    #[inline]
    pub(crate) unsafe fn free(self) {
        if self.state().load_last().holds_something() {
            // SAFETY: the caller has the last reference.
            unsafe { self.free_slowly() }
        } else {
            // SAFETY: the same, and nothing is left in the block.
            unsafe { self.dealloc() }
        }
    }

    /// Frees the block, and every block that only it kept.
    ///
    /// # Safety
    ///
    /// As for `free`.
    #[cold]
    #[inline(never)]
    unsafe fn free_slowly(self) {
        let mut next = Some(self);
        while let Some(this) = next.take() {
            let (block, state) = (this.block(), this.state().load());
            if state.is_forwarded() {
                // SAFETY: [slot]: a forwarded chain's slot holds a Forward, and
                // this thread has the last reference.
                let forward = |slot: *mut Slot| unsafe { (*slot).take::<Forward>() };
                let to = block.slot.with_mut(forward).to;
                next = to.state().release(1).then_some(to);
            }
            if state.has_cancel_hooks() {
                // Never fired: its value was refused, as nobody could see it.
                // SAFETY: [slot], as above.
                let hooks = |slot: *mut Slot| unsafe { (*slot).take::<CancelHooks>() };
                let hooks = block.slot.with_mut(hooks);
                catch_and_log("the drop of a canceller", || drop(hooks));
            }
            if state.has_waker() {
                // SAFETY: [waker]: `WAKER` says that one is there, and this thread
                // has the last reference.
                let waker = |waker: *mut MaybeUninit<Waker>| unsafe { (*waker).assume_init_read() };
                let waker = block.waker.with_mut(waker);
                catch_and_log("the drop of a waker", || drop(waker));
            }
            // SAFETY: the last reference is ours, and nothing is left in the block.
            unsafe { this.dealloc() };
        }
    }

    /// # Safety
    ///
    /// The last reference is the caller's; slot and waker are empty.
    #[inline]
    unsafe fn dealloc(self) {
        #[cfg(tokio_deferred_loom)]
        crate::core::models::count(-1);
        let block: NonNull<Block> = self.address().cast();
        // SAFETY: [references]: nobody has a reference any more; every record is
        // consumed; the block came from the pool.
        unsafe {
            self.block().reader.with_mut(|reader| (*reader).end());
            block.drop_in_place();
            pool::give(BLOCKS, block.cast());
        }
    }
}

/// A counted reference to a chain. Whoever has one may cancel the chain.
pub(crate) struct Handle(ChainPtr);

// SAFETY: a block is shared between threads by design; a Handle gives access to
// its atomic state and to what a cancel needs, all of it Send.
unsafe impl Send for Handle {}
// SAFETY: as above; every method works on the atomic state.
unsafe impl Sync for Handle {}

impl Handle {
    /// Makes a reference to a chain that the caller has one of.
    pub(crate) fn to(chain: ChainPtr) -> Self {
        Handle(chain.retain())
    }

    #[inline]
    pub(crate) fn chain(&self) -> ChainPtr {
        self.0
    }

    pub(crate) fn is_same(&self, other: &Handle) -> bool {
        self.0 == other.0
    }

    /// What the chain is to the coroutine whose list has it at `place`.
    pub(crate) fn await_state(&self, place: Awaiter) -> AwaitState {
        let state = self.0.state().load();
        if state.is_closed() || self.0.block().awaiter() != Some(place) {
            AwaitState::Over
        } else if state.is_at_rest() {
            AwaitState::Fired
        } else {
            AwaitState::Pending
        }
    }
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        Handle::to(self.0)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.release(1);
    }
}
