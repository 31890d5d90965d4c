//! Runs the web example as a user would, with an HTTP client, with clients
//! that go away, and under load.

#![cfg(all(unix, not(miri)))]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use test_support::programs::{Run, Server, program};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

#[derive(Debug, Deserialize, PartialEq)]
struct Stats {
    accepted: u64,
    answered: u64,
    failed: u64,
    timed_out: u64,
    gone: u64,
    pending: u64,
    /// Absent from the line that the server prints at its end.
    #[serde(default)]
    held: u64,
}

impl Stats {
    fn at_rest(&self) -> bool {
        self.pending == 0 && self.held == 0
    }
}

struct Web {
    server: Server,
    visitor: Visitor,
}

#[derive(Clone)]
struct Visitor {
    client: Client<HttpConnector, Empty<Bytes>>,
    url: String,
}

impl Web {
    fn start(args: &[&str]) -> Self {
        let mut server = Server::start(
            program(env!("CARGO_BIN_EXE_web"))
                .args(["--port", "0"])
                .args(args),
        );
        let url = server.read_until("listening on ");
        let client = Client::builder(TokioExecutor::new()).build_http();
        let visitor = Visitor { client, url };
        Self { server, visitor }
    }

    /// Stops the server and returns what it counted.
    fn stop(self) -> Stats {
        self.server.interrupt();
        let run = self.server.wait();
        assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""));
        let stats = run.stdout.strip_prefix("stopped: ").expect("its last line");
        serde_json::from_str(stats).expect("JSON")
    }
}

impl Visitor {
    async fn request(&self, method: Method, path: &str) -> (StatusCode, String) {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .body(Empty::new())
            .expect("a valid request");
        let response = self.client.request(request).await.expect("an answer");
        let status = response.status();
        let body = response.into_body().collect().await.expect("a whole body");
        let body = String::from_utf8(body.to_bytes().into()).expect("UTF-8");
        (status, body)
    }

    async fn add(&self, query: &str) -> (StatusCode, String) {
        self.request(Method::POST, &format!("/add?{query}")).await
    }

    async fn stats(&self) -> Stats {
        let (status, body) = self.request(Method::GET, "/stats").await;
        assert_eq!(status, StatusCode::OK);
        serde_json::from_str(&body).expect("JSON")
    }

    /// Asks until `reached`: no event crosses the process's border.
    async fn until(&self, reached: impl Fn(&Stats) -> bool) -> Stats {
        let start = Instant::now();
        loop {
            let stats = self.stats().await;
            if reached(&stats) {
                return stats;
            }
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "stuck: {stats:?}"
            );
            sleep(Duration::from_millis(5)).await;
        }
    }

    fn address(&self) -> SocketAddr {
        let address = self.url.strip_prefix("http://").expect("a URL");
        address.parse().expect("an address")
    }

    /// Sends a request on a connection that the caller may drop.
    async fn start_add(&self, query: &str) -> TcpStream {
        let mut connection = TcpStream::connect(self.address()).await.expect("accepted");
        let head = format!("POST /add?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        connection.write_all(head.as_bytes()).await.expect("sent");
        connection
    }
}

#[tokio::test]
async fn answers_errors_and_bad_requests_have_their_statuses() {
    let web = Web::start(&[]);
    let visitor = &web.visitor;

    assert_eq!(
        visitor.add("amount=5").await,
        (StatusCode::OK, "5\n".into())
    );
    assert_eq!(
        visitor.add("amount=-7&delay=10").await,
        (StatusCode::OK, "-2\n".into())
    );
    let (status, message) = visitor.add(&format!("amount={}", i64::MIN)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let expected = "-9223372036854775808 does not fit into the ledger, which holds -2";
    assert!(message.contains(expected), "{message}");
    assert_eq!(visitor.add("amount=x").await.0, StatusCode::BAD_REQUEST);
    let stats = web.stop();
    assert_eq!((stats.accepted, stats.answered, stats.failed), (3, 2, 1));
}

#[tokio::test]
async fn timeout_is_a_504_and_takes_the_posting_back() {
    let web = Web::start(&["--timeout", "100"]);

    let (status, message) = web.visitor.add("amount=5&delay=600000").await;
    assert_eq!(status, StatusCode::GATEWAY_TIMEOUT, "{message}");
    let stats = web.visitor.until(Stats::at_rest).await;
    assert_eq!((stats.accepted, stats.timed_out), (1, 1));
    assert_eq!(web.visitor.add("amount=1").await.1, "1\n");
}

#[tokio::test]
async fn timeouts_of_many_clients_are_all_504() {
    const CLIENTS: u64 = 40;
    const EACH: u64 = 25;
    let web = Web::start(&["--timeout", "1"]);

    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let visitor = web.visitor.clone();
        clients.spawn(async move {
            for _ in 0..EACH {
                let (status, message) = visitor.add("amount=1&delay=600000").await;
                assert_eq!(status, StatusCode::GATEWAY_TIMEOUT, "{message}");
            }
        });
    }
    clients.join_all().await;
    web.visitor.until(Stats::at_rest).await;
    let stats = web.stop();
    assert_eq!(
        (stats.accepted, stats.timed_out),
        (CLIENTS * EACH, CLIENTS * EACH)
    );
}

#[tokio::test]
async fn clients_that_disconnect_leave_nothing_pending() {
    const CLIENTS: u64 = 200;
    let web = Web::start(&["--timeout", "600000"]);
    let visitor = &web.visitor;

    let mut leaving = Vec::new();
    for _ in 0..CLIENTS {
        leaving.push(visitor.start_add("amount=1000&delay=600000").await);
    }
    visitor.until(|stats| stats.held == CLIENTS).await;
    drop(leaving);
    let stats = visitor.until(Stats::at_rest).await;

    assert_eq!((stats.accepted, stats.gone), (CLIENTS, CLIENTS));
    assert_eq!(visitor.add("amount=1").await.1, "1\n", "none was posted");
    web.stop();
}

#[tokio::test]
async fn ctrl_c_with_a_request_pending_answers_it_and_exits_0() {
    let web = Web::start(&["--timeout", "600000"]);
    let visitor = web.visitor.clone();
    let pending = tokio::spawn(async move { visitor.add("amount=5&delay=700").await });
    web.visitor.until(|stats| stats.held == 1).await;

    let stats = web.stop();
    assert_eq!(
        pending.await.expect("no panic"),
        (StatusCode::OK, "5\n".into())
    );
    assert_eq!((stats.accepted, stats.answered, stats.pending), (1, 1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn load_loses_no_request_and_leaves_none_pending() {
    const CLIENTS: u64 = 50;
    const EACH: u64 = 200;
    let web = Web::start(&["--timeout", "60000"]);

    let start = Instant::now();
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let visitor = web.visitor.clone();
        clients.spawn(async move {
            let mut totals = Vec::new();
            for request in 0..EACH {
                let delay = (client + request) % 4;
                let (status, body) = visitor.add(&format!("amount=1&delay={delay}")).await;
                assert_eq!(status, StatusCode::OK, "{body}");
                totals.push(body.trim_end().parse::<u64>().expect("a number"));
            }
            totals
        });
    }
    let totals: Vec<_> = clients.join_all().await.concat();
    let took = start.elapsed();

    // Every posting was made once, and its total went to the one who asked.
    let distinct: BTreeSet<_> = totals.iter().copied().collect();
    assert_eq!(distinct, (1..=CLIENTS * EACH).collect());
    let stats = web.visitor.until(Stats::at_rest).await;
    assert_eq!(
        (stats.accepted, stats.answered),
        (CLIENTS * EACH, CLIENTS * EACH)
    );
    println!("{} requests of {CLIENTS} clients in {took:?}", totals.len());
}

#[tokio::test]
async fn load_tool_counts_every_request_as_answered() {
    const REQUESTS: u64 = 20_000;
    if Command::new("ab").arg("-V").output().is_err() {
        println!("skipped: this test needs ab, from the package apache2-utils");
        return;
    }
    let web = Web::start(&["--timeout", "60000"]);
    let body = tempfile::NamedTempFile::new().expect("a temporary file");
    let url = format!("{}/add?amount=1", web.visitor.url);
    let mut ab = Command::new("ab");
    // Answers differ in length (-l); connections are kept (-k).
    ab.args([
        "-q",
        "-l",
        "-k",
        "-n",
        &REQUESTS.to_string(),
        "-c",
        "50",
        "-T",
        "text/plain",
        "-p",
    ])
    .arg(body.path())
    .arg(&url);
    let run = Run::with_input(&mut ab, "");

    assert_eq!(run.status, Some(0), "{run:?}");
    println!("{}", run.stdout);
    let number = |name: &str| {
        let line = run.stdout.lines().find_map(|line| line.strip_prefix(name));
        line.map(|number| number.trim().parse::<u64>().expect("a number"))
    };
    assert_eq!(number("Complete requests:"), Some(REQUESTS));
    assert_eq!(number("Failed requests:"), Some(0));
    assert_eq!(number("Non-2xx responses:"), None);
    let stats = web.visitor.until(Stats::at_rest).await;
    assert_eq!(stats.accepted, stats.answered + stats.gone, "{stats:?}");
    assert!(stats.answered >= REQUESTS, "{stats:?}");
}

#[tokio::test]
async fn load_cut_off_leaves_nothing_pending() {
    if Command::new("wrk").arg("-v").output().is_err() {
        println!("skipped: this test needs wrk");
        return;
    }
    let web = Web::start(&["--timeout", "60000"]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/post.lua");
    let mut wrk = Command::new("wrk");
    wrk.args(["-t", "2", "-c", "100", "-d", "2", "-s", script, "--latency"])
        .arg(format!("{}/add?amount=1&delay=3", web.visitor.url));
    let run = Run::with_input(&mut wrk, "");

    assert_eq!(run.status, Some(0), "{run:?}");
    println!("{}", run.stdout);
    assert!(!run.stdout.contains("Socket errors"), "{}", run.stdout);
    assert!(!run.stdout.contains("Non-2xx"), "{}", run.stdout);
    // The tool hangs up in the midst of its last requests.
    let stats = web.visitor.until(Stats::at_rest).await;
    assert_eq!(stats.accepted, stats.answered + stats.gone, "{stats:?}");
    assert_eq!((stats.failed, stats.timed_out), (0, 0));
    println!("{stats:?}");
    web.stop();
}

#[test]
fn help_names_the_paths_and_the_options() {
    let run = Run::with_input(program(env!("CARGO_BIN_EXE_web")).arg("--help"), "");

    assert_eq!(run.status, Some(0));
    for part in [
        "POST /add?amount=N&delay=MS",
        "GET /stats",
        "--port",
        "--timeout",
    ] {
        assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
    }
}
