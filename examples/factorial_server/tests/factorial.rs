//! Runs the factorial server as a user would, with Python's `xmlrpc.client`
//! and the `factorial_client` example as its clients.

#![cfg(all(unix, not(miri)))]

use std::collections::HashMap;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use test_support::programs::{Run, Server, program, program_of_package};

struct Factorials {
    server: Server,
    url: String,
}

impl Factorials {
    fn start(args: &[&str]) -> Self {
        let mut command = program(env!("CARGO_BIN_EXE_factorial_server"));
        let mut server = Server::start(command.args(["--port", "0"]).args(args));
        let url = server.read_until("listening on ");
        Self { server, url }
    }

    fn client(&self, args: &[&str]) -> Run {
        client(&self.url, args)
    }

    fn stats(&self) -> HashMap<String, u64> {
        let run = self.client(&["--stats"]);
        assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""));
        let entry = |line: &str| {
            let (name, number) = line.split_once(": ").expect("a name and a number");
            (name.to_owned(), number.parse().expect("a number"))
        };
        run.stdout.lines().map(entry).collect()
    }

    /// Asks until a call is pending: no event crosses the process's border.
    fn wait_for_pending(&self) {
        let start = Instant::now();
        while self.stats()["pending"] == 0 {
            assert!(start.elapsed() < Duration::from_secs(30), "nothing pending");
        }
    }

    fn connect(&self) -> TcpStream {
        let address = self.url.strip_prefix("http://").expect("a URL");
        TcpStream::connect(address).expect("the server listens")
    }
}

fn client(url: &str, args: &[&str]) -> Run {
    Run::with_input(
        program_of_package("factorial_client")
            .args(["--url", url])
            .args(args),
        "",
    )
}

fn python(script: &str, args: &[&str]) -> Run {
    let script = format!("{}/tests/{script}", env!("CARGO_MANIFEST_DIR"));
    Run::with_input(Command::new("python3").arg(script).args(args), "")
}

#[test]
fn python_session_is_the_one_in_the_guide() {
    let factorials = Factorials::start(&[]);
    let run = python("session.py", &[&factorials.url]);

    assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""));
    let guide = include_str!("../../../docs/examples/factorial.md");
    assert!(
        guide.contains(&run.stdout),
        "not in the guide: {}",
        run.stdout
    );
}

#[test]
fn fifty_clients_at_once_compute_each_factorial_once() {
    let numbers = ["3", "20", "21", "40", "100", "250", "499", "500"];
    let factorials = Factorials::start(&["--delay", "50"]);
    let run = python(
        "clients.py",
        &[&[factorials.url.as_str(), "50"], &numbers[..]].concat(),
    );

    assert_eq!(
        (run.stdout.as_str(), run.status),
        ("400 right answers\n", Some(0))
    );
    let stats = factorials.stats();
    assert_eq!(stats["calls"], 400);
    assert_eq!(stats["computed"], 8);
    assert_eq!(stats["shared"] + stats["cached"], 392);
    assert_eq!(stats["pending"], 0);
    assert_eq!(stats["sessions"], 50);
}

#[test]
fn calls_of_one_number_share_what_is_under_way() {
    let factorials = Factorials::start(&["--delay", "1500"]);
    let first = thread::spawn({
        let url = factorials.url.clone();
        move || client(&url, &["500"])
    });
    factorials.wait_for_pending();
    let others = python("clients.py", &[&factorials.url, "20", "500"]);

    assert_eq!(others.status, Some(0), "{others:?}");
    assert_eq!(first.join().expect("the first call ends").status, Some(0));
    let stats = factorials.stats();
    assert_eq!((stats["calls"], stats["computed"]), (21, 1));
    assert!(stats["shared"] > 0, "{stats:?}");
}

#[test]
fn smaller_factorials_are_where_larger_ones_start() {
    let factorials = Factorials::start(&[]);
    let numbers: Vec<_> = (1..=20).map(|n| (n * 50).to_string()).collect();
    let numbers: Vec<_> = numbers.iter().map(String::as_str).collect();
    let run = factorials.client(&numbers);

    assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""));
    let stats = factorials.stats();
    assert_eq!(stats["computed"], 20);
    // 1000 if the calls arrive in this order, and 10,500 with nothing reused.
    assert!(stats["multiplications"] < 10_500, "{stats:?}");

    factorials.client(&["1010"]);
    let more = factorials.stats()["multiplications"] - stats["multiplications"];
    assert_eq!(more, 10);
}

#[test]
fn client_that_disconnects_takes_the_result_from_nobody() {
    let factorials = Factorials::start(&["--delay", "1000"]);
    let call = "<?xml version=\"1.0\"?><methodCall><methodName>factorial</methodName><params>\
                <param><value><i4>30</i4></value></param></params></methodCall>";
    let length = call.len();
    let mut leaving = factorials.connect();
    write!(
        leaving,
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{call}"
    )
    .expect("the server reads");
    factorials.wait_for_pending();
    drop(leaving);
    let run = factorials.client(&["30"]);

    assert_eq!(run.stdout, "30! = 265252859812191058636308480000000\n");
    let stats = factorials.stats();
    assert_eq!((stats["computed"], stats["pending"]), (1, 0));
}

#[test]
fn ctrl_c_with_a_call_pending_answers_it_and_exits_0() {
    let factorials = Factorials::start(&["--delay", "1500"]);
    let pending = thread::spawn({
        let url = factorials.url.clone();
        move || python("clients.py", &[&url, "1", "1000"])
    });
    factorials.wait_for_pending();
    // Neither a connection without a request nor one between two requests
    // keeps the server from ending.
    let _idle = factorials.connect();
    factorials.server.interrupt();

    let pending = pending.join().expect("the call ends");
    assert_eq!(
        (pending.stdout.as_str(), pending.status),
        ("1 right answers\n", Some(0))
    );
    let server = factorials.server.wait();
    assert_eq!(server.status, Some(0));
    assert_eq!(server.stdout, "stopped: 1 calls, 0 pending\n");
    assert_eq!(server.stderr.lines().count(), 1, "{}", server.stderr);
}

#[test]
fn client_prints_answers_in_order_and_faults_fail_it() {
    let factorials = Factorials::start(&["--max-n", "100"]);
    for session in [&[][..], &["--session"]] {
        let run = factorials.client(&[session, &["20", "-1", "5", "101"]].concat());

        assert_eq!(run.stdout, "20! = 2432902008176640000\n5! = 120\n");
        let faults = "-1!: fault 416: n must be from 0 to 100, not -1\n\
                      101!: fault 416: n must be from 0 to 100, not 101\n";
        assert_eq!((run.stderr.as_str(), run.status), (faults, Some(1)));
    }
    assert_eq!(factorials.stats()["sessions"], 1);
}

#[test]
fn client_of_a_silent_server_times_out() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/", silent.local_addr().expect("bound above"));
    let run = client(&url, &["--timeout", "1", "5"]);

    assert_eq!((run.stdout.as_str(), run.status), ("", Some(1)));
    assert!(run.stderr.contains("timed out"), "{}", run.stderr);
}

#[test]
fn client_without_a_server_says_so() {
    let unused = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/", unused.local_addr().expect("bound above"));
    drop(unused);
    let run = client(&url, &["--session", "5", "6"]);

    assert_eq!((run.stdout.as_str(), run.status), ("", Some(1)));
    let begins: Vec<_> = run.stderr.lines().map(|line| &line[..3]).collect();
    assert_eq!(begins, ["5!:", "6!:"], "{}", run.stderr);
}

#[test]
fn port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("bound above").port();
    let run = Run::with_input(
        program(env!("CARGO_BIN_EXE_factorial_server")).args(["--port", &port.to_string()]),
        "",
    );

    assert_eq!((run.stdout.as_str(), run.status), ("", Some(1)));
    let message = format!("Error: cannot listen on 127.0.0.1:{port}");
    assert!(run.stderr.starts_with(&message), "{}", run.stderr);
}

#[test]
fn help_names_the_methods_and_the_options() {
    let server = Run::with_input(
        program(env!("CARGO_BIN_EXE_factorial_server")).arg("--help"),
        "",
    );
    let client = Run::with_input(program_of_package("factorial_client").arg("--help"), "");

    assert_eq!((server.status, client.status), (Some(0), Some(0)));
    for part in [
        "factorialInSession(code, n)",
        "--port",
        "--max-n",
        "--delay",
    ] {
        assert!(server.stdout.contains(part), "{part}: {}", server.stdout);
    }
    for part in ["--url", "--session", "--stats", "--timeout"] {
        assert!(client.stdout.contains(part), "{part}: {}", client.stdout);
    }
}
