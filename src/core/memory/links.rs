//! What the slot of a chain holds that waits for another, or was taken out from
//! between two others.

use super::ptr::ChainPtr;
use super::slot::Slot;

/// In the slot of a waiting chain: the awaited one, with a reference.
pub(crate) struct Wait {
    pub(crate) on: ChainPtr,
}

/// In the slot of a collapsed chain: the chain that waits in its place, with a
/// reference, and which of that chain's waits it was. A cancel is passed on only
/// while that wait lasts.
pub(crate) struct Forward {
    pub(crate) to: ChainPtr,
    pub(crate) wait_generation: u32,
}

// They are put into the slot, and looked at, under `LOCKED`, so they must not
// be boxed.
const _: () = assert!(Slot::<3>::fits::<Wait>() && Slot::<3>::fits::<Forward>());
