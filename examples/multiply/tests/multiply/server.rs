//! The example's own server, as the client is run against it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use serde::Deserialize;

use test_support::programs;

use crate::multiply;

/// A server in a process of its own.
pub(crate) struct Server {
    pub(crate) process: programs::Server,
    pub(crate) address: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Stats {
    pub(crate) logins: u64,
    pub(crate) sessions_expired: u64,
    pub(crate) most_at_once: u64,
    pub(crate) pairs: BTreeMap<String, Asked>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    pub(crate) requests: u64,
    pub(crate) products: u64,
    pub(crate) try_again: u64,
    pub(crate) session_invalid: u64,
    pub(crate) errors: u64,
}

impl Stats {
    pub(crate) fn sum(&self, of: impl Fn(&Asked) -> u64) -> u64 {
        self.pairs.values().map(of).sum()
    }
}

impl Server {
    pub(crate) fn start(behaviour: &[&str]) -> Self {
        let mut command = multiply();
        let serve = command.args(["serve", "--port", "0"]).args(behaviour);
        let mut process = programs::Server::start(serve);
        let address = process.read_until("listening on ");
        Self { process, address }
    }

    /// What the server saw, by its own account.
    pub(crate) fn stats(&self) -> Stats {
        let mut stream = TcpStream::connect(&self.address).expect("the server is up");
        stream.write_all(b"1 STATS\n").expect("the server reads");
        let mut line = String::new();
        BufReader::new(stream)
            .read_line(&mut line)
            .expect("the server answers");
        let json = line.strip_prefix("1 STATS ").expect("the server's stats");
        serde_json::from_str(json).expect("stats in JSON")
    }
}
