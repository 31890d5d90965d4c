//! What went wrong: the failure that travels down a chain, the errors this
//! library makes, and the report of a failure that nobody handled.
//!
//! Nothing here knows of chains. Invariants:
//!
//! 1. The error of a [`Failure`] never changes, but for a panic's payload, and its
//!    clones share it. Each clone has a path of its own.
//! 2. The lock of a payload is not held while code of the user runs.
//! 3. A failure that leaves for plain error code (as a [`DeferredError`] or a
//!    [`BoxError`]) and comes back is the same failure, not a wrapper of it.

pub(crate) mod audit;
mod deferred_error;
mod errors;
mod group;
mod holder;
mod or_fail;
mod panic;
mod trace;
mod trapped;
mod unhandled;
mod value;

pub use deferred_error::DeferredError;
pub(crate) use errors::SharedReason;
pub use errors::{
    AlreadyLocking, AlreadyTaken, Cancelled, CannotBlock, DuplicateKey, NoRuntime, NoRuntimeKind,
    QueueClosed, QueueOverflow, QueueUnderflow, ResolverDropped, ReturnedItself, TimedOut,
};
pub use group::{FailureGroup, FirstError};
pub use or_fail::OrFail;
pub use panic::PanicError;
pub(crate) use panic::{catch_and_log, discard};
pub(crate) use trace::{Name, brief};
pub use trace::{Place, PlaceKind, Trace};
pub use trapped::Trapped;
pub(crate) use unhandled::{Capture, report};
pub use unhandled::{Unhandled, UnhandledHook, set_unhandled_hook, take_unhandled_hook};
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
