//! The Deferred and its halves: what users hold, over the typed ends of the
//! core's chains. No `unsafe`, and no Tokio.
//!
//! Invariants:
//!
//! 1. A `Deferred` has its value in itself, or it has a chain, or an await took
//!    its result. But for the second case, the chain, if there is one at all,
//!    is an anchor for handles and pauses. A failure is always in a chain.
//! 2. A stage added to a result that nobody else refers to runs at once, on
//!    this thread, outside of any chain. If there is an anchor, the value goes
//!    back into that chain, and the stage behind it: where it runs at once as
//!    well, unless a pause holds it up.
//! 3. Each public method that user code is given to catches its panics.

// In the order in which the pages of `Deferred` show its methods: making,
// stages, awaiting, cancelling, holding up, ending. The blank lines keep it.
mod deferred;

mod construct;

pub(crate) mod from_callback;

mod cancel_request;

pub(crate) mod stages;

mod rust_names;

mod future;

mod cancel;

mod pause;

mod conclude;

mod await_list;
mod fire_once;
#[cfg(all(test, tokio_deferred_loom))]
mod models;
mod outcome;
mod park;
mod resolver;
mod shared_resolver;

pub use crate::core::Resolver;
pub(crate) use await_list::{AwaitList, enter, hide_from_sendable};
pub use cancel::{CancelHandle, CancelOnDrop};
pub use cancel_request::CancelReason;
pub use deferred::Deferred;
pub(crate) use fire_once::FireOnce;
pub use from_callback::Started;
pub use outcome::{Outcome, Recovery};
pub(crate) use outcome::{StageResult, sealed};
pub use pause::Pause;
pub use shared_resolver::SharedResolver;
