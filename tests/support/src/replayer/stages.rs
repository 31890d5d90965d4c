//! Turns actions into the closures that the library runs.

use serde_json::json;
use tokio_deferred::{Deferred, DeferredLock, DeferredSemaphore, Failure};

use super::ops::perform;
use super::program::{Action, Conclusion, Id, Now, Op};
use super::value::{Input, Value, name_of};
use super::world::World;

/// An action as a callback, of the type that its conclusion asks for.
pub(super) enum Stage {
    Now(Box<dyn FnOnce(Input) -> Input + Send>),
    Later(Box<dyn FnOnce(Input) -> Deferred<Value> + Send>),
}

/// What a stage logs when it starts.
#[derive(Clone, Copy)]
pub(super) enum Start {
    /// A stage of a deferred and its number.
    Stage(Id, usize),
    /// The action of a `sem_run` or `lock_run`.
    Run(Id),
}

impl Start {
    fn log(self, world: &World, input: &Input) {
        world.log(match (self, input) {
            (Start::Stage(id, n), Ok(value)) => json!(["cb", id, n, value]),
            (Start::Stage(id, n), Err(failure)) => json!(["eb", id, n, name_of(failure)]),
            (Start::Run(id), _) => json!(["run", id]),
        });
    }
}

/// Makes the callback that performs `action`.
pub(super) fn stage(world: &World, start: Start, action: &Action) -> Stage {
    let world = world.clone();
    let ops = action.ops.clone();
    match action.conclusion.clone() {
        Conclusion::Now(now) => Stage::Now(Box::new(move |input| {
            begin(&world, start, &ops, &input);
            conclude(&now, input)
        })),
        Conclusion::Defer(id) => Stage::Later(Box::new(move |input| {
            begin(&world, start, &ops, &input);
            // What a stopped program returns is seen by nobody.
            let passed_on = |input| Deferred::maybe(move || input);
            if world.is_stopped() {
                return passed_on(input);
            }
            world.consume(id).unwrap_or_else(|broken| {
                world.stop(broken);
                passed_on(input)
            })
        })),
    }
}

fn begin(world: &World, start: Start, ops: &[Op], input: &Input) {
    start.log(world, input);
    for op in ops {
        perform(world, op);
    }
}

fn conclude(now: &Now, input: Input) -> Input {
    match now {
        Now::Pass => input,
        Now::Return(value) => Ok(value.clone()),
        Now::Increase(by) => Ok(Value::Int(match input {
            Ok(Value::Int(n)) => n.wrapping_add(*by),
            _ => *by,
        })),
        Now::Raise(error) => Err((*error).into()),
    }
}

/// Adds one stage of two sides, of which one may be missing.
pub(super) fn add(
    deferred: Deferred<Value>,
    on_value: Option<Stage>,
    on_failure: Option<Stage>,
) -> Deferred<Value> {
    use Stage::{Later, Now};
    match (on_value, on_failure) {
        (Some(Now(f)), Some(Now(g))) => deferred.add_callbacks(value(f), failure(g)),
        (Some(Now(f)), Some(Later(g))) => deferred.add_callbacks(value(f), failure(g)),
        (Some(Later(f)), Some(Now(g))) => deferred.add_callbacks(value(f), failure(g)),
        (Some(Later(f)), Some(Later(g))) => deferred.add_callbacks(value(f), failure(g)),
        (Some(Now(f)), None) => deferred.add_callback(value(f)),
        (Some(Later(f)), None) => deferred.add_callback(value(f)),
        (None, Some(Now(g))) => deferred.add_errback(failure(g)),
        (None, Some(Later(g))) => deferred.add_errback(failure(g)),
        (None, None) => deferred,
    }
}

/// Adds one stage that runs on either.
pub(super) fn add_both(deferred: Deferred<Value>, stage: Stage) -> Deferred<Value> {
    match stage {
        Stage::Now(f) => deferred.add_both(f),
        Stage::Later(f) => deferred.add_both(f),
    }
}

pub(super) fn run_with_token(semaphore: &DeferredSemaphore, stage: Stage) -> Deferred<Value> {
    match stage {
        Stage::Now(f) => semaphore.run(move || f(RUN_INPUT)),
        Stage::Later(f) => semaphore.run(move || f(RUN_INPUT)),
    }
}

pub(super) fn run_locked(lock: &DeferredLock, stage: Stage) -> Deferred<Value> {
    match stage {
        Stage::Now(f) => lock.run(move || f(RUN_INPUT)),
        Stage::Later(f) => lock.run(move || f(RUN_INPUT)),
    }
}

/// What the action of a `sem_run` or `lock_run` gets.
const RUN_INPUT: Input = Ok(Value::Int(0));

fn value<R>(
    stage: impl FnOnce(Input) -> R + Send + 'static,
) -> impl FnOnce(Value) -> R + Send + 'static {
    move |value| stage(Ok(value))
}

fn failure<R>(
    stage: impl FnOnce(Input) -> R + Send + 'static,
) -> impl FnOnce(Failure) -> R + Send + 'static {
    move |failure| stage(Err(failure))
}
