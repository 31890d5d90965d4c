//! What the tests of several packages share: whatever is needed in one test
//! program alone stays there.
//!
//! - [`Log`], [`Later`], [`OnDrop`], [`fire_elsewhere`]: what callbacks do when
//!   they are watched
//! - [`clock`], [`runtime`]: runtimes whose clock stands still, and others
//! - [`Random`]: random numbers that a seed repeats
//! - [`counting`]: an allocator that counts
//! - [`programs`]: running the examples as a user would
//! - [`replayer`], [`model`], [`codec`]: programs of operations, performed by the
//!   library, performed by a sequential model of it, and written as bytes

pub mod clock;
pub mod codec;
pub mod counting;
pub mod model;
mod observe;
pub mod programs;
mod random;
pub mod replayer;
pub mod runtime;

pub use observe::{Later, Log, OnDrop, fire_elsewhere};
pub use random::Random;
