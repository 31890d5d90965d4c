//! The model leaves the traces that Twisted left.

use crate::RECORDED;
use test_support::model::{Schedule, trace};
use test_support::replayer::compare::first_difference;
use test_support::replayer::corpus::{Corpus, SYNC, TASKS};

fn assert_models(corpus: Corpus, schedule: Schedule, programs: usize) {
    let read = corpus.read().expect("the corpus comes with the repository");
    for program in read.iter().take(RECORDED) {
        let actual = trace(&program.ops, schedule)
            .unwrap_or_else(|broken| panic!("{}, {schedule:?}: {broken}", program.id));
        let expected = program.trace.as_ref().expect("each line has a trace");
        if let Some(difference) = first_difference(corpus.order, expected, &actual) {
            panic!("{}, {schedule:?}: {difference}", program.id);
        }
    }
    assert_eq!(read.len(), programs, "programs were lost");
}

#[test]
fn model_leaves_the_trace_of_every_sync_program() {
    assert_models(SYNC, Schedule::AtOnce, 2000);
}

#[test]
fn model_leaves_the_trace_of_every_tasks_program_whenever_tasks_run() {
    for schedule in [
        Schedule::AtOnce,
        Schedule::OldestFirst,
        Schedule::NewestFirst,
    ] {
        assert_models(TASKS, schedule, 800);
    }
}
