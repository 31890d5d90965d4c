//! What the chain layer gives the core to run.

use super::block::Ptr;
use super::meta::{Meta, WatchState};
use super::record::{Flow, Kind, Record, Sort, read_closure, size_with};
use super::tail::Tail;
use crate::failure::{Failure, Place};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};

/// A pair of callbacks, one of which runs on the result of the stage before.
pub(crate) trait Stage: Send + 'static {
    /// The value that comes in.
    type In;
    /// The value that goes out.
    type Out;

    /// Whether it has a callback, and an errback; a side without one passes
    /// the result on.
    const SIDES: (bool, bool);

    /// The name of the callback's type.
    fn name() -> &'static str;

    /// Runs it; a panic is caught by the caller.
    fn run(self, input: Result<Self::In, Failure>, site: Site<'_>) -> Step<Self::Out>;
}

/// What came of a stage.
pub(crate) enum Step<T> {
    /// A result.
    Done(Result<T, Failure>),
    /// A chain that has none yet.
    Wait(Tail<T>),
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
    Chain(&'a Meta),
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

    pub(super) fn chain(at: &'static Location<'static>, meta: &'a Meta) -> Self {
        let owner = Owner::Chain(meta);
        Site { at, owner }
    }
}

/// Notes in `failure`'s trace that it left the callback `name`.
#[cold]
pub(crate) fn noted(mut failure: Failure, site: Site<'_>, name: &'static str) -> Failure {
    let (made, label) = match site.owner {
        Owner::Made(made) => (made, None),
        Owner::Chain(meta) => (meta.made(), meta.label()),
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
    // Unwind safety: what the closure captured is gone, and the result is
    // replaced by the failure.
    match catch_unwind(AssertUnwindSafe(|| stage.run(input, site))) {
        Ok(step) => step,
        Err(payload) => {
            let failure = Failure::panicked(payload, site.at);
            Step::Done(Err(noted(failure, site, S::name())))
        }
    }
}

/// The kind of a record that holds an `S`.
pub(super) struct KindOf<S>(S);

impl<S: Stage> KindOf<S> {
    pub(super) const KIND: &'static Kind = &Kind {
        size: size_with::<S>(),
        run: run_stage::<S>,
        sort: Sort::Stage,
    };
}

/// # Safety
///
/// As for [`Kind::run`]; the record holds an `S`.
unsafe fn run_stage<S: Stage>(record: *mut Record, chain: Ptr) -> Flow {
    let block = chain.block();
    // SAFETY: the caller says what the record holds, and that we are the
    // runner: the slot holds this stage's input (3, 4, 7).
    let (stage, at, input) = unsafe {
        let stage = read_closure::<S>(record);
        let at = (*record).payload.place;
        let input: Result<S::In, Failure> = block.slot.with_mut(|slot| (*slot).take());
        (stage, at, input)
    };
    let value_in = input.is_ok();
    let watch = block.meta.watch();
    let step = call(stage, input, Site::chain(at, &block.meta));
    if let Some(watch) = watch {
        watch.ran(watched::<S>(value_in, &step));
    }
    match step {
        Step::Done(output) => {
            block.slot.with_mut(|slot| {
                // SAFETY: as above; the input was moved out.
                unsafe { (*slot).put(output) }
            });
            Flow::Next
        }
        Step::Wait(tail) if tail.is_tail_of(chain) => {
            // It would wait for itself for ever, and nobody would hear of it.
            let error = "a callback returned the Deferred that it is on";
            let failure = noted(
                Failure::from_box(error.into(), at),
                Site::chain(at, &block.meta),
                S::name(),
            );
            block.slot.with_mut(|slot| {
                // SAFETY: as above.
                unsafe { (*slot).put::<Result<S::Out, Failure>>(Err(failure)) }
            });
            drop(tail);
            Flow::Next
        }
        Step::Wait(tail) => Flow::Wait(tail.into_ptr()),
    }
}

/// What a watcher is told of an `S` that made `step` of its input.
#[cold]
pub(super) fn watched<S: Stage>(value_in: bool, step: &Step<S::Out>) -> WatchState {
    WatchState {
        value_in,
        value_out: match step {
            Step::Done(output) => Some(output.is_ok()),
            Step::Wait(_) => None,
        },
        ran: if value_in { S::SIDES.0 } else { S::SIDES.1 },
    }
}
