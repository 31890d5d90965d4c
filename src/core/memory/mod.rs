//! The memory of a chain: one block, its records, and what its slot may hold.
//! Nothing here runs anything.
//!
//! | file | what it has |
//! |---|---|
//! | [`ptr`] | the address of a block |
//! | [`slot`] | room for one value of any type |
//! | [`record`] | a stage in memory: a header, then the closure |
//! | [`room`] | where records lie: in the block, then in chunks |
//! | [`pool`] | freed blocks and chunks, for what is made next |
//! | [`cancel_hooks`] | what an unfired chain's slot holds for a cancel |
//! | [`links`] | what the slot of a waiting or a collapsed chain holds |
//! | [`info`] | where a chain was made, its label, span and watcher |
//! | [`awaiter`] | which coroutine awaits a chain |
//! | [`block`] | the block itself, and references to it |

pub(super) mod awaiter;
pub(super) mod block;
pub(super) mod cancel_hooks;
pub(super) mod info;
pub(super) mod links;
pub(super) mod pool;
pub(super) mod ptr;
pub(super) mod record;
pub(super) mod room;
pub(super) mod slot;
