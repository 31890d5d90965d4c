//! Faults that can be switched on inside the library, to show that the soak
//! test finds what it looks for. Built with `--cfg tokio_deferred_break` only.
//!
//! A stage is consumed by its run, so that not even a fault can run it twice.
//! What is called by reference can be: the function of a `LoopingCall`, the
//! hook for failures that nobody handled.

use crate::failure::Failure;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What goes wrong, now and then, once it is switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A stage is dropped unrun, and its chain fails.
    LoseCallback,
    /// A permit or a lock that `run` held is not given back.
    LosePermit,
    /// A function that is called again and again is called once too often.
    DoubleRun,
}

/// How many chances there are for each one that is taken.
const RARITY: u64 = 1000;

#[derive(Debug)]
struct Switch {
    on: AtomicBool,
    chances: AtomicU64,
}

static SWITCHES: [Switch; 3] = [const {
    Switch {
        on: AtomicBool::new(false),
        chances: AtomicU64::new(0),
    }
}; 3];

/// Switches a fault on, for the rest of the process.
pub fn switch_on(fault: Fault) {
    // ORDERING: a switch, not a message, here and below.
    SWITCHES[fault as usize].on.store(true, Ordering::Relaxed);
}

/// Whether it is this fault's turn.
pub(crate) fn strikes(fault: Fault) -> bool {
    let switch = &SWITCHES[fault as usize];
    switch.on.load(Ordering::Relaxed)
        && switch.chances.fetch_add(1, Ordering::Relaxed) % RARITY == RARITY / 2
}

/// What comes out of a stage that is lost.
pub(crate) fn lose_callback(at: &'static Location<'static>) -> Option<Failure> {
    strikes(Fault::LoseCallback).then(|| Failure::from_box("a stage was lost".into(), at))
}

/// Keeps what should be given back.
pub(crate) fn lose_permit<G>(guard: G) -> Option<G> {
    if strikes(Fault::LosePermit) {
        std::mem::forget(guard);
        return None;
    }
    Some(guard)
}
