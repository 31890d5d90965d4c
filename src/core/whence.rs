//! Where what is in no chain comes from: the word of a [`Repr`](super::held),
//! which says so with a pointer and a tag.

use super::anchor::Anchor;
use super::block::{Block, ChainPtr};
use super::shim::{Ordering, Word};
use crate::failure::{AlreadyTaken, Failure};
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::ptr;

pub(super) const TAG: usize = 0b11;
pub(super) const READY: usize = 0;
pub(super) const CHAIN: usize = 1;
pub(super) const ANCHORED: usize = 2;
pub(super) const TAKEN: usize = 3;

const _: () = assert!(align_of::<Location<'_>>() > TAG && align_of::<Block>() > TAG);

/// Where what is in no chain comes from.
pub(crate) enum Origin {
    /// It was made there.
    Made(&'static Location<'static>),
    /// It was in this chain, or others refer to it by this one.
    Anchor(Anchor),
}

/// As [`Origin`], of what is held.
#[derive(Clone, Copy)]
pub(crate) struct Whence<'a>(pub(super) &'a Word);

impl Whence<'_> {
    #[inline]
    pub(super) fn word(self) -> *mut () {
        // ORDERING: Acquire: the block was made before its pointer was stored.
        self.0.load(Ordering::Acquire)
    }

    /// Where it was made.
    pub(crate) fn made(self) -> &'static Location<'static> {
        let word = self.word();
        match anchor_in(word) {
            Some(anchor) => anchor.as_consumer().made(),
            // SAFETY: invariant 1 of `repr`: what is no anchor is a place.
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
        // SAFETY: invariant 1 of `repr`: what is no anchor is a place.
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
    pub(super) fn already_taken(&self) -> Failure {
        Failure::from_error(AlreadyTaken::new(), self.name().0)
    }

    /// Where it was made, and its label.
    pub(super) fn name(&self) -> (&'static Location<'static>, Option<&'static str>) {
        match self {
            Origin::Made(made) => (made, None),
            Origin::Anchor(anchor) => {
                let consumer = anchor.as_consumer();
                (consumer.made(), consumer.label())
            }
        }
    }
}

#[inline]
pub(super) fn place(made: &'static Location<'static>, tag: usize) -> *mut () {
    tagged(ptr::from_ref(made).cast_mut().cast(), tag)
}

#[inline]
pub(super) fn chain(chain: ChainPtr, tag: usize) -> *mut () {
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
    // SAFETY: invariant 1 of `repr`.
    (word.addr() & TAG == ANCHORED).then(|| Anchor::borrowed(unsafe { ptr_in(word) }))
}

/// # Safety
///
/// The word is one of [`place`].
#[inline]
pub(super) unsafe fn made_in(word: *mut ()) -> &'static Location<'static> {
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
pub(super) unsafe fn ptr_in(word: *mut ()) -> ChainPtr {
    // SAFETY: the caller says so: it is not null.
    unsafe { ChainPtr::from_raw_unchecked(word.map_addr(|addr| addr & !TAG).cast()) }
}
