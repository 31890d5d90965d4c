//! Deferreds and time: Twisted's `twisted.internet.task`, and loops.
//!
//! All times are Tokio's: under `tokio::time::pause` these functions wait for
//! the paused clock.

mod clock;
mod cooperative;
mod cooperator;
mod iterate;
mod later;
mod looping_call;

pub(crate) use clock::Clock;
pub use cooperative::{CooperativeTask, NotPaused, TaskFinished};
pub use cooperator::{Cooperator, cooperate};
pub use iterate::{Turn, iterate};
pub use later::defer_later;
pub use looping_call::{AlreadyRunning, LoopingCall};
