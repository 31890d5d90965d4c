//! What went wrong: the failure that travels down a chain, the errors this
//! library makes, and the report of a failure that nobody handled.
//!
//! Nothing here knows of chains. Invariants:
//!
//! 1. A [`Failure`] is immutable but for its path and a panic's payload; its
//!    clones share both, so a failure keeps its identity wherever it goes.
//! 2. Neither lock (path, payload) is held while code of the user runs.
//! 3. A failure that leaves for plain error code (as a [`DeferredError`] or a
//!    [`BoxError`]) and comes back is the same failure, not a wrapper of it.

mod deferred_error;
mod errors;
mod group;
mod or_fail;
mod panic;
mod trace;
mod trapped;
mod unhandled;
mod value;

pub use deferred_error::DeferredError;
pub use errors::{
    AlreadyLocking, AlreadyTaken, Cancelled, NoRuntime, QueueClosed, QueueOverflow, QueueUnderflow,
    ResolverDropped, TimedOut,
};
pub use group::{FailureGroup, FirstError};
pub use or_fail::OrFail;
pub use panic::PanicError;
pub(crate) use panic::{catch_and_log, discard};
pub(crate) use trace::{Name, brief};
pub use trace::{Place, PlaceKind, Trace};
pub use trapped::Trapped;
pub(crate) use unhandled::{Capture, report};
pub use unhandled::{Unhandled, set_unhandled_hook};
pub use value::Failure;

use std::error::Error;

/// Any error, boxed: what the functions that make a [`Failure`] accept.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{BoxError, Deferred, testing};
///
/// fn check(n: i32) -> Result<i32, BoxError> {
///     if n > 0 { Ok(n) } else { Err("not positive".into()) }
/// }
///
/// let (resolver, d) = Deferred::new();
/// resolver.resolve(check(-1));
/// assert_eq!(testing::failure_of(d).to_string(), "not positive");
/// ```
pub type BoxError = Box<dyn Error + Send + Sync + 'static>;
