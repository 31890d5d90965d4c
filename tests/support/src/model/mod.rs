//! A sequential model of the library: what a program does, said as plainly as
//! possible, to be compared with what the library does.
//!
//! There are no threads, locks or wakers in here, nothing is shared and nothing
//! is fast. A Deferred is a row of stages and perhaps a result; whoever needs one
//! has its index. Every operation is done when its function returns, deeper
//! effects first. The model shares with the replayer the form of programs and of
//! values, and with the library not a line.
//!
//! It also knows the rules that a program has to keep. What breaks one is left
//! out and noted, so that any sequence of operations can be made (`repair`) a
//! program.

mod chain;
mod coroutine;
mod group;
mod limits;
mod ops;
pub mod oracle;
mod repair;
mod rules;
mod run;
mod world;
pub mod write;

use crate::replayer::program::Op;
use serde_json::Value as Json;
use world::World;

/// When coroutines go on and freed tokens reach the next in line.
///
/// The library leaves it open: at some time before the operation is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// Inside what caused it, as in Twisted.
    AtOnce,
    /// When the operation has done everything else; first come, first served.
    OldestFirst,
    /// The same, the last one first.
    NewestFirst,
}

/// Returns the trace that performing `ops` leaves.
///
/// # Errors
///
/// If some of them break a rule; the text has them.
pub fn trace(ops: &[Op], schedule: Schedule) -> Result<Vec<Json>, String> {
    let mut world = World::new(schedule);
    world.play(ops);
    if world.broken.is_empty() {
        Ok(world.trace)
    } else {
        Err(format!("{:?}", world.broken))
    }
}
