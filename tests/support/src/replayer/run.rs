//! Runs one program from its first operation to the end of its trace.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use serde_json::Value as Json;
use tokio::runtime::{Builder, Runtime};

use super::ops::perform;
use super::program::{Op, Program};
use super::unhandled::Reports;
use super::world::World;

/// How the coroutines of a program go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coroutines {
    /// As tasks of a runtime.
    #[default]
    Tasks,
    /// Inside the fires that wake them; without a runtime, where nothing else of the
    /// program needs one.
    Inline,
}

/// Performs the operations of `program` and gives its trace.
///
/// # Errors
///
/// If the program breaks a rule of the format, if the library panics, or if no
/// runtime can be made; such a program has no trace.
pub fn run(program: &Program) -> Result<Vec<Json>, String> {
    run_with(program, Coroutines::Tasks)
}

/// The same, with coroutines of a kind.
///
/// # Errors
///
/// Those of [`run`].
pub fn run_with(program: &Program, coroutines: Coroutines) -> Result<Vec<Json>, String> {
    let ops = program.ops.as_slice();
    let needs_runtime = |op: &Op| match op {
        Op::Coroutine(..) => coroutines == Coroutines::Tasks,
        op => op.needs_tasks(),
    };
    let performed = catch_unwind(AssertUnwindSafe(|| {
        if ops.iter().any(needs_runtime) {
            with_tasks(ops, coroutines)
        } else {
            // The library promises that all of this works without a runtime.
            play(ops, coroutines, || ())
        }
    }));
    performed.unwrap_or_else(|_| Err("the library panicked".to_owned()))
}

fn with_tasks(ops: &[Op], coroutines: Coroutines) -> Result<Vec<Json>, String> {
    let runtime = paused_runtime().map_err(|error| format!("no runtime: {error}"))?;
    let _current = runtime.enter();
    play(ops, coroutines, || until_idle(&runtime))
}

/// A runtime for one program, so that no task of another one is left in it.
fn paused_runtime() -> io::Result<Runtime> {
    Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
}

/// Lets all tasks run until none can go on.
///
/// The clock of the runtime is paused, and Tokio advances a paused clock only
/// when it has nothing left to run. So this timer fires at the first moment when
/// every task is finished or waits for something that no task will bring, however
/// many turns that takes; it needs no guess and no real time.
fn until_idle(runtime: &Runtime) {
    runtime.block_on(tokio::time::sleep(Duration::from_millis(1)));
}

fn play(ops: &[Op], coroutines: Coroutines, until_idle: impl Fn()) -> Result<Vec<Json>, String> {
    let world = World::new(coroutines);
    let reports = Reports::listen();
    for op in ops {
        perform(&world, op);
        until_idle();
        world.log_unhandled(reports.take());
    }
    world.log_ends();
    world.finish().map_err(|broken| broken.to_string())
}
