//! The representation of a `Deferred<T>`: a tagged pointer, and inline storage
//! for `T`.
//!
//! Two words for a word-sized `T`, so that a Deferred travels in registers. A
//! larger one would pass through memory, and a processor that reads as a whole
//! what it has just written in parts waits longer than all the rest takes.
//!
//! Rules:
//!
//! - *[tag]* The word is a pointer, with one of four tags in its two lowest
//!   bits:
//!
//!   | tag | points to | the inline value |
//!   |---|---|---|
//!   | `READY` | the place where the Deferred was made | initialised |
//!   | `CHAIN` | a chain, whose `Consumer<T>` this is | not |
//!   | `TAKEN` | the place where the Deferred was made; an await took the result | not |
//!   | `EMPTIED` | an [`EmptyChain`], which this owns; an await took its result | not |
//!
//! - *[inline value]* By `&self` neither the word nor the inline value changes,
//!   and nothing of the value can be reached.

use super::ends::pause::PauseGuard;
use super::ends::stage::Stage;
use super::ends::types::{Consumer, EmptyChain, ResultAndPlace};
use super::ends::unhandled::drop_result;
use super::engine::due_run::DueRun;
use super::engine::span;
use super::memory::block::{Block, Handle};
use super::memory::info::ChainInfo;
use super::memory::ptr::ChainPtr;
use super::state::Snapshot;
use crate::failure::{AlreadyTaken, Failure};
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ops::Deref;
use std::panic::Location;
use std::ptr::{self, NonNull};

const TAG: usize = 0b11;
const READY: usize = 0;
const CHAIN: usize = 1;
const EMPTIED: usize = 2;
const TAKEN: usize = 3;

const _: () = assert!(align_of::<Location<'_>>() > TAG && align_of::<Block>() > TAG);

/// See the head of this file.
pub(crate) struct Repr<T> {
    word: *mut (),
    value: MaybeUninit<T>,
    kind: PhantomData<Consumer<T>>,
}

// SAFETY: it is a T, or an owner of one, or refers to nothing but a place or a
// chain, both of which may be shared between threads.
unsafe impl<T: Send> Send for Repr<T> {}
// SAFETY: [inline value]: by `&self` no T can be reached.
unsafe impl<T: Send> Sync for Repr<T> {}

/// A representation, taken apart.
enum Parts<T> {
    Ready(T, &'static Location<'static>),
    Chain(Consumer<T>),
    Taken(&'static Location<'static>),
    Emptied(EmptyChain),
}

/// A chain that had no result when it was looked at.
pub(crate) struct Pending<T> {
    consumer: Consumer<T>,
    seen: Snapshot,
}

impl<T> Pending<T> {
    /// Appends a stage, as [`Consumer::add`] does.
    #[inline]
    pub(crate) fn add<S: Stage<In = T>>(
        self,
        stage: S,
        place: &'static Location<'static>,
    ) -> Consumer<S::Out> {
        self.consumer.add_to(self.seen, stage, place)
    }

    /// Ends the chain, as [`Consumer::finish`] does.
    #[inline]
    pub(crate) fn finish<F, R>(self, f: F)
    where
        F: FnOnce(Result<T, Failure>) -> R + Send + 'static,
        R: Into<DueRun>,
        T: Send + 'static,
    {
        self.consumer.finish(f);
    }
}

/// A borrowed [`Consumer`].
pub(crate) struct ConsumerRef<'a, T>(ManuallyDrop<Consumer<T>>, PhantomData<&'a Repr<T>>);

impl<T> Deref for ConsumerRef<'_, T> {
    type Target = Consumer<T>;

    #[inline]
    fn deref(&self) -> &Consumer<T> {
        &self.0
    }
}

impl<T> Repr<T> {
    #[inline]
    fn new(word: *mut (), value: MaybeUninit<T>) -> Self {
        Repr {
            word,
            value,
            kind: PhantomData,
        }
    }

    #[inline]
    pub(crate) fn ready(value: T, made: &'static Location<'static>) -> Self {
        Repr::new(place_word(made, READY), MaybeUninit::new(value))
    }

    #[inline]
    pub(crate) fn chain(consumer: Consumer<T>) -> Self {
        Repr::new(
            chain_word(consumer.into_ptr(), CHAIN),
            MaybeUninit::uninit(),
        )
    }

    #[inline]
    fn tag(&self) -> usize {
        self.word.addr() & TAG
    }

    /// The place in the word.
    ///
    /// # Safety
    ///
    /// The tag is `READY` or `TAKEN`.
    #[inline]
    unsafe fn place(&self) -> &'static Location<'static> {
        let place = self.word.map_addr(|addr| addr & !TAG);
        // SAFETY: [tag]: it is a place, which lives for ever. The compiler does
        // not know by itself that what is masked is not null.
        unsafe {
            std::hint::assert_unchecked(!place.is_null());
            &*place.cast::<Location<'static>>()
        }
    }

    /// The chain in the word.
    ///
    /// # Safety
    ///
    /// The tag is `CHAIN` or `EMPTIED`.
    #[inline]
    unsafe fn ptr(&self) -> ChainPtr {
        // SAFETY: [tag]: it is a chain, and so not null.
        ChainPtr::new(unsafe { NonNull::new_unchecked(self.word.map_addr(|addr| addr & !TAG)) })
    }

    /// Takes the result of a Deferred that nothing else refers to: no handle, no
    /// pause, no coroutine. An await took it then.
    #[inline(always)]
    pub(crate) fn take_plain(&mut self) -> Option<Result<T, Failure>> {
        // SAFETY: what was taken is not used again: the word says so.
        let ResultAndPlace { result, made } = unsafe { self.plain() }?;
        self.word = place_word(made, TAKEN);
        Some(result)
    }

    /// Takes the result, if it is there, also of a chain that something else
    /// refers to. An await took it then.
    #[inline(never)]
    pub(crate) fn take(&mut self) -> Option<Result<T, Failure>> {
        if let Some(result) = self.take_plain() {
            return Some(result);
        }
        let chain = self.consumer()?.chain();
        // SAFETY: if there is a result, the word says that the chain is empty.
        let result = unsafe { self.with_consumer(|consumer| consumer.take_out())?? };
        self.word = chain_word(chain, EMPTIED);
        Some(result)
    }

    /// As [`take_plain`](Repr::take_plain), by value, and where it was made.
    ///
    /// # Errors
    ///
    /// This, if something else refers to it, or there is no result.
    #[inline(always)]
    pub(crate) fn into_plain(self) -> Result<ResultAndPlace<T>, Self> {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: it is dropped and used again only if nothing was taken.
        match unsafe { this.plain() } {
            Some(plain) => Ok(plain),
            None => Err(ManuallyDrop::into_inner(this)),
        }
    }

    /// # Safety
    ///
    /// If there is a result, the caller neither uses nor drops this again as it
    /// is.
    #[inline(always)]
    unsafe fn plain(&mut self) -> Option<ResultAndPlace<T>> {
        // SAFETY: [tag], and the caller uses what was taken no more.
        unsafe {
            match self.tag() {
                READY => Some(ResultAndPlace {
                    result: Ok(self.value.assume_init_read()),
                    made: self.place(),
                }),
                CHAIN => ManuallyDrop::new(Consumer::new(self.ptr())).take_plain(),
                _ => None,
            }
        }
    }

    fn into_parts(self) -> Parts<T> {
        let this = ManuallyDrop::new(self);
        // SAFETY: [tag]; `this` is forgotten.
        unsafe {
            match this.tag() {
                READY => Parts::Ready(this.value.assume_init_read(), this.place()),
                CHAIN => Parts::Chain(Consumer::new(this.ptr())),
                TAKEN => Parts::Taken(this.place()),
                _ => Parts::Emptied(EmptyChain::from_ptr(this.ptr())),
            }
        }
    }

    /// Calls `f` with the consumer, if this is a chain.
    pub(crate) fn with_consumer<R>(&mut self, f: impl FnOnce(&mut Consumer<T>) -> R) -> Option<R> {
        (self.tag() == CHAIN).then(|| {
            // SAFETY: [tag].
            let mut consumer = ManuallyDrop::new(Consumer::new(unsafe { self.ptr() }));
            f(&mut consumer)
        })
    }

    /// Returns the consumer, if this is a chain.
    #[inline]
    pub(crate) fn consumer(&self) -> Option<ConsumerRef<'_, T>> {
        (self.tag() == CHAIN).then(|| {
            // SAFETY: [tag].
            let consumer = Consumer::new(unsafe { self.ptr() });
            ConsumerRef(ManuallyDrop::new(consumer), PhantomData)
        })
    }

    /// Returns the chain, if it has no result yet.
    ///
    /// # Errors
    ///
    /// This, if it may have one.
    #[inline(always)]
    pub(crate) fn into_pending(self) -> Result<Pending<T>, Self> {
        let this = ManuallyDrop::new(self);
        if this.tag() == CHAIN {
            // SAFETY: [tag]; one of the two is forgotten.
            let consumer = ManuallyDrop::new(Consumer::new(unsafe { this.ptr() }));
            let seen = consumer.seen();
            if !seen.is_at_rest() {
                let consumer = ManuallyDrop::into_inner(consumer);
                return Ok(Pending { consumer, seen });
            }
        }
        Err(ManuallyDrop::into_inner(this))
    }

    /// Returns the chain, put into one if it is in none.
    #[inline]
    pub(crate) fn into_consumer(self) -> Consumer<T> {
        let this = ManuallyDrop::new(self);
        if this.tag() == CHAIN {
            // SAFETY: [tag]; `this` is forgotten.
            Consumer::new(unsafe { this.ptr() })
        } else {
            ManuallyDrop::into_inner(this).into_new_consumer()
        }
    }

    #[cold]
    #[inline(never)]
    fn into_new_consumer(self) -> Consumer<T> {
        match self.into_parts() {
            Parts::Ready(value, made) => EmptyChain::new(made).put(Ok(value)),
            Parts::Chain(consumer) => consumer,
            Parts::Taken(made) => EmptyChain::new(made).put(Err(already_taken(made))),
            Parts::Emptied(chain) => {
                let made = chain.info().made();
                chain.put(Err(already_taken(made)))
            }
        }
    }

    /// Returns the result.
    ///
    /// # Errors
    ///
    /// The chain, if the result is not there, or a pause holds it up.
    #[inline]
    pub(crate) fn into_result(self) -> Result<Result<T, Failure>, Consumer<T>> {
        match self.into_plain() {
            Ok(plain) => Ok(plain.result),
            Err(repr) => repr.into_result_slowly(),
        }
    }

    #[inline(never)]
    fn into_result_slowly(self) -> Result<Result<T, Failure>, Consumer<T>> {
        match self.into_parts() {
            Parts::Ready(value, _) => Ok(Ok(value)),
            Parts::Chain(consumer) => consumer.take(),
            Parts::Taken(made) => Ok(Err(already_taken(made))),
            Parts::Emptied(chain) => {
                let failure = already_taken(chain.info().made());
                if chain.is_at_rest() {
                    Ok(Err(failure))
                } else {
                    Err(chain.put(Err(failure)))
                }
            }
        }
    }

    /// Whether an await took the result.
    pub(crate) fn is_taken(&self) -> bool {
        matches!(self.tag(), TAKEN | EMPTIED)
    }

    /// Whether a result is there to take.
    pub(crate) fn is_fired(&self) -> bool {
        match self.consumer() {
            Some(consumer) => consumer.is_at_rest(),
            None => !self.is_taken(),
        }
    }

    /// What is known of the chain, or else the place where this was made.
    fn info(&self) -> Result<&ChainInfo, &'static Location<'static>> {
        // SAFETY: [tag]; this keeps the chain, if it is one.
        unsafe {
            match self.tag() {
                READY | TAKEN => Err(self.place()),
                _ => Ok(&self.ptr().block().info),
            }
        }
    }

    pub(crate) fn made(&self) -> &'static Location<'static> {
        match self.info() {
            Ok(info) => info.made(),
            Err(made) => made,
        }
    }

    pub(crate) fn label(&self) -> Option<&'static str> {
        self.info().ok()?.label()
    }

    /// The number by which the debugger knows the chain.
    pub(crate) fn watch_id(&self) -> Option<u64> {
        self.info().ok()?.watch_id()
    }

    /// Puts this into a chain, if it is in none.
    fn chained(&mut self) -> ChainPtr {
        // SAFETY: [tag]. The value that is read is in the chain afterwards: the
        // word says so.
        unsafe {
            match self.tag() {
                READY => {
                    let chain = EmptyChain::new(self.place());
                    let consumer = chain.put(Ok(self.value.assume_init_read()));
                    self.word = chain_word(consumer.into_ptr(), CHAIN);
                }
                TAKEN => {
                    let chain = EmptyChain::new(self.place());
                    self.word = chain_word(chain.into_ptr(), EMPTIED);
                }
                _ => {}
            }
            self.ptr()
        }
    }

    pub(crate) fn handle(&mut self) -> Handle {
        Handle::to(self.chained())
    }

    pub(crate) fn pause(&mut self) -> PauseGuard {
        let chain = self.chained();
        span::forget_appended_at_rest(chain, chain.state().load());
        PauseGuard::new(chain)
    }

    pub(crate) fn set_label(&mut self, label: &'static str) {
        self.chained().block().info.set_label(label);
    }

    /// Drops what is left.
    #[cold]
    #[inline(never)]
    fn drop_slowly(self) {
        match self.into_parts() {
            Parts::Ready(value, made) => drop_result(Ok(value), || (made, None)),
            Parts::Chain(consumer) => drop(consumer),
            Parts::Taken(_) => {}
            Parts::Emptied(chain) => drop(chain),
        }
    }
}

impl<T> Drop for Repr<T> {
    #[inline]
    fn drop(&mut self) {
        match self.tag() {
            READY if !std::mem::needs_drop::<T>() => {}
            TAKEN => {}
            _ => {
                // SAFETY: this is the drop, and the fields are not used again.
                unsafe { ptr::read(self) }.drop_slowly();
            }
        }
    }
}

/// What a Deferred whose result an await took has in place of it.
#[cold]
fn already_taken(made: &'static Location<'static>) -> Failure {
    Failure::from_error(AlreadyTaken::new(), made)
}

#[inline]
fn place_word(made: &'static Location<'static>, tag: usize) -> *mut () {
    tagged(ptr::from_ref(made).cast_mut().cast(), tag)
}

#[inline]
fn chain_word(chain: ChainPtr, tag: usize) -> *mut () {
    tagged(chain.address().as_ptr(), tag)
}

#[inline]
fn tagged(pointer: *mut (), tag: usize) -> *mut () {
    // SAFETY: what is pointed to is aligned to more than the tags, as asserted
    // above. Told so, the compiler follows a tag from one stage to the next.
    unsafe { std::hint::assert_unchecked(pointer.addr() & TAG == 0) };
    pointer.map_addr(|addr| addr | tag)
}
