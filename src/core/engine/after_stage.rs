//! Calls that wait until the run of a chain stops.
//!
//! A cancel that finds a stage running on another thread has nothing to cancel
//! yet: the stage may return a chain, which the cancel then has to reach. So
//! the cancel leaves a call here, and the runner makes it when its run stops:
//! at a wait, at rest, at a pause, or at the end of the chain.
//!
//! - *Registered while running.* A call is stored only while the chain has
//!   `RUNNING`: the thread that registers sets `AFTER_STAGE` and stores the call
//!   under one lock. If the run has stopped already, the call comes back.
//! - *Made once.* The transition that ends `RUNNING` clears `AFTER_STAGE` in the
//!   same step; the runner that cleared it takes the calls.
//! - *Carried along.* A run that goes on with another chain (a delivery, a
//!   fire) takes the calls with it, and makes them when it is over: only then
//!   is the chain that took the result over not the runner's own any more.
//! - *No lock.* The calls are made under no lock, after the run has left its
//!   chain, and each panic in them is caught.

use super::block::{ChainPtr, Transition};
use super::state::{AFTER_STAGE, RUNNING};
use crate::failure::catch_and_log;
use crate::sync::lock;

/// A call that waits for the end of a run.
pub(super) type Call = Box<dyn FnOnce() + Send>;

/// The calls that a run has to make when it is over. Most runs have none, and
/// so this is one word.
#[derive(Default)]
#[allow(clippy::box_collection)] // One word in every run, for what few runs have.
pub(super) struct Calls(Option<Box<Vec<Call>>>);

impl Calls {
    pub(super) const fn new() -> Self {
        Calls(None)
    }

    /// Takes the calls of `chain`, whose `AFTER_STAGE` the caller has cleared.
    #[cold]
    #[inline(never)]
    pub(super) fn take_from(&mut self, chain: ChainPtr) {
        if let Some(ext) = chain.block().info.ext() {
            let mut calls = lock(&ext.after_stage);
            self.0.get_or_insert_default().append(&mut calls);
        }
    }

    /// Makes the calls, in the order in which they were registered.
    #[inline]
    pub(super) fn make(self) {
        if let Some(calls) = self.0 {
            make_all(*calls);
        }
    }
}

#[cold]
#[inline(never)]
fn make_all(calls: Vec<Call>) {
    for call in calls {
        catch_and_log("a cancel", call);
    }
}

/// Stores the call that `make` makes of `input` for the end of the run that
/// `chain` is in.
///
/// The caller holds a reference to the chain.
///
/// # Errors
///
/// The input, if the chain is not running any more.
pub(super) fn register<R>(
    chain: ChainPtr,
    input: R,
    make: impl FnOnce(R) -> Call,
) -> Result<(), R> {
    let ext = chain.block().info.extend();
    let mut calls = lock(&ext.after_stage);
    let (_, running) = chain.update(|s| {
        if s.has(RUNNING) {
            Transition::To(s.0 | AFTER_STAGE)
        } else {
            Transition::Abort
        }
    });
    if running {
        calls.push(make(input));
        Ok(())
    } else {
        Err(input)
    }
}
