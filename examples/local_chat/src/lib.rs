//! A chat server whose state is an `Rc` and whose callbacks are not `Send`, in
//! two stages: [`callbacks`], and [`coroutines`], which has the same functions.
//!
//! Any of the functions can be taken from either stage, as all of them return
//! local Deferreds: `tests/steps.rs` runs every mixture on the way.

pub mod callbacks;
pub mod coroutines;
pub mod room;
