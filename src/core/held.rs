//! What a Deferred holds.

use super::ready::Ready;
use super::tail::Tail;
use crate::failure::Failure;
use std::ptr;

/// Where a Deferred's result is, or will be.
pub(crate) enum Held<T> {
    /// Here.
    Ready(Ready<T>),
    /// In a chain.
    Chain(Chained<T>),
    /// An await had it; what is left is a chain that others refer to.
    Taken(Ready<()>),
}

/// The chain of a Deferred.
pub(crate) struct Chained<T> {
    pub(crate) tail: Tail<T>,
    /// The coroutine that awaits it, by number; 0 is none.
    pub(crate) awaited_by: u64,
}

impl<T> Held<T> {
    #[inline]
    pub(crate) fn chain(tail: Tail<T>) -> Self {
        let awaited_by = 0;
        Held::Chain(Chained { tail, awaited_by })
    }

    /// Takes the result of one that nobody else refers to: no handle, no pause,
    /// no coroutine.
    ///
    /// It is done in place, by parts, because a Deferred that is awaited was
    /// moved just before, and a second move would wait for the first.
    #[inline(always)]
    pub(crate) fn take_plain(&mut self) -> Option<Result<T, Failure>> {
        // SAFETY: what is taken leaves nothing to drop, and is overwritten
        // without being dropped.
        unsafe {
            let (result, made) = match self {
                Held::Ready(ready) => ready.take_plain()?,
                // A coroutine that noted it has a handle of it.
                Held::Chain(chained) => chained.tail.take_plain()?,
                Held::Taken(_) => return None,
            };
            ptr::write(self, Held::Taken(Ready::new(Ok(()), None, made)));
            Some(result)
        }
    }
}
