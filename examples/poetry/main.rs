//! Downloads poems over TCP, one connection a poem, and puts them through a
//! Byronification engine: the client that Part 9 of "An Introduction to
//! Asynchronous Programming and Twisted" plans.
//!
//! The same job is done in three styles that give the same output: [`chain`]
//! with callbacks, [`async_fns`] with async fns, [`mixed`] with both. Each is a
//! function from a server to a `Deferred`, so that this file does not notice
//! which one it calls.
//!
//! ```text
//! cargo run --example poetry
//! cargo run --example poetry -- --style mixed localhost:10000 localhost:10001
//! ```

mod async_fns;
mod chain;
mod client;
mod demo;
mod engine;
mod mixed;

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use tokio_deferred::Deferred;

use crate::engine::{Engine, Poem};

/// Downloads poems, all at once, and prints them in the order of their servers.
#[derive(Parser)]
#[command(
    name = "poetry",
    after_help = "A poem is what a server sends until it closes the connection. \
        Bytes that are not UTF-8 are printed as U+FFFD.\n\n\
        Exit status: 0 if every poem was downloaded, 1 if a download failed, \
        2 if the arguments are wrong. Without a server to ask, the program \
        starts its own, one of which refuses: that failure is expected, and \
        the status is 0 if there was no other."
)]
struct Args {
    /// Servers to ask; without any, the program starts its own on loopback
    #[arg(value_name = "HOST:PORT", value_parser = parse_server)]
    servers: Vec<String>,

    /// What the Byronification engine does with a poem
    #[arg(long, value_enum, default_value_t = Engine::Byron)]
    engine: Engine,

    /// How the job is written; the output is the same
    #[arg(long, value_enum, default_value_t = Style::Chain)]
    style: Style,
}

#[derive(Clone, Copy, ValueEnum)]
enum Style {
    /// A chain of callbacks and errbacks
    Chain,
    /// Async fns
    Async,
    /// An async fn between a callback API and a callback chain
    Mixed,
}

impl Style {
    fn fetch(self, server: String, engine: Engine) -> Deferred<Poem> {
        match self {
            Style::Chain => chain::fetch(server, engine),
            Style::Async => async_fns::fetch(server, engine),
            Style::Mixed => mixed::fetch(server, engine),
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let done = if args.servers.is_empty() {
        run_demo(&args).await
    } else {
        run(&args, &args.servers)
            .await
            .map(|failed| failed.is_empty())
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // The reader of a pipe has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("poetry: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether the refusing server's download, and no other, failed.
async fn run_demo(args: &Args) -> io::Result<bool> {
    let demo = demo::start().await?;
    eprintln!("poetry: no server given, asking three of its own, of which one refuses\n");
    let failed = run(args, &demo.servers).await?;
    Ok(failed == [demo.refusing.as_str()])
}

/// Returns the servers whose downloads failed.
async fn run<'a>(args: &Args, servers: &'a [String]) -> io::Result<Vec<&'a str>> {
    // A `Deferred` is under way as soon as it exists, so all downloads run at
    // once, though they are awaited one by one below.
    let downloads: Vec<_> = servers
        .iter()
        .map(|server| args.style.fetch(server.clone(), args.engine))
        .collect();

    let mut failed = Vec::new();
    for (server, download) in servers.iter().zip(downloads) {
        match download.await {
            Ok(poem) => print(server, &poem)?,
            Err(error) => {
                eprintln!("poetry: download failed: {server}: {}", error.failure());
                failed.push(server.as_str());
            }
        }
    }
    Ok(failed)
}

fn print(server: &str, poem: &Poem) -> io::Result<()> {
    if let Some(error) = &poem.engine_error {
        eprintln!("poetry: {server}: the poem stays as it came: {error}");
    }
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{}\n", poem.text.trim_end_matches('\n'))?;
    stdout.flush()
}

fn parse_server(argument: &str) -> Result<String, String> {
    match argument.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
            Ok(argument.to_owned())
        }
        _ => Err("expected a host and a port, as in localhost:10000".to_owned()),
    }
}
