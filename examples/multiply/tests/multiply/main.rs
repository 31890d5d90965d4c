//! Runs the multiply example, server and client, as a user would.

#![cfg(not(miri))]

mod server;

use std::fmt::Write;
use std::net::TcpListener;
use std::process::Command;

use server::Server;
use test_support::programs::{Run, program, scripted};

const PAGE: &str = include_str!("../../../../docs/examples/multiply.md");
const CALLS: i64 = 1000;
const DISTINCT: i64 = 250;
const LIMIT: u64 = 10;
/// How often the client asks a server that is busy.
const TRIES: u64 = 8;

fn multiply() -> Command {
    program(env!("CARGO_BIN_EXE_multiply"))
}

fn batch(server: &str) -> Command {
    let mut command = multiply();
    let limit = LIMIT.to_string();
    command.args(["batch", "--connect", server, "--limit", &limit]);
    command
}

/// The calls of the big tests: each pair comes up four times, far apart, and
/// every fiftieth pair has a product that does not fit 64 bits.
fn calls() -> Vec<(i64, i64)> {
    let pair = |n: i64| match n % 50 {
        49 => (i64::MAX - n, 2),
        _ => (n, n * 1_000_003 - 7),
    };
    (0..CALLS).map(|call| pair(call % DISTINCT)).collect()
}

fn file(pairs: &[(i64, i64)]) -> String {
    pairs.iter().fold(String::new(), |mut text, (a, b)| {
        writeln!(text, "{a} {b}").expect("a String takes all");
        text
    })
}

#[test]
fn thousand_concurrent_calls_meet_faults() {
    let server = Server::start(&["--again", "25", "--session-uses", "40"]);
    let calls = calls();
    let run = Run::with_input(&mut batch(&server.address), file(&calls));

    assert_eq!(run.status, Some(1), "some products do not fit: {run:?}");
    assert_eq!(run.stdout.lines().count(), calls.len());
    for ((a, b), line) in calls.iter().zip(run.stdout.lines()) {
        let expected = match a.checked_mul(*b) {
            Some(product) => format!("{a} * {b} = {product}"),
            None => format!("{a} * {b} failed: refused: {a} * {b} does not fit 64 bits"),
        };
        assert_eq!(line, expected);
    }

    let stats = server.stats();
    assert_eq!(stats.pairs.len() as i64, DISTINCT);
    for (pair, asked) in &stats.pairs {
        // What was asked again had been turned away before.
        let turned_away = asked.try_again + asked.session_invalid;
        assert_eq!(
            asked.requests,
            turned_away + asked.products + asked.errors,
            "{pair}"
        );
        // Failures are not kept, so a late call may ask for one again.
        match asked.errors {
            0 => assert_eq!(asked.products, 1, "{pair}"),
            _ => assert_eq!(asked.products, 0, "{pair}"),
        }
    }
    // The faults were really there, and so was the load.
    assert!(stats.sum(|asked| asked.try_again) > 50);
    assert!(stats.sum(|asked| asked.session_invalid) > 10);
    assert!(stats.sessions_expired > 3);
    // One login for the start, and one for each session that ended.
    assert!(stats.logins <= stats.sessions_expired + 1);
    assert!(stats.most_at_once > 1);
    assert!(stats.most_at_once <= LIMIT, "{}", stats.most_at_once);
}

#[test]
fn good_server_is_asked_once_for_each_product() {
    let server = Server::start(&["--again", "0", "--session-uses", "100000"]);
    let mut calls = calls();
    calls.retain(|(a, b)| a.checked_mul(*b).is_some());
    let run = Run::with_input(&mut batch(&server.address), file(&calls));
    assert_eq!(run.status, Some(0), "{}", run.stderr);

    let stats = server.stats();
    assert_eq!(stats.logins, 1, "all calls wait for the same login");
    for (pair, asked) in &stats.pairs {
        assert_eq!((asked.requests, asked.products), (1, 1), "{pair}");
    }
}

#[test]
fn busy_server_is_given_up_after_the_tries_are_used() {
    let server = Server::start(&["--again", "100", "--session-uses", "100000"]);
    let run = Run::with_input(&mut batch(&server.address), "6 7\n8 9\n6 7\n");

    assert_eq!(run.status, Some(1));
    for (line, pair) in run.stdout.lines().zip(["6 * 7", "8 * 9", "6 * 7"]) {
        let beginning = format!("{pair} failed: gave up after {TRIES} tries: the server is busy");
        assert!(line.starts_with(&beginning), "{line}");
    }
    assert_eq!(run.stdout.lines().count(), 3);
    let stats = server.stats();
    assert_eq!(stats.pairs["6 7"].requests, TRIES, "shared by two calls");
    assert_eq!(stats.pairs["8 9"].requests, TRIES);
}

#[test]
fn session_that_ends_at_every_use_is_renewed_each_time() {
    let server = Server::start(&["--again", "0", "--session-uses", "1"]);
    let mut one_at_a_time = multiply();
    one_at_a_time.args(["batch", "--connect", &server.address, "--limit", "1"]);
    let run = Run::with_input(&mut one_at_a_time, "1 2\n3 4\n5 6\n");

    assert_eq!(run.stdout, "1 * 2 = 2\n3 * 4 = 12\n5 * 6 = 30\n");
    assert_eq!(run.status, Some(0));
    let stats = server.stats();
    assert_eq!(stats.logins, 3);
    assert_eq!(stats.sum(|asked| asked.session_invalid), 2);
}

#[test]
fn sessions_that_never_last_are_given_up() {
    let (address, server) = scripted(|line| match line.split(' ').collect::<Vec<_>>()[..] {
        [id, "LOGIN", ..] => Some(format!("{id} SESSION s{id}")),
        [id, "MULTIPLY", ..] => Some(format!("{id} INVALID")),
        _ => None,
    });
    let run = Run::with_input(&mut batch(&address), "1 2\n");
    assert_eq!(
        run.stdout,
        "1 * 2 failed: gave up after 3 tries: the session is not valid any more\n"
    );
    assert_eq!(run.status, Some(1));
    let asked = server.join().expect("the server ends with its client");
    assert_eq!(
        asked,
        [
            "1 LOGIN ann sesame",
            "2 MULTIPLY s1 1 2",
            "3 LOGIN ann sesame",
            "4 MULTIPLY s3 1 2",
            "5 LOGIN ann sesame",
            "6 MULTIPLY s5 1 2",
        ]
    );
}

#[test]
fn refused_login_fails_every_call() {
    let server = Server::start(&[]);
    let mut command = batch(&server.address);
    command.args(["--password", "wrong"]);
    let run = Run::with_input(&mut command, "1 2\n3 4\n");
    assert_eq!(run.status, Some(1));
    assert_eq!(
        run.stdout,
        "1 * 2 failed: login refused: wrong user name or password\n\
         3 * 4 failed: login refused: wrong user name or password\n"
    );
    assert_eq!(server.stats().pairs.len(), 0);
}

#[test]
fn connection_lost_under_way_fails_the_calls_that_wait() {
    let (address, server) = scripted(|line| match line.split(' ').collect::<Vec<_>>()[..] {
        [id, "LOGIN", ..] => Some(format!("{id} SESSION s1")),
        [id, "MULTIPLY", "s1", "1", "2"] => Some(format!("{id} PRODUCT 2")),
        _ => None,
    });
    // One at a time, so that the first answer is there before the second
    // question makes the server hang up.
    let mut command = multiply();
    command.args(["batch", "--connect", &address, "--limit", "1"]);
    let run = Run::with_input(&mut command, "1 2\n3 4\n5 6\n");
    assert_eq!(run.status, Some(1));
    assert_eq!(
        run.stdout,
        "1 * 2 = 2\n\
         3 * 4 failed: connection lost: the server closed it\n\
         5 * 6 failed: connection lost: it was closed before\n"
    );
    let asked = server.join().expect("the server ends with its client");
    assert_eq!(
        asked,
        [
            "1 LOGIN ann sesame",
            "2 MULTIPLY s1 1 2",
            "3 MULTIPLY s1 3 4"
        ]
    );
}

#[test]
fn answer_that_makes_no_sense_loses_the_connection() {
    let (address, _) = scripted(|_| Some("1 SURPRISE".to_owned()));
    let run = Run::with_input(&mut batch(&address), "1 2\n");
    assert_eq!(run.status, Some(1));
    assert_eq!(
        run.stdout,
        "1 * 2 failed: connection lost: `SURPRISE` has no such form\n"
    );
}

#[test]
fn server_that_never_answers_is_timed_out() {
    // Nobody accepts; the connection is made all the same.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("an address").to_string();
    let mut command = batch(&address);
    let run = Run::with_input(command.args(["--patience", "20"]), "1 2\n3 4\n");
    assert_eq!(run.status, Some(1));
    assert_eq!(
        run.stdout,
        "1 * 2 failed: timed out after 20ms\n3 * 4 failed: timed out after 20ms\n"
    );
}

#[test]
fn nobody_listens() {
    // Bound and closed again: nobody else is given the port meanwhile.
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address").to_string();
    drop(free);
    let run = Run::with_input(&mut batch(&address), "1 2\n");
    assert_eq!((run.status, run.stdout.as_str()), (Some(1), ""));
    let beginning = format!("multiply: cannot connect to {address}: ");
    assert!(run.stderr.starts_with(&beginning), "{}", run.stderr);
}

#[test]
fn wrong_line_is_named_before_anything_is_asked() {
    let server = Server::start(&[]);
    for (input, message) in [
        (
            "1 2\n3\n",
            "multiply: line 2: `3` is not a pair of numbers\n",
        ),
        (
            "\n1 x\n",
            "multiply: line 2: `1 x` is not a pair of numbers\n",
        ),
    ] {
        let run = Run::with_input(&mut batch(&server.address), input);
        assert_eq!((run.status, run.stdout.as_str()), (Some(1), ""));
        assert_eq!(run.stderr, message);
    }
    assert_eq!(server.stats().logins, 0);
}

#[test]
fn interrupt_ends_the_server() {
    let server = Server::start(&[]);
    server.process.interrupt();
    let run = server.process.wait();
    assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""));
}

#[test]
fn guide_shows_what_the_program_prints() {
    let server = Server::start(&[]);
    let run = Run::with_input(
        &mut batch(&server.address),
        "6 7\n9223372036854775807 2\n6 7\n",
    );
    assert!(PAGE.contains(&run.stdout), "{}", run.stdout);
    let mut refused = batch(&server.address);
    let run = Run::with_input(refused.args(["--password", "open"]), "6 7\n");
    assert!(PAGE.contains(&run.stdout), "{}", run.stdout);
}

#[test]
fn demo_reports_a_thousand_right_products() {
    let run = Run::with_input(&mut multiply(), "");
    assert_eq!(run.status, Some(0), "{}", run.stderr);
    for line in [
        "  1000 right products, 0 failures",
        "  250 different products asked for",
        "  250 products given, at most 1 for each",
    ] {
        assert!(run.stdout.lines().any(|l| l == line), "{}", run.stdout);
    }
}
