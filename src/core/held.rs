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
//!    whose `Tail<T>` this is. `ANCHORED`: to an [`Anchor`]'s chain, which this
//!    owns; the value is here, unless that chain has `GONE`. `TAKEN`: to where
//!    it was made; there is no value any more.
//! 2. By `&self` the word changes once at most: from `READY` or `TAKEN` to
//!    `ANCHORED`.
//! 3. The value is reached by the owner alone.

use super::anchor::Anchor;
use super::block::{Block, Ptr};
use super::ready::{Plain, Taken, give_up};
use super::shim::{Ordering, Word};
use super::stage::Stage;
use super::state::State;
use super::tail::Tail;
use crate::failure::{AlreadyTaken, Failure};
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ops::Deref;
use std::panic::Location;
use std::ptr;

/// See the head of this file.
pub(crate) struct Held<T> {
    word: Word,
    value: MaybeUninit<T>,
    kind: PhantomData<Tail<T>>,
}

// SAFETY: by `&self` nothing of the value can be reached (3).
unsafe impl<T: Send> Sync for Held<T> {}

const TAG: usize = 0b11;
const READY: usize = 0;
const CHAIN: usize = 1;
const ANCHORED: usize = 2;
const TAKEN: usize = 3;

const _: () = assert!(align_of::<Location<'_>>() > TAG && align_of::<Block>() > TAG);

/// What is held, taken apart.
pub(super) enum Open<T> {
    /// A value that is in no chain.
    Ready(T, Origin),
    /// A chain, which has the result or will have it.
    Chain(Tail<T>),
    /// Nothing: an await had it.
    Taken(Origin),
}

/// Where what is in no chain comes from.
pub(crate) enum Origin {
    /// It was made there.
    Made(&'static Location<'static>),
    /// It was in this chain, or others refer to it by this one.
    Anchor(Anchor),
}

/// What is held, where it is.
pub(crate) enum View<'a, T> {
    Ready(Whence<'a>),
    Chain(Lent<'a, T>),
    Taken(Whence<'a>),
}

/// A chain that had no result when it was looked at.
pub(crate) struct Pending<T> {
    tail: Tail<T>,
    seen: State,
}

impl<T> Pending<T> {
    /// Appends a stage, as [`Tail::add`] does.
    #[inline]
    pub(crate) fn add<S: Stage<In = T>>(
        self,
        stage: S,
        place: &'static Location<'static>,
    ) -> Tail<S::Out> {
        self.tail.add_to(self.seen, stage, place)
    }
}

/// A tail that is borrowed.
pub(crate) struct Lent<'a, T>(ManuallyDrop<Tail<T>>, PhantomData<&'a ()>);

impl<T> Deref for Lent<'_, T> {
    type Target = Tail<T>;

    fn deref(&self) -> &Tail<T> {
        &self.0
    }
}

/// As [`Origin`], of what is held.
#[derive(Clone, Copy)]
pub(crate) struct Whence<'a>(&'a Word);

impl<T> Held<T> {
    #[inline]
    fn new(word: *mut (), value: MaybeUninit<T>) -> Self {
        Held {
            word: Word::new(word),
            value,
            kind: PhantomData,
        }
    }

    #[inline]
    pub(crate) fn ready(value: T, made: &'static Location<'static>) -> Self {
        Held::new(place(made, READY), MaybeUninit::new(value))
    }

    pub(crate) fn anchored(value: T, anchor: Anchor) -> Self {
        Held::new(chain(anchor.into_ptr(), ANCHORED), MaybeUninit::new(value))
    }

    #[inline]
    pub(crate) fn chain(tail: Tail<T>) -> Self {
        Held::new(chain(tail.into_ptr(), CHAIN), MaybeUninit::uninit())
    }

    pub(crate) fn taken(origin: Origin) -> Self {
        let word = match origin {
            Origin::Made(made) => place(made, TAKEN),
            Origin::Anchor(anchor) => {
                anchor.set_gone();
                chain(anchor.into_ptr(), ANCHORED)
            }
        };
        Held::new(word, MaybeUninit::uninit())
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
                CHAIN => ManuallyDrop::new(Tail::new(ptr_in(word))).take_plain(),
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
                CHAIN => Open::Chain(Tail::new(ptr_in(word))),
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

    /// Calls `f` with the tail, if this is a chain.
    pub(crate) fn with_tail<R>(&mut self, f: impl FnOnce(&mut Tail<T>) -> R) -> Option<R> {
        let word = self.word.sole();
        // SAFETY: invariant 1.
        (word.addr() & TAG == CHAIN)
            .then(|| f(&mut ManuallyDrop::new(Tail::new(unsafe { ptr_in(word) }))))
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
            let tail = ManuallyDrop::new(Tail::new(unsafe { ptr_in(word) }));
            let seen = tail.seen();
            if !seen.is_at_rest() {
                let tail = ManuallyDrop::into_inner(tail);
                return Ok(Pending { tail, seen });
            }
        }
        Err(ManuallyDrop::into_inner(this))
    }

    /// Returns the chain, put into one if it is in none.
    #[inline]
    pub(crate) fn into_tail(self) -> Tail<T> {
        let mut this = ManuallyDrop::new(self);
        let word = this.word.sole();
        if word.addr() & TAG == CHAIN {
            // SAFETY: invariant 1; `this` is forgotten.
            Tail::new(unsafe { ptr_in(word) })
        } else {
            ManuallyDrop::into_inner(this).into_new_tail()
        }
    }

    #[cold]
    #[inline(never)]
    fn into_new_tail(self) -> Tail<T> {
        match self.open() {
            Open::Ready(value, origin) => origin.anchor().put_back(Ok(value)),
            Open::Chain(tail) => tail,
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
    pub(crate) fn into_result(self) -> Result<Taken<T>, Tail<T>> {
        match self.into_plain() {
            Ok((result, _)) => Ok((result, None)),
            Err(held) => held.into_result_slowly(),
        }
    }

    #[inline(never)]
    fn into_result_slowly(self) -> Result<Taken<T>, Tail<T>> {
        let (result, origin) = match self.open() {
            Open::Ready(value, origin) => (Ok(value), origin),
            Open::Chain(tail) => return tail.take(),
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
                    ManuallyDrop::new(Tail::new(ptr_in(word))),
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
            Open::Chain(tail) => drop(tail),
            Open::Taken(origin) => drop(origin),
        }
    }
}

impl<T> Drop for Held<T> {
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

impl<'a> Whence<'a> {
    #[inline]
    fn word(self) -> *mut () {
        // ORDERING: Acquire: the block was made before its pointer was stored.
        self.0.load(Ordering::Acquire)
    }

    /// Where it was made.
    pub(crate) fn made(self) -> &'static Location<'static> {
        let word = self.word();
        match anchor_in(word) {
            Some(anchor) => anchor.as_tail().made(),
            // SAFETY: invariant 1: what is no anchor is a place.
            None => unsafe { made_in(word) },
        }
    }

    /// The anchor, if there is one.
    pub(crate) fn known_anchor(self) -> Option<ManuallyDrop<Anchor>> {
        anchor_in(self.word())
    }

    /// The anchor, which stays; made if there was none.
    pub(crate) fn anchor(self) -> ManuallyDrop<Anchor> {
        let word = self.word();
        if let Some(anchor) = anchor_in(word) {
            return anchor;
        }
        // SAFETY: invariant 1: what is no anchor is a place.
        let fresh = Anchor::make(unsafe { made_in(word) });
        if word.addr() & TAG == TAKEN {
            fresh.set_gone();
        }
        let fresh = fresh.into_ptr();
        if !self.0.replace(word, chain(fresh, ANCHORED)) {
            // Somebody was faster.
            drop(Anchor::new(fresh));
        }
        self.known_anchor().expect("an anchor that was made stays")
    }

    /// Whether nothing holds it up: no pause, nor the thread that dropped the
    /// last one.
    pub(crate) fn is_free(self) -> bool {
        !self.known_anchor().is_some_and(|anchor| anchor.is_held())
    }
}

impl Origin {
    /// The anchor, made now if there is none.
    pub(crate) fn anchor(self) -> Anchor {
        match self {
            Origin::Made(made) => Anchor::make(made),
            Origin::Anchor(anchor) => anchor,
        }
    }

    /// What a Deferred whose result an await took has in place of it.
    #[cold]
    fn already_taken(&self) -> Failure {
        Failure::from_error(AlreadyTaken::new(), self.name().0)
    }

    /// Where it was made, and its label.
    fn name(&self) -> (&'static Location<'static>, Option<&'static str>) {
        match self {
            Origin::Made(made) => (made, None),
            Origin::Anchor(anchor) => {
                let tail = anchor.as_tail();
                (tail.made(), tail.label())
            }
        }
    }
}

#[inline]
fn place(made: &'static Location<'static>, tag: usize) -> *mut () {
    tagged(ptr::from_ref(made).cast_mut().cast(), tag)
}

#[inline]
fn chain(chain: Ptr, tag: usize) -> *mut () {
    tagged(chain.into_raw().cast(), tag)
}

#[inline]
fn tagged(pointer: *mut (), tag: usize) -> *mut () {
    // SAFETY: what is pointed to is aligned to more than the tags, as asserted
    // above. Told so, the compiler follows a tag from one stage to the next.
    unsafe { std::hint::assert_unchecked(pointer.addr() & TAG == 0) };
    pointer.map_addr(|addr| addr | tag)
}

/// The anchor in a word that is not that of a chain.
fn anchor_in(word: *mut ()) -> Option<ManuallyDrop<Anchor>> {
    // SAFETY: invariant 1.
    (word.addr() & TAG == ANCHORED).then(|| Anchor::borrowed(unsafe { ptr_in(word) }))
}

/// # Safety
///
/// The word is one of [`place`].
#[inline]
unsafe fn made_in(word: *mut ()) -> &'static Location<'static> {
    let place = word.map_addr(|addr| addr & !TAG);
    // SAFETY: the caller says so, and it lives for ever. The compiler does not
    // know by itself that what is masked is not null.
    unsafe {
        std::hint::assert_unchecked(!place.is_null());
        &*place.cast::<Location<'static>>()
    }
}

/// # Safety
///
/// The word is one of [`chain`].
#[inline]
unsafe fn ptr_in(word: *mut ()) -> Ptr {
    // SAFETY: the caller says so: it is not null.
    unsafe { Ptr::from_raw_unchecked(word.map_addr(|addr| addr & !TAG).cast()) }
}
