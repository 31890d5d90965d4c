//! What the chain layer gives the core to run.

use super::types::Consumer;
use crate::core::memory::info::{ChainInfo, Watch, WatchState};
use crate::core::memory::ptr::ChainPtr;
use crate::core::memory::record::{
    Flow, Record, RecordClass, RecordVTable, read_closure, size_with,
};
use crate::failure::{Failure, Name, Place, ReturnedItself};
use std::any::Any;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};

/// A pair of callbacks, one of which runs on the result of the stage before.
pub(crate) trait Stage: Send + 'static {
    /// The value that comes in.
    type In;
    /// The value that goes out.
    type Out;

    /// Whether it has a callback, and an errback; a side without one passes
    /// the result on.
    const HANDLES: Handles;

    /// The name of the callback's type.
    fn name() -> &'static str;

    /// Runs it; a panic is caught by [`call`], or by the run of its chain.
    fn run(self, input: Result<Self::In, Failure>, site: Site<'_>) -> Step<Self::Out>;
}

/// Which results a stage handles; it passes the others on unchanged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handles {
    pub(crate) value: bool,
    pub(crate) failure: bool,
}

impl Handles {
    pub(crate) const VALUES: Self = Handles {
        value: true,
        failure: false,
    };
    pub(crate) const FAILURES: Self = Handles {
        value: false,
        failure: true,
    };
    pub(crate) const BOTH: Self = Handles {
        value: true,
        failure: true,
    };
}

/// What came of a stage.
pub(crate) enum Step<T> {
    /// A result.
    Done(Result<T, Failure>),
    /// A chain, which may have its result.
    Wait(Consumer<T>),
}

impl<T> Step<T> {
    /// Takes the result out of a chain that has it.
    pub(crate) fn take_if_ready<S: Stage>(self, site: Site<'_>) -> Self {
        let Step::Wait(consumer) = self else {
            return self;
        };
        match consumer.take() {
            Ok(Err(failure)) => Step::Done(Err(with_trace(failure, site, S::name))),
            Ok(result) => Step::Done(result),
            Err(consumer) => Step::Wait(consumer),
        }
    }
}

/// Where a stage stands, for the trace of a failure that leaves it.
#[derive(Clone, Copy)]
pub(crate) struct Site<'a> {
    at: &'static Location<'static>,
    owner: Owner<'a>,
}

#[derive(Clone, Copy)]
enum Owner<'a> {
    Made(&'static Location<'static>),
    Chain(&'a ChainInfo),
}

impl<'a> Site<'a> {
    /// In a Deferred without a block, made at `made`.
    pub(crate) fn inline(
        at: &'static Location<'static>,
        made: &'static Location<'static>,
    ) -> Site<'static> {
        let owner = Owner::Made(made);
        Site { at, owner }
    }

    /// In the record of a chain.
    ///
    /// # Safety
    ///
    /// The record is that of a stage, and being run; `'a` ends before the
    /// chain's runner is through with it.
    #[inline]
    unsafe fn of(record: *mut Record, chain: ChainPtr) -> Site<'a> {
        // SAFETY: the record is that of a stage.
        let at = unsafe { (*record).payload.place };
        let owner = Owner::Chain(&chain.block().info);
        Site { at, owner }
    }
}

/// Notes in `failure`'s trace that it left the callback `name`.
#[cold]
pub(crate) fn with_trace(mut failure: Failure, site: Site<'_>, name: Name) -> Failure {
    let (made, label) = match site.owner {
        Owner::Made(made) => (made, None),
        Owner::Chain(info) => (info.made(), info.label()),
    };
    failure.note(Place::left(site.at, name, made, label));
    failure
}

/// Runs a stage; its panic, that of a drop in it included, is its failure.
#[inline]
pub(crate) fn call<S: Stage>(
    stage: S,
    input: Result<S::In, Failure>,
    site: Site<'_>,
) -> Step<S::Out> {
    #[cfg(tokio_deferred_break)]
    if let Some(lost) = crate::fault_injection::lose_callback(site.at) {
        return Step::Done(Err(lost));
    }
    // Unwind safety: what the closure captured is gone, and the result is
    // replaced by the failure.
    match catch_unwind(AssertUnwindSafe(|| stage.run(input, site))) {
        Ok(step) => step,
        Err(payload) => Step::Done(Err(panicked::<S>(payload, site))),
    }
}

#[cold]
fn panicked<S: Stage>(payload: Box<dyn Any + Send>, site: Site<'_>) -> Failure {
    with_trace(Failure::panicked(payload, site.at), site, S::name)
}

/// The vtable of a record that holds an `S`.
pub(in crate::core) struct StageVTable<S>(S);

impl<S: Stage> StageVTable<S> {
    pub(in crate::core) const VTABLE: &'static RecordVTable = &RecordVTable {
        size: size_with::<S>(),
        run: run_stage::<S>,
        class: RecordClass::Stage {
            panicked: stage_panicked::<S>,
        },
    };
}

/// # Safety
///
/// As for [`RecordVTable::run`]; the record holds an `S`.
unsafe fn run_stage<S: Stage>(record: *mut Record, chain: ChainPtr) -> Flow {
    let block = chain.block();
    if block.info.watch().is_some() || cfg!(tokio_deferred_break) {
        // SAFETY: as the caller says.
        return unsafe { run_watched::<S>(record, chain) };
    }
    // SAFETY: as the caller says.
    let (stage, input, site) = unsafe { taken::<S>(record, chain) };
    // A panic is caught by the run. The usual result goes straight from the
    // registers into the slot: written as a whole and read in parts, or the
    // other way round, it would make the processor wait.
    match stage.run(input, site) {
        Step::Done(output) => {
            // SAFETY: the caller is the runner, and the input was moved out.
            block.slot.with_mut(|slot| unsafe { (*slot).put(output) });
            Flow::Next
        }
        // The usual chain that a stage returns.
        Step::Wait(consumer) if !consumer.is_at_rest() && !consumer.is_consumer_of(chain) => {
            Flow::Wait(consumer.into_ptr())
        }
        // SAFETY: as above.
        step => unsafe { finish_stage::<S>(step, record, chain) },
    }
}

/// Takes a stage out of its record, which the runner then is past, and its
/// input out of the slot.
///
/// # Safety
///
/// As for [`RecordVTable::run`]; the record holds an `S`.
#[inline(always)]
unsafe fn taken<'a, S: Stage>(
    record: *mut Record,
    chain: ChainPtr,
) -> (S, Result<S::In, Failure>, Site<'a>) {
    // SAFETY: the caller says what the record holds, and that it is the
    // runner: the slot holds this stage's input ([one runner], [slot], [types]).
    unsafe {
        chain.pass(record, size_with::<S>());
        let stage = read_closure::<S>(record);
        let input = chain.block().slot.with_mut(|slot| (*slot).take());
        (stage, input, Site::of(record, chain))
    }
}

/// The same, with somebody who wants to know.
///
/// # Safety
///
/// As for [`RecordVTable::run`]; the record holds an `S`.
#[cold]
#[inline(never)]
unsafe fn run_watched<S: Stage>(record: *mut Record, chain: ChainPtr) -> Flow {
    // SAFETY: as the caller says.
    let (stage, input, site) = unsafe { taken::<S>(record, chain) };
    let value_in = input.is_ok();
    if let Some(watch) = chain.block().info.watch() {
        watch.runs();
    }
    let mut step = call(stage, input, site).take_if_ready::<S>(site);
    if let Some(watch) = chain.block().info.watch() {
        tell::<S>(&**watch, value_in, &mut step);
    }
    // SAFETY: the input was moved out.
    unsafe { finish_stage::<S>(step, record, chain) }
}

/// # Safety
///
/// As for [`RecordClass::Stage`]; the record held an `S`.
unsafe fn stage_panicked<S: Stage>(
    record: *mut Record,
    chain: ChainPtr,
    payload: Box<dyn Any + Send>,
) {
    // SAFETY: the record held an `S`, which panicked, so that the slot is empty.
    unsafe {
        let step = Step::Done(Err(panicked::<S>(payload, Site::of(record, chain))));
        finish_stage::<S>(step, record, chain);
    }
}

/// Goes on with what came of an `S`.
///
/// # Safety
///
/// As for [`RecordVTable::run`], of a record that held an `S`; the slot is empty.
#[cold]
#[inline(never)]
unsafe fn finish_stage<S: Stage>(step: Step<S::Out>, record: *mut Record, chain: ChainPtr) -> Flow {
    // SAFETY: the record held an `S`, and is being run.
    let site = unsafe { Site::of(record, chain) };
    let output = match step.take_if_ready::<S>(site) {
        Step::Done(output) => output,
        Step::Wait(consumer) if consumer.is_consumer_of(chain) => {
            // It would wait for itself for ever, and nobody would hear of it.
            let failure = Failure::from_error(ReturnedItself::new(), site.at);
            drop(consumer);
            Err(with_trace(failure, site, S::name))
        }
        Step::Wait(consumer) => return Flow::Wait(consumer.into_ptr()),
    };
    // SAFETY: the caller is the runner, and the slot is empty ([slot]).
    chain
        .block()
        .slot
        .with_mut(|slot| unsafe { (*slot).put(output) });
    Flow::Next
}

/// Tells a watcher of an `S` that made `step` of its input.
#[cold]
fn tell<S: Stage>(watch: &dyn Watch, value_in: bool, step: &mut Step<S::Out>) {
    let output = match step {
        Step::Done(output) => Some(output),
        Step::Wait(_) => None,
    };
    let state = WatchState {
        value_in,
        value_out: output.as_ref().map(|output| output.is_ok()),
        ran: if value_in {
            S::HANDLES.value
        } else {
            S::HANDLES.failure
        },
    };
    watch.ran(state, output.and_then(|output| output.as_mut().err()));
}
