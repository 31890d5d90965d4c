//! Runs the first_bridge example as a user would.

#![cfg(not(miri))]

use test_support::programs::{Run, example};

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
