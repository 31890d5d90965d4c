//! Deferreds and time: Twisted's `twisted.internet.task`, and loops.
//!
//! All times are Tokio's: under `tokio::time::pause` these functions wait for
//! the paused clock.

mod clock;
mod later;

pub(crate) use clock::Clock;
pub use later::defer_later;
