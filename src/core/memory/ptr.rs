//! The address of a chain's block.

use std::ptr::NonNull;

/// The address of a block, which only [`block`](super::block) looks into.
///
/// [references]: it is used only while its user holds a counted reference, or
/// borrows from one who holds it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChainPtr(NonNull<()>);

impl ChainPtr {
    #[inline]
    pub(crate) fn new(address: NonNull<()>) -> Self {
        ChainPtr(address)
    }

    #[inline]
    pub(crate) fn address(self) -> NonNull<()> {
        self.0
    }
}
