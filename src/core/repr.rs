//! What a Deferred holds, in one word and the room of a value.
//!
//! So a Deferred of a number is two words, which pass in registers. Larger, it
//! would pass through memory, and what was just written there in parts and is
//! then read as a whole makes the processor wait, longer than anything else
//! that there is to do.
//!
//! Invariants:
//!
//! 1. The word is a pointer, with one of four tags in its lowest bits. `READY`:
//!    to where the Deferred was made; its value is here. `CHAIN`: to a chain,
//!    whose `Consumer<T>` this is. `ANCHORED`: to an [`Anchor`]'s chain, which this
//!    owns; the value is here, unless that chain has `GONE`. `TAKEN`: to where
//!    it was made; there is no value any more.
//! 2. By `&self` the word changes once at most: from `READY` or `TAKEN` to
//!    `ANCHORED`.
//! 3. The value is reached by the owner alone.

use super::anchor::Anchor;
use super::consumer::Consumer;
use super::shim::Word;
use super::stage::Stage;
use super::state::State;
use super::taken::{Plain, Taken, give_up};
use super::whence::{
    ANCHORED, CHAIN, Origin, READY, TAG, TAKEN, Whence, chain, made_in, place, ptr_in,
};
use crate::failure::Failure;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ops::Deref;
use std::panic::Location;
use std::ptr;

/// See the head of this file.
pub(crate) struct Repr<T> {
    word: Word,
    value: MaybeUninit<T>,
    kind: PhantomData<Consumer<T>>,
}

// SAFETY: by `&self` nothing of the value can be reached (3).
unsafe impl<T: Send> Sync for Repr<T> {}

/// What is held, taken apart.
pub(super) enum Open<T> {
    /// A value that is in no chain.
    Ready(T, Origin),
    /// A chain, which has the result or will have it.
    Chain(Consumer<T>),
    /// Nothing: an await had it.
    Taken(Origin),
}

/// What is held, where it is.
pub(crate) enum View<'a, T> {
    Ready(Whence<'a>),
    Chain(Lent<'a, T>),
    Taken(Whence<'a>),
}

/// A chain that had no result when it was looked at.
pub(crate) struct Pending<T> {
    consumer: Consumer<T>,
    seen: State,
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
    pub(crate) fn finish<F>(self, f: F)
    where
        F: FnOnce(Result<T, Failure>) + Send + 'static,
        T: Send + 'static,
    {
        self.consumer.finish(f);
    }
}

/// A consumer that is borrowed.
pub(crate) struct Lent<'a, T>(ManuallyDrop<Consumer<T>>, PhantomData<&'a ()>);

impl<T> Deref for Lent<'_, T> {
    type Target = Consumer<T>;

    fn deref(&self) -> &Consumer<T> {
        &self.0
    }
}

impl<T> Repr<T> {
    #[inline]
    fn new(word: *mut (), value: MaybeUninit<T>) -> Self {
        Repr {
            word: Word::new(word),
            value,
            kind: PhantomData,
        }
    }

    #[inline]
    pub(crate) fn ready(value: T, made: &'static Location<'static>) -> Self {
        Repr::new(place(made, READY), MaybeUninit::new(value))
    }

    pub(crate) fn anchored(value: T, anchor: Anchor) -> Self {
        Repr::new(chain(anchor.into_ptr(), ANCHORED), MaybeUninit::new(value))
    }

    #[inline]
    pub(crate) fn chain(consumer: Consumer<T>) -> Self {
        Repr::new(chain(consumer.into_ptr(), CHAIN), MaybeUninit::uninit())
    }

    pub(crate) fn taken(origin: Origin) -> Self {
        let word = match origin {
            Origin::Made(made) => place(made, TAKEN),
            Origin::Anchor(anchor) => {
                anchor.set_gone();
                chain(anchor.into_ptr(), ANCHORED)
            }
        };
        Repr::new(word, MaybeUninit::uninit())
    }

    /// Takes the result of one that nobody else refers to: no handle, no pause,
    /// no coroutine. It is `taken` then.
    #[inline(always)]
    pub(crate) fn take_plain(&mut self) -> Option<Result<T, Failure>> {
        // SAFETY: what was taken is not used again: the word says so.
        let (result, made) = unsafe { self.plain() }?;
        self.word = Word::new(place(made, TAKEN));
        Some(result)
    }

    /// The same, by value, and where it was made.
    ///
    /// # Errors
    ///
    /// This, if it is not such a one.
    #[inline(always)]
    pub(crate) fn into_plain(self) -> Result<Plain<T>, Self> {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: it is dropped and used again only if nothing was taken.
        match unsafe { this.plain() } {
            Some(plain) => Ok(plain),
            None => Err(ManuallyDrop::into_inner(this)),
        }
    }

    /// # Safety
    ///
    /// If there is a result, what is held is not used again, nor dropped.
    #[inline(always)]
    unsafe fn plain(&mut self) -> Option<Plain<T>> {
        let word = self.word.sole();
        // SAFETY: invariant 1, and the caller says so.
        unsafe {
            match word.addr() & TAG {
                READY => Some((Ok(self.value.assume_init_read()), made_in(word))),
                CHAIN => ManuallyDrop::new(Consumer::new(ptr_in(word))).take_plain(),
                _ => None,
            }
        }
    }

    /// Takes it apart.
    fn open(self) -> Open<T> {
        let mut this = ManuallyDrop::new(self);
        let word = this.word.sole();
        // SAFETY: invariant 1; `this` is forgotten.
        unsafe {
            match word.addr() & TAG {
                READY => Open::Ready(this.value.assume_init_read(), Origin::Made(made_in(word))),
                CHAIN => Open::Chain(Consumer::new(ptr_in(word))),
                TAKEN => Open::Taken(Origin::Made(made_in(word))),
                _ => {
                    let anchor = Anchor::new(ptr_in(word));
                    if anchor.is_gone() {
                        Open::Taken(Origin::Anchor(anchor))
                    } else {
                        Open::Ready(this.value.assume_init_read(), Origin::Anchor(anchor))
                    }
                }
            }
        }
    }

    /// Calls `f` with the consumer, if this is a chain.
    pub(crate) fn with_consumer<R>(&mut self, f: impl FnOnce(&mut Consumer<T>) -> R) -> Option<R> {
        let word = self.word.sole();
        (word.addr() & TAG == CHAIN).then(|| {
            // SAFETY: invariant 1.
            let mut consumer = ManuallyDrop::new(Consumer::new(unsafe { ptr_in(word) }));
            f(&mut consumer)
        })
    }

    /// Returns the chain, if it has no result yet.
    ///
    /// # Errors
    ///
    /// This, if it may have one.
    #[inline(always)]
    pub(crate) fn into_pending(self) -> Result<Pending<T>, Self> {
        let mut this = ManuallyDrop::new(self);
        let word = this.word.sole();
        if word.addr() & TAG == CHAIN {
            // SAFETY: invariant 1; one of the two is forgotten.
            let consumer = ManuallyDrop::new(Consumer::new(unsafe { ptr_in(word) }));
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
        let mut this = ManuallyDrop::new(self);
        let word = this.word.sole();
        if word.addr() & TAG == CHAIN {
            // SAFETY: invariant 1; `this` is forgotten.
            Consumer::new(unsafe { ptr_in(word) })
        } else {
            ManuallyDrop::into_inner(this).into_new_consumer()
        }
    }

    #[cold]
    #[inline(never)]
    fn into_new_consumer(self) -> Consumer<T> {
        match self.open() {
            Open::Ready(value, origin) => origin.anchor().put_back(Ok(value)),
            Open::Chain(consumer) => consumer,
            Open::Taken(origin) => {
                let failure = origin.already_taken();
                origin.anchor().put_back(Err(failure))
            }
        }
    }

    /// Returns the result, with what else there is of the chain.
    ///
    /// # Errors
    ///
    /// The chain, if the result is not there, or is held up.
    #[inline]
    pub(crate) fn into_result(self) -> Result<Taken<T>, Consumer<T>> {
        match self.into_plain() {
            Ok((result, _)) => Ok((result, None)),
            Err(repr) => repr.into_result_slowly(),
        }
    }

    #[inline(never)]
    fn into_result_slowly(self) -> Result<Taken<T>, Consumer<T>> {
        let (result, origin) = match self.open() {
            Open::Ready(value, origin) => (Ok(value), origin),
            Open::Chain(consumer) => return consumer.take(),
            Open::Taken(origin) => (Err(origin.already_taken()), origin),
        };
        match origin {
            Origin::Anchor(anchor) if anchor.is_held() => Err(anchor.put_back(result)),
            Origin::Anchor(anchor) => Ok((result, Some(anchor))),
            Origin::Made(_) => Ok((result, None)),
        }
    }

    pub(crate) fn view(&self) -> View<'_, T> {
        let whence = Whence(&self.word);
        let word = whence.word();
        // SAFETY: invariant 1.
        unsafe {
            match word.addr() & TAG {
                READY => View::Ready(whence),
                CHAIN => View::Chain(Lent(
                    ManuallyDrop::new(Consumer::new(ptr_in(word))),
                    PhantomData,
                )),
                TAKEN => View::Taken(whence),
                _ if Anchor::borrowed(ptr_in(word)).is_gone() => View::Taken(whence),
                _ => View::Ready(whence),
            }
        }
    }

    /// Drops a value that nobody took.
    #[cold]
    #[inline(never)]
    fn let_go(self) {
        match self.open() {
            // Its report, if it comes to one, comes after the unpause.
            Open::Ready(value, Origin::Anchor(anchor)) if anchor.is_held() => {
                drop(anchor.put_back(Ok(value)));
            }
            Open::Ready(value, origin) => give_up(Ok(value), || origin.name()),
            Open::Chain(consumer) => drop(consumer),
            Open::Taken(origin) => drop(origin),
        }
    }
}

impl<T> Drop for Repr<T> {
    #[inline]
    fn drop(&mut self) {
        let word = self.word.sole();
        match word.addr() & TAG {
            READY if !std::mem::needs_drop::<T>() => {}
            TAKEN => {}
            _ => {
                // SAFETY: this is the drop, and the fields are not used again.
                unsafe { ptr::read(self) }.let_go();
            }
        }
    }
}
