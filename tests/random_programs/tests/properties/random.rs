//! What the library does with random programs is what the model does.

use crate::generate::Kinds;
use crate::shrink::Programs;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRunner};
use std::cell::Cell;
use std::io::{self, Write};
use std::time::Instant;
use test_support::model::oracle::{Verdict, check};
use test_support::replayer::program::{Action, Op};

/// Performs that many programs; those of the environment's CASES, if it has them.
fn assert_same(kinds: Kinds, programs: u32) {
    let asked = std::env::var("CASES")
        .ok()
        .and_then(|cases| cases.parse().ok());
    let config = Config {
        cases: asked.unwrap_or(programs),
        failure_persistence: None,
        rng_algorithm: RngAlgorithm::XorShift,
        max_shrink_iters: 20_000,
        ..Config::default()
    };
    let began = Instant::now();
    let (operations, open) = (Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(&Programs(kinds), |ops| {
        let (verdict, program) = check(&ops).map_err(TestCaseError::fail)?;
        operations.set(operations.get() + count(&program.ops));
        open.set(open.get() + u32::from(verdict == Verdict::Open));
        Ok(())
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, _)) => panic!("{reason}"),
        Err(TestError::Abort(reason)) => panic!("no programs: {reason}"),
    }
    // Written past the capture of the test harness: the counts are to be seen.
    let (operations, open) = (operations.get(), open.get());
    let seconds = began.elapsed().as_secs_f64();
    writeln!(
        io::stdout(),
        "{kinds:?}: {} programs, {operations} operations, {seconds:.1} s; \
         {open} depend on when tasks run",
        runner.config().cases,
    )
    .expect("standard output is open");
}

/// How many operations there are, those in actions included.
fn count(ops: &[Op]) -> usize {
    let within = |action: &Action| count(&action.ops);
    let nested = |op: &Op| match op {
        Op::Add(_, f, g) => f.iter().chain(g).map(within).sum(),
        Op::Both(_, f) | Op::SemaphoreRun(_, _, f) | Op::LockRun(_, _, f) => within(f),
        _ => 0,
    };
    ops.iter().map(|op| 1 + nested(op)).sum()
}

#[test]
fn random_sync_program_then_the_trace_of_the_model() {
    assert_same(Kinds::Sync, if cfg!(miri) { 20 } else { 10_000 });
}

#[test]
fn random_tasks_program_then_the_trace_of_the_model() {
    assert_same(Kinds::Tasks, if cfg!(miri) { 5 } else { 2_000 });
}
