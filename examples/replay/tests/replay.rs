//! Runs the replayer as a user would.

#![cfg(not(miri))]

use std::fs;
use test_support::programs::{Run, program};

const PROGRAM: &str = env!("CARGO_BIN_EXE_replay");

#[test]
fn file_then_a_trace_for_each_line() {
    for corpus in ["sync", "tasks"] {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/conformance");
        let file = format!("{folder}/{corpus}.jsonl");
        let run = Run::with_input(program(PROGRAM).arg(&file), "");
        assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""));
        let programs = fs::read_to_string(file).expect("the corpus is there");
        assert_eq!(run.stdout.lines().count(), programs.lines().count());
        assert!(run.stdout.lines().all(|line| line.contains("\"trace\":[")));
    }
}

#[test]
fn no_argument_then_every_trace_is_that_of_twisted() {
    let run = Run::with_input(&mut program(PROGRAM), "");
    assert_eq!(run.status, Some(0), "{run:?}");
    assert_eq!(run.stdout, "sync: 2000/2000\ntasks: 800/800\n");
}

#[test]
fn program_that_breaks_a_rule_then_no_trace_and_a_reason() {
    let broken = r#"{"id": "broken", "ops": [["fire", 0, "ok", 1]]}"#;
    let run = Run::with_input(program(PROGRAM).arg("-"), broken);
    assert_eq!(run.stdout, "{\"id\":\"broken\",\"trace\":null}\n");
    assert!(run.stderr.contains("broken"), "{run:?}");
}
