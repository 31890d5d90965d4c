//! Calls that wait until the run of a chain stops.
//!
//! A cancel that finds a stage running on another thread has nothing to cancel
//! yet: the stage may return a chain, which the cancel then has to reach. So
//! the cancel leaves a call here, and the runner makes it when its run stops:
//! at a wait, at rest, at a pause, or at the end of the chain.
//!
//! - *Registered while running.* A call is stored only while the chain has
//!   `RUNNING`: the thread that registers notes it in the state and stores the call
//!   under one lock. If the run has stopped already, the call comes back.
//! - *Made once.* The runner clears that note before it ends `RUNNING`, or in the same
//!   step; then it takes the calls.
//! - *Carried along.* A run that goes on with another chain (a delivery, a
//!   fire) takes the calls with it, and makes them when it is over: only then
//!   is the chain that took the result over not the runner's own any more.
//! - *No lock.* The calls are made under no lock, after the run has left its
//!   chain, and each panic in them is caught.

use crate::core::memory::info::Call;
use crate::core::memory::ptr::ChainPtr;
use crate::failure::catch_and_log;
use crate::sync::lock;

/// The calls that a run has to make when it is over. Most runs have none, and
/// so this is one word.
#[derive(Default)]
#[allow(clippy::box_collection)] // One word in every run, for what few runs have.
pub(crate) struct Calls(Option<Box<Vec<Call>>>);

impl Calls {
    pub(crate) const fn new() -> Self {
        Calls(None)
    }

    /// Takes the calls of `chain`, whose runner, the caller, has cleared the
    /// state's note of them.
    #[cold]
    #[inline(never)]
    pub(crate) fn take_from(&mut self, chain: ChainPtr) {
        if let Some(ext) = chain.block().info.ext() {
            let mut calls = lock(&ext.after_stage);
            self.0.get_or_insert_default().append(&mut calls);
        }
    }

    /// Takes the calls of `chain`, if there are any.
    ///
    /// By the runner.
    #[inline]
    pub(crate) fn take_if_noted(&mut self, chain: ChainPtr) {
        if chain.state().load().has_calls() {
            chain.state().clear_calls();
            self.take_from(chain);
        }
    }

    /// Makes the calls, in the order in which they were registered.
    #[inline]
    pub(crate) fn make(self) {
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
pub(crate) fn register<R>(
    chain: ChainPtr,
    input: R,
    make: impl FnOnce(R) -> Call,
) -> Result<(), R> {
    let ext = chain.block().info.extend();
    let mut calls = lock(&ext.after_stage);
    if chain.state().note_call() {
        calls.push(make(input));
        Ok(())
    } else {
        Err(input)
    }
}
