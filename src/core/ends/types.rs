//! The owners of a chain's references, by what they may do. What they do stands
//! in the file of each.

use crate::core::memory::ptr::ChainPtr;
use crate::failure::Failure;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::Location;

/// Fires a chain, once; dropped unfired, it fires it with
/// [`ResolverDropped`](crate::ResolverDropped).
pub(crate) struct Producer<T> {
    chain: ChainPtr,
    kind: PhantomData<fn(T)>,
}

// SAFETY: a Producer moves a T into the block and touches nothing else of it.
unsafe impl<T: Send> Send for Producer<T> {}
// SAFETY: through a shared Producer only the state is read.
unsafe impl<T: Send> Sync for Producer<T> {}

impl<T> Producer<T> {
    /// Takes over the producer's reference. `T` is the type of the chain's first
    /// value.
    #[inline]
    pub(in crate::core) fn new(chain: ChainPtr) -> Self {
        let kind = PhantomData;
        Producer { chain, kind }
    }

    #[inline]
    pub(in crate::core) fn chain(&self) -> ChainPtr {
        self.chain
    }

    #[inline]
    pub(in crate::core) fn into_ptr(self) -> ChainPtr {
        ManuallyDrop::new(self).chain
    }
}

/// The owner of what a chain ends with: it adds stages, and takes the result
/// or gives it up. Dropped, it lets the chain go on by itself, and a failure
/// that nobody handles is reported.
pub(crate) struct Consumer<T> {
    chain: ChainPtr,
    kind: PhantomData<fn() -> T>,
}

// SAFETY: a Consumer moves a T out of the block; the rest of the block is shared
// by design.
unsafe impl<T: Send> Send for Consumer<T> {}
// SAFETY: through a shared Consumer only the state is used, and never the T.
unsafe impl<T: Send> Sync for Consumer<T> {}

impl<T> Consumer<T> {
    /// Takes over the consumer's reference. `T` is the type of the chain's last
    /// value.
    #[inline]
    pub(in crate::core) fn new(chain: ChainPtr) -> Self {
        let kind = PhantomData;
        Consumer { chain, kind }
    }

    #[inline]
    pub(in crate::core) fn chain(&self) -> ChainPtr {
        self.chain
    }

    #[inline]
    pub(in crate::core) fn into_ptr(self) -> ChainPtr {
        ManuallyDrop::new(self).chain
    }
}

/// A chain that is fired, has no record to run, and whose slot is empty: what
/// handles and pauses refer to while the Deferred has no value to keep in a
/// chain. Its owner has the rights of the owner of its [`Consumer`].
pub(crate) struct EmptyChain(ChainPtr);

// SAFETY: only the atomic state and the chain's info are used; there is no
// value.
unsafe impl Send for EmptyChain {}
// SAFETY: as above.
unsafe impl Sync for EmptyChain {}

impl EmptyChain {
    /// Takes over a chain whose result was taken out of it.
    #[inline]
    pub(in crate::core) fn from_ptr(chain: ChainPtr) -> Self {
        EmptyChain(chain)
    }

    #[inline]
    pub(in crate::core) fn chain(&self) -> ChainPtr {
        self.0
    }

    #[inline]
    pub(in crate::core) fn into_ptr(self) -> ChainPtr {
        ManuallyDrop::new(self).0
    }
}

impl Drop for EmptyChain {
    fn drop(&mut self) {
        self.0.release(1);
    }
}

/// A result, and the place where its chain, of which nothing is left, was made.
pub(crate) struct ResultAndPlace<T> {
    pub(crate) result: Result<T, Failure>,
    pub(crate) made: &'static Location<'static>,
}
