//! The Deferred and its halves: what users hold, over the typed ends of the
//! core's chains. No `unsafe`, and no Tokio.
//!
//! Invariants:
//!
//! 1. A `Deferred` has its result either in itself (`Ready`) or in a chain.
//!    In the first case the chain, if there is one at all, is an anchor for
//!    handles and pauses.
//! 2. A stage added to a `Ready` Deferred runs at once, on this thread, unless
//!    a pause holds it up: then the result goes into the chain first.
//! 3. Each public method that user code is given to catches its panics.

mod await_;
mod awaited;
mod cancel;
mod conclude;
mod construct;
mod deferred;
mod outcome;
mod pause;
mod resolver;
mod stages;

pub(crate) use awaited::{Awaited, enter};
pub use cancel::{CancelHandle, CancelOnDrop};
pub use deferred::Deferred;
pub use outcome::Outcome;
pub use pause::Pause;
pub use resolver::Resolver;
