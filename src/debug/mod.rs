//! Tools for finding out what Deferreds do: who waits on whom, which way a
//! result took, and where failures that nobody handled end up.
//!
//! With [`set_debugging`] on, each Deferred that is made from then on keeps a
//! record: where it was made, its stages and what became of them, what it
//! waits for. [`pending`] lists those without a result; [`diagram`] draws the
//! way through one chain, and is in the `Debug` of a failure that came through
//! it, as in the message of a failed test. Off, as it is at first, that costs
//! one relaxed load for each Deferred made.
//!
//! # Examples
//!
//! ```
//! use tokio_deferred::{Deferred, debug};
//!
//! debug::set_debugging(true);
//! let (resolver, poem) = Deferred::<String>::new();
//! let poem = poem.label("the poem").map(|text| text.len());
//! let report = debug::pending();
//! let entry = report.iter().find(|entry| entry.label() == Some("the poem")).unwrap();
//! assert_eq!(entry.made_at().file(), file!());
//! assert_eq!(entry.stages().len(), 1);
//! println!("{report}");
//! # resolver.callback(String::new());
//! # drop(poem);
//! # debug::set_debugging(false);
//! ```
//!
//! Invariants:
//!
//! 1. A record is written by the core's runner and by the owner of the chain's
//!    tail, each under the record's lock, which is held over no other lock and
//!    no code of the user's.
//! 2. The registry holds records weakly. A failure holds those of the chains
//!    that it came through, and no record holds a failure.

mod diagram;
mod history;
mod moment;
mod pending;
mod slow_stage;

pub use crate::failure::{Unhandled, UnhandledHook, set_unhandled_hook, take_unhandled_hook};
pub use diagram::{Diagram, Side, Step, diagram};
pub(crate) use history::first_id_from_now;
pub(crate) use pending::pending_since;
pub use pending::{Pending, PendingDeferred, RunningStage, StageInfo, WaitsFor, pending, stuck};
pub use slow_stage::set_slow_stage;

use crate::core::WATCH;
use std::sync::atomic::Ordering;

/// Starts or ends the keeping of records, for Deferreds made from now on, and
/// returns whether it was on: Twisted's `setDebugging`.
///
/// # Examples
///
/// ```
/// use tokio_deferred::debug;
///
/// let was_on = debug::set_debugging(true);
/// assert!(!was_on && debug::is_debugging());
/// debug::set_debugging(was_on);
/// ```
#[doc(alias = "setDebugging")]
pub fn set_debugging(on: bool) -> bool {
    let _ = WATCH.make.set(history::make);
    // ORDERING: Release: who sees it on finds `make` set.
    WATCH.on.swap(on, Ordering::Release)
}

/// Returns whether records are kept: Twisted's `getDebugging`.
///
/// # Examples
///
/// ```
/// assert!(!tokio_deferred::debug::is_debugging()); // as at first
/// ```
#[doc(alias = "getDebugging")]
pub fn is_debugging() -> bool {
    WATCH.is_on()
}
