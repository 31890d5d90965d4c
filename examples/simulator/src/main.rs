//! Shows how a chain of callbacks and errbacks fires.
//!
//! Enter the pairs of a chain, one a line; the program puts them on two real
//! Deferreds, fires one with a value and the other with a failure, and draws
//! the way that each result took. The idea is that of the simulator in Part 9
//! of "An Introduction to Asynchronous Programming and Twisted".

mod canvas;
mod chain;
mod input;
mod picture;
mod terminal;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use serde::Serialize;

use chain::Firing;
use tokio_deferred::debug::Side;

/// Draws how a chain of callback/errback pairs fires.
///
/// Reads the pairs from standard input, one a line, up to a blank line or the
/// end of the input. A line that cannot be understood is reported, and asked
/// for again.
#[derive(Parser)]
#[command(after_help = input::HELP)]
struct Args {
    /// Draw the chain and the two firings one below the other
    #[arg(long)]
    narrow: bool,

    /// Write the diagram to FILE as an SVG picture, too
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,

    /// Print the steps of both firings as JSON instead of drawing them
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    callback: &'a Firing,
    errback: &'a Firing,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    let stdin = io::stdin();
    let interactive = stdin.is_terminal();
    let pairs = input::read_pairs(stdin.lock(), &mut anstream::stderr(), interactive)?;

    let callback = chain::fire(&pairs, Side::Callback);
    let errback = chain::fire(&pairs, Side::Errback);

    if let Some(path) = &args.svg {
        svg::save(
            path,
            &picture::draw(&pairs, &callback, &errback, args.narrow),
        )
        .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let out = &mut anstream::stdout();
    if args.json {
        let report = Report {
            callback: &callback,
            errback: &errback,
        };
        serde_json::to_writer_pretty(&mut *out, &report)?;
        io::Write::write_all(out, b"\n")?;
    } else {
        terminal::draw(out, &pairs, &callback, &errback, args.narrow)?;
    }
    Ok(())
}
