//! Runs the callbacks and first_bridge examples as a user would.

#![cfg(all(unix, not(miri)))]

mod programs;
mod services;

use programs::{Run, example};
use services::Server;

/// Checks that `lines` is what the example prints for `api`.
#[track_caller]
fn assert_prints(api: &str, lines: &[&str]) {
    let run = Run::with_input(example("callbacks").arg(api), "");
    assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""));
    assert_eq!(run.stdout.lines().collect::<Vec<_>>(), lines);
    let guide = include_str!("../docs/examples/callbacks.md");
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
    let mut program = Server::start(example("callbacks").arg("ctrl-c"));
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
    let run = Run::with_input(example("callbacks").arg("--help"), "");

    assert_eq!(run.status, Some(0));
    for api in ["rayon", "notify", "sqlite", "ctrl-c"] {
        assert!(run.stdout.contains(api), "{api}: {}", run.stdout);
    }
}

#[test]
fn first_bridge_resolves_localhost() {
    let run = Run::with_input(&mut example("first_bridge"), "");

    assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""));
    assert!(
        ["127.0.0.1", "::1"]
            .iter()
            .any(|address| run.stdout.contains(address)),
        "{}",
        run.stdout
    );
}

#[test]
fn first_bridge_brings_the_error_to_the_await() {
    // A name with an empty label is invalid everywhere: no server is asked.
    let run = Run::with_input(example("first_bridge").arg("a..b:80"), "");

    assert_eq!((run.stdout.as_str(), run.status), ("", Some(1)));
    let message = "failed to lookup address information";
    assert!(run.stderr.contains(message), "{}", run.stderr);
}

#[test]
fn first_bridge_has_under_30_lines_and_is_the_one_in_the_guide() {
    let source = include_str!("../examples/first_bridge/main.rs");
    let guide = include_str!("../docs/examples/first_bridge.md");

    assert!(source.lines().count() < 30, "it promises to be short");
    assert!(guide.contains(source), "the guide shows another program");
}
