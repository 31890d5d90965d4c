//! What user code can do to the library at the worst moment: panic wherever it
//! is called, and drop a future wherever it waits.
//!
//! `panics` runs each scenario once to count the places where the library
//! calls, or drops, something of the user's, and then once for each place with
//! a panic there. `drops` drops each future at each of its await points, and
//! does so once more for each panic that can come on the way. After every run
//! the books must balance: each value, closure and waker is dropped once, each
//! Deferred has a result, each permit and item is back, no memory is left, and
//! a panic is heard of once.

#![cfg(not(miri))] // Thousands of short runs, most of them with threads.

mod drops;
mod listener;
mod panics;
mod runs;
mod trial;
mod user;

use test_support::counting::Counting;

#[global_allocator]
static COUNTING: Counting = Counting;
