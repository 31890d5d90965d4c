//! What models for the model checker have in common. They try every
//! interleaving of a few operations, with their memory orderings.
//!
//! Run with `RUSTFLAGS="--cfg tokio_deferred_loom" cargo test --release --lib
//! models`. Each stands in a module `models` beside what it is a model of, and
//! prints its bound, the number of its interleavings, and the time they took;
//! the heads of the files list them. A model that takes more than seconds
//! without a bound on preemptions is `bounded`; the others are not. Beside what
//! a model asserts, it is checked that no block is left, no value is lost or
//! dropped twice, and no two threads touch a slot, a cursor, a waker or a
//! coroutine's future at once.
//!
//! Not modelled: the counts of the standard `Arc` and `Weak`, and what is
//! Tokio's own.

#[cfg(test)]
pub(crate) mod harness;

use std::sync::atomic::{AtomicIsize, Ordering};

/// The blocks of chains that there are.
static LIVE: AtomicIsize = AtomicIsize::new(0);

/// Counts the blocks there are.
pub(crate) fn count(change: isize) {
    LIVE.fetch_add(change, Ordering::Relaxed);
}
