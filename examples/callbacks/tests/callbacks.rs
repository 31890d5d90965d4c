//! Runs the program as a user would.

#![cfg(all(unix, not(miri)))]

use std::process::Command;
use test_support::programs::{Run, Server, program};

fn callbacks() -> Command {
    program(env!("CARGO_BIN_EXE_callbacks"))
}

/// Checks that `lines` is what the example prints for `api`.
#[track_caller]
fn assert_prints(api: &str, lines: &[&str]) {
    let run = Run::with_input(callbacks().arg(api), "");
    assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""));
    assert_eq!(run.stdout.lines().collect::<Vec<_>>(), lines);
    let guide = include_str!("../../../docs/examples/callbacks.md");
    assert!(guide.contains(&run.stdout), "the guide shows other lines");
}

#[test]
fn rayon_job_fires_fails_and_sees_its_cancel() {
    assert_prints(
        "rayon",
        &[
            "rayon: sum of 1 to 1000: 500500",
            "rayon: sum of 1, two, 3: core::num::error::ParseIntError: \
             invalid digit found in string",
            "rayon: a job that is cancelled: cancelled",
            "rayon: what it did then: the job saw the flag and ended",
        ],
    );
}

#[test]
fn file_watcher_fires_fails_and_is_cancelled() {
    assert_prints(
        "notify",
        &[
            "notify: first change in a directory: poem.txt",
            "notify: in one that is missing: notify::error::Error: \
             No path was found. about [\"/no/such/directory\"]",
            "notify: a watch that is cancelled: cancelled",
        ],
    );
}

#[test]
fn sqlite_query_fires_fails_and_is_interrupted() {
    assert_prints(
        "sqlite",
        &[
            "sqlite: steps at the first call back: 1000",
            "sqlite: sum of 1 to 10000: 50005000",
            "sqlite: from a missing table: rusqlite::error::Error: no such table: poems",
            "sqlite: a query that is cancelled: cancelled",
            "sqlite: the query behind it: 42",
        ],
    );
}

#[test]
fn ctrl_c_reaches_who_waits_and_not_who_cancelled() {
    let mut program = Server::start(callbacks().arg("ctrl-c"));
    let second = program.read_until("ctrlc: a second handler: ");
    let cancelled = program.read_until("ctrlc: a wait that is cancelled: ");
    program.read_until("ctrlc: press ctrl-c");
    program.interrupt();
    let run = program.wait();

    assert!(second.starts_with("ctrlc::error::Error: "), "{second}");
    assert_eq!(cancelled, "cancelled");
    assert_eq!(run.stdout, "ctrlc: the next ctrl-c: pressed\n");
    assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""));
}

#[test]
fn help_lists_the_apis() {
    let run = Run::with_input(callbacks().arg("--help"), "");

    assert_eq!(run.status, Some(0));
    for api in ["rayon", "notify", "sqlite", "ctrl-c"] {
        assert!(run.stdout.contains(api), "{api}: {}", run.stdout);
    }
}
