//! Runs the poetry example as a user would, against servers written in Python.

#![cfg(not(miri))]

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use test_support::programs::{Run, example};

const STYLES: [&str; 3] = ["chain", "async", "mixed"];

const TYGER: &str = "Tyger Tyger, burning bright,\nIn the forests of the night;\n";
const TYGER_BYRONIFIED: &str = "Tyger Tyger, burning bright,—\nIn the forests of the night;—\n";

/// The Python process; it ends with its standard input.
struct Servers {
    process: Child,
    addresses: HashMap<String, String>,
}

impl Servers {
    fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/poetry/servers.py");
        let mut process = Command::new("python3")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test needs python3");
        let announcements = BufReader::new(process.stdout.take().expect("piped above"));
        let addresses = announcements
            .lines()
            .map(|line| line.expect("the servers speak UTF-8"))
            .take_while(|line| line != "ready 0")
            .map(|line| {
                let (kind, port) = line.split_once(' ').expect("a kind and a port");
                (kind.to_owned(), format!("127.0.0.1:{port}"))
            })
            .collect();
        Self { process, addresses }
    }

    fn address(&self, kind: &str) -> &str {
        &self.addresses[kind]
    }

    /// Runs the example in every style, checks that the output does not depend
    /// on the style, and returns it.
    fn fetch(&self, engine: &str, kinds: &[&str]) -> Run {
        let servers = || kinds.iter().map(|kind| self.address(kind));
        let [chain, r#async, mixed] = STYLES.map(|style| {
            poetry(
                ["--engine", engine, "--style", style]
                    .into_iter()
                    .chain(servers()),
            )
        });
        assert_eq!(chain, r#async);
        assert_eq!(chain, mixed);
        chain
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        // A failure to wait has nothing to add to the test's own verdict.
        let _ = self.process.wait();
    }
}

/// Runs the example to its end.
fn poetry<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Run {
    Run::with_input(example("poetry").args(arguments), "")
}

#[track_caller]
fn assert_stderr_is_of(run: &Run, beginnings: &[String]) {
    let lines: Vec<_> = run.stderr.lines().collect();
    assert_eq!(lines.len(), beginnings.len(), "{}", run.stderr);
    for (line, beginning) in lines.iter().zip(beginnings) {
        assert!(line.starts_with(beginning), "{line:?} is not {beginning:?}");
    }
}

fn failed(server: &str) -> String {
    format!("poetry: download failed: {server}: ")
}

fn as_it_came(server: &str) -> String {
    format!("poetry: {server}: the poem stays as it came: ")
}

#[test]
fn slow_early_and_empty_servers_give_what_they_sent() {
    let run = Servers::start().fetch("byron", &["slow", "early", "empty"]);

    let cut = "Tyger Tyger, burning bright,—\nIn the fores—\n";
    assert_eq!(run.stdout, format!("{TYGER_BYRONIFIED}\n{cut}\n\n\n"));
    assert_eq!(run.stderr, "");
    assert_eq!(run.status, Some(0));
}

#[test]
fn bytes_that_are_not_utf8_are_replaced() {
    let run = Servers::start().fetch("byron", &["latin1"]);

    assert_eq!(
        run.stdout,
        "Demain, d\u{fffd}s l'aube,—\n\u{fffd} l'heure—\n\n"
    );
    assert_eq!(run.stderr, "");
    assert_eq!(run.status, Some(0));
}

#[test]
fn refused_and_reset_connections_are_failures_and_the_rest_is_printed() {
    let servers = Servers::start();
    let run = servers.fetch("byron", &["refusing", "slow", "reset"]);

    assert_eq!(run.stdout, format!("{TYGER_BYRONIFIED}\n"));
    assert_stderr_is_of(
        &run,
        &[
            failed(servers.address("refusing")),
            failed(servers.address("reset")),
        ],
    );
    assert_eq!(run.status, Some(1));
}

#[test]
fn all_servers_are_asked_at_once() {
    let run = Servers::start().fetch("byron", &["meet_a", "meet_b"]);

    assert_eq!(
        run.stdout,
        format!("{TYGER_BYRONIFIED}\n{TYGER_BYRONIFIED}\n")
    );
    assert_eq!(run.stderr, "");
    assert_eq!(run.status, Some(0));
}

#[test]
fn gibberish_counts_as_a_failed_download() {
    let servers = Servers::start();
    let run = servers.fetch("gibberish", &["slow", "latin1"]);

    assert_eq!(run.stdout, "");
    assert_stderr_is_of(
        &run,
        &[
            failed(servers.address("slow")),
            failed(servers.address("latin1")),
        ],
    );
    assert_eq!(run.status, Some(1));
}

#[test]
fn any_other_error_of_the_engine_keeps_the_poem() {
    let servers = Servers::start();
    let run = servers.fetch("buggy", &["slow", "refusing", "slow"]);

    assert_eq!(run.stdout, format!("{TYGER}\n{TYGER}\n"));
    assert_stderr_is_of(
        &run,
        &[
            as_it_came(servers.address("slow")),
            failed(servers.address("refusing")),
            as_it_came(servers.address("slow")),
        ],
    );
    assert_eq!(run.status, Some(1));
}

#[test]
fn without_servers_two_poems_and_the_expected_failure_are_a_success() {
    let runs = STYLES.map(|style| poetry(["--style", style]));

    for run in &runs {
        assert!(run.stdout.contains("King of Kings:—\n"), "{}", run.stdout);
        assert!(
            run.stdout.contains("the winged life destroy;—\n"),
            "{}",
            run.stdout
        );
        assert_eq!(
            run.stderr.matches("download failed").count(),
            1,
            "{}",
            run.stderr
        );
        assert_eq!(run.status, Some(0));
        // The ports on stderr are others each time.
        assert_eq!(run.stdout, runs[0].stdout);
    }
}

#[test]
fn without_servers_an_unexpected_failure_is_one() {
    let run = poetry(["--engine", "gibberish"]);

    assert_eq!(
        run.stderr.matches("download failed").count(),
        3,
        "{}",
        run.stderr
    );
    assert_eq!(run.status, Some(1));
}

#[test]
fn an_argument_without_a_port_is_refused_before_anything_is_fetched() {
    let run = poetry(["localhost"]);

    assert!(
        run.stderr.contains("invalid value 'localhost'"),
        "{}",
        run.stderr
    );
    assert_eq!(run.stdout, "");
    assert_eq!(run.status, Some(2));
}
