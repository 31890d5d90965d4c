//! Streams of events: APIs that call back any number of times, such as file
//! watchers, signal handlers, subscriptions and sockets.
//!
//! [`callback_stream`] registers a callback, through an [`Emitter`], and makes a
//! [`Stream`](futures::Stream) of what the callback is called with. Kotlin has
//! `callbackFlow`, Swift `AsyncStream`.
//!
//! # Examples
//!
//! A watcher that calls back on a thread of its own, until it is stopped:
//!
//! ```
//! use futures::StreamExt;
//! use std::sync::{Arc, atomic::{AtomicBool, Ordering}};
//! use std::thread;
//! use tokio_deferred::stream::{Buffer, CallbackStream, callback_stream};
//!
//! fn ticks() -> CallbackStream<u32> {
//!     callback_stream(Buffer::Newest(8), |emitter| {
//!         let stopped = Arc::new(AtomicBool::new(false));
//!         let stop = stopped.clone();
//!         let ticking = thread::spawn(move || {
//!             let mut n = 0;
//!             while !stopped.load(Ordering::Relaxed) {
//!                 let _ = emitter.emit(n);
//!                 n += 1;
//!                 thread::yield_now();
//!             }
//!         });
//!         move || {
//!             stop.store(true, Ordering::Relaxed);
//!             ticking.join().unwrap();
//!         }
//!     })
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let mut ticks = ticks();
//! let first = ticks.next().await.unwrap().unwrap();
//! let second = ticks.next().await.unwrap().unwrap();
//! assert!(first < second);
//! drop(ticks); // stops the thread
//! # }
//! ```

mod buffer;
mod callback_stream;
mod channel;
mod emitter;

pub use buffer::Buffer;
pub use callback_stream::{CallbackStream, Registered, callback_stream};
pub use emitter::{Emitter, Rejected};
