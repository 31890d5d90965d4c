//! Performs the conformance programs and shows what happens.
//!
//! With a file, or `-` for standard input, each line of which is a program, it
//! writes one line of `{"id": .., "trace": ..}` for each. The trace is `null` if a
//! program breaks the rules of the format; standard error says why.
//!
//! Without arguments it replays the programs that come with the repository and
//! says how many leave the trace that Twisted leaves:
//!
//! ```text
//! cargo run --release -p replay
//! ```

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use serde_json::json;

use test_support::replayer::corpus::{SYNC, TASKS};
use test_support::replayer::program::Program;
use test_support::replayer::run::run;

/// How many mismatches of a corpus are worth reading at once.
const SHOWN: usize = 5;

/// Perform conformance programs and write what happens.
#[derive(Parser)]
struct Arguments {
    /// A file with one program a line, or `-` for standard input
    /// [default: the programs of this repository, compared]
    file: Option<PathBuf>,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().file {
        Some(file) => replay(&file),
        None => compare(),
    };
    done.unwrap_or_else(|problem| {
        eprintln!("replay: {problem}");
        ExitCode::FAILURE
    })
}

fn replay(file: &Path) -> Result<ExitCode, String> {
    let name = file.display();
    let input: Box<dyn BufRead> = if file == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(file).map_err(|error| format!("cannot open {name}: {error}"))?;
        Box::new(BufReader::new(file))
    };
    let mut output = io::stdout().lock();
    for (number, line) in (1..).zip(input.lines()) {
        let line = line.map_err(|error| format!("cannot read {name}: {error}"))?;
        if line.trim().is_empty() {
            continue;
        }
        let program =
            Program::parse(&line).map_err(|error| format!("{name}, line {number}: {error}"))?;
        let trace = run(&program)
            .inspect_err(|reason| eprintln!("replay: {}: {reason}", program.id))
            .ok();
        match writeln!(output, "{}", json!({"id": program.id, "trace": trace})) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
            written => written.map_err(|error| format!("cannot write: {error}"))?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn compare() -> Result<ExitCode, String> {
    let mut all_match = true;
    for corpus in [SYNC, TASKS] {
        let tally = corpus.replay()?;
        println!("{tally}");
        for mismatch in tally.mismatches.iter().take(SHOWN) {
            eprintln!("{mismatch}");
        }
        all_match &= tally.mismatches.is_empty();
    }
    Ok(if all_match {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
