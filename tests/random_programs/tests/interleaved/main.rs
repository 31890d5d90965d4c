//! Random programs on several threads at once. What they come to depends on who
//! is first; but whatever happens, it is what happens to some sequence of the
//! same operations: each callback runs once and in its place, on the result of
//! the one before; each value is dropped once, each permit comes back, each
//! failure is somebody's or is reported once.

mod chains;
mod check;
mod ledger;
mod perform;
mod pool;
mod program;
mod stages;
mod waits;
mod wakers;

use ledger::Ledger;
use perform::World;
use pool::{Pool, THREADS};
use program::Program;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Instant;
use tokio_deferred::debug;

/// Enough for a million operations.
const PROGRAMS: u64 = if cfg!(miri) { 4 } else { 12_500 };

/// One program in so many is watched by the debug mode, which knows the
/// Deferreds that are pending.
const DEBUGGED: u64 = 25;

#[test]
fn random_operations_on_three_threads_then_nothing_is_lost_or_done_twice() {
    let seeds = match environment("SEED") {
        // Not every run has the same interleaving.
        Some(seed) => vec![seed; 200],
        None => (0..environment("PROGRAMS").unwrap_or(PROGRAMS)).collect(),
    };
    let pool = Pool::start();
    let reports = check::Reports::listen();
    let began = Instant::now();
    let mut operations = 0;
    for seed in &seeds {
        let program = Arc::new(Program::random(*seed));
        debug::set_debugging(seed.is_multiple_of(DEBUGGED));
        let run = || run(&program, &pool, &reports);
        let outcome = catch_unwind(AssertUnwindSafe(run))
            .unwrap_or_else(|_| Err("a panic outside of callbacks".to_owned()));
        match outcome {
            Ok(performed) => operations += performed,
            Err(reason) => panic!("{reason}\nSEED={seed}\n{program}"),
        }
    }
    // Written past the capture of the test harness: the counts are to be seen.
    writeln!(
        io::stdout(),
        "{THREADS} threads: {} programs, {operations} operations, {:.1} s",
        seeds.len(),
        began.elapsed().as_secs_f64(),
    )
    .expect("standard output is open");
}

fn environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn run(program: &Arc<Program>, pool: &Pool, reports: &check::Reports) -> Result<usize, String> {
    let ledger = Arc::new(Ledger::default());
    let world = Arc::new(World::new(program, &ledger, pool.runtime()));
    let performed = pool.perform(&world, program)?;
    world.waits.settle(pool.runtime())?;
    world.chains.settle(pool.runtime())?;
    let expected = check::chains(&world.chains)?;
    if debug::is_debugging() {
        nothing_is_pending()?;
    }
    drop(world);
    ledger.check()?;
    reports.check(&expected)?;
    Ok(performed)
}

/// A task may still be about to leave the callback that told of its end, which
/// nobody can wait for.
fn nothing_is_pending() -> Result<(), String> {
    let began = Instant::now();
    loop {
        let pending = debug::pending();
        if pending.is_empty() {
            return Ok(());
        }
        if began.elapsed() > ledger::LIMIT {
            return Err(format!("pending at the end: {pending}"));
        }
        thread::yield_now();
    }
}
