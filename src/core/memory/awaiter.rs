//! Which coroutine awaits a chain.

use std::num::NonZeroU64;

/// A coroutine, and the place in its list of what it awaits; in one word, as each
/// chain has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Awaiter(NonZeroU64);

impl Awaiter {
    const INDEX_BITS: u32 = 28;
    /// As many as there can be handles of one chain.
    const INDICES: u64 = 1 << Awaiter::INDEX_BITS;

    /// Makes one of the coroutine's number, which is not 0, unless the index is
    /// too large.
    ///
    /// After 69 billion coroutines that waited the numbers come again. A Deferred
    /// that one of them polled once and that lives still may then count as its
    /// namesake's.
    pub(crate) fn new(coroutine: NonZeroU64, index: usize) -> Option<Self> {
        let index = u64::try_from(index).ok()?;
        let number = coroutine.get() << Awaiter::INDEX_BITS;
        let word = NonZeroU64::new(number | index)?;
        (index < Awaiter::INDICES && number != 0).then_some(Awaiter(word))
    }

    pub(crate) fn index(self) -> usize {
        let index = self.0.get() & (Awaiter::INDICES - 1);
        usize::try_from(index).unwrap_or(usize::MAX)
    }

    pub(crate) fn is_of(self, coroutine: NonZeroU64) -> bool {
        self.0.get() & !(Awaiter::INDICES - 1) == coroutine.get() << Awaiter::INDEX_BITS
    }

    /// One word; 0 is none.
    #[inline]
    pub(crate) fn into_word(this: Option<Self>) -> u64 {
        this.map_or(0, |awaiter| awaiter.0.get())
    }

    #[inline]
    pub(crate) fn from_word(word: u64) -> Option<Self> {
        NonZeroU64::new(word).map(Awaiter)
    }
}

/// What a chain is to a coroutine that polled it once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AwaitState {
    /// It has no result.
    Pending,
    /// It has a result, which nobody took yet.
    Fired,
    /// Its result was taken, its Deferred was dropped or ended, or another
    /// coroutine polled it since.
    Over,
}
