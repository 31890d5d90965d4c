//! Deferreds and time: Twisted's `twisted.internet.task`, and loops.
//!
//! All times are Tokio's: under `tokio::time::pause` these functions wait for
//! the paused clock.
//!
//! # Examples
//!
//! ```
//! use std::sync::mpsc;
//! use std::time::Duration;
//! use tokio_deferred::task;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
//! let (tick, ticks) = mpsc::channel();
//! let call = task::LoopingCall::new(move || tick.send(()).unwrap());
//! let ended = call.start(Duration::from_secs(1));
//! let greeting = task::defer_later(Duration::from_millis(2500), || Ok("hello"));
//! assert_eq!(greeting.await.unwrap(), "hello");
//! call.stop();
//! ended.await.unwrap();
//! assert_eq!(ticks.try_iter().count(), 3); // at 0, 1 and 2 seconds
//! # }
//! ```

mod call_heap;
mod clock;
mod cooperative;
mod cooperator;
mod iterate;
mod later;
mod looping_call;
mod run_queue;
mod timer_queue;

pub(crate) use clock::Clock;
pub use cooperative::{CooperativeTask, NotPaused, TaskFinished};
pub use cooperator::{Cooperator, cooperate};
pub use iterate::{Turn, iterate};
pub use later::defer_later;
pub use looping_call::{AlreadyRunning, LoopingCall};
