//! The checks that a change has to pass. `.ci/run` runs all of them, or those
//! that are named.
//!
//! With `CI` set, missing tools are installed, and a check that cannot be made is
//! a failure; without it, a check whose tools are missing says so and is left
//! out. Each check is a function that runs commands and shows them: [`code`],
//! [`tests`], [`proof`] and [`release`] have them, and [`tools`] what they stand
//! on.

mod code;
mod faults;
mod proof;
mod release;
mod tests;
mod tools;

use std::fmt;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use tools::{LeftOut, Tools};

/// Runs the checks that a change has to pass.
#[derive(Parser)]
struct Args {
    /// Only these, in this order
    step: Vec<Step>,

    /// Instead, put every deliberate fault into a copy of the checkout, or those
    /// that are named, and look whether its test fails
    #[arg(long, value_name = "NAME", num_args = 0.., conflicts_with = "step")]
    try_faults: Option<Vec<String>>,
}

/// One check, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Step {
    /// The source is formatted
    Fmt,
    /// No lint has anything to say, in any package, test or example
    Clippy,
    /// `cargo test`, as the README has it
    Test,
    /// The tests of the packages that `cargo test` leaves out: the heavy programs
    Workspace,
    /// The example on glib's main loop, a workspace of its own
    Gio,
    /// The documentation has no broken link
    Doc,
    /// The commands in the guide print what the guide shows
    Examples,
    /// What is published builds
    Package,
    /// Every deliberate fault still has its place, and its check
    Faults,
    /// Models of the core, in every interleaving
    Loom,
    /// The tests under AddressSanitizer and LeakSanitizer
    Address,
    /// The tests under ThreadSanitizer
    Thread,
    /// The core's tests under memcheck
    Valgrind,
    /// The soak test, sound and with faults inside the library
    Soak,
    /// Random programs that the fuzzer makes up
    Fuzz,
    /// The core's tests under Miri
    Miri,
    /// The library builds for targets of other kinds
    Targets,
    /// Local chains in WebAssembly
    Wasm,
    /// Licences, advisories and sources of the dependencies
    Deny,
}

impl Step {
    fn run(self, tools: &Tools) -> Result<()> {
        match self {
            Step::Fmt => code::fmt(tools),
            Step::Clippy => code::clippy(tools),
            Step::Test => tests::readme(tools),
            Step::Workspace => tests::workspace(tools),
            Step::Gio => tests::gio(tools),
            Step::Doc => code::doc(tools),
            Step::Examples => tests::examples(tools),
            Step::Package => release::package(tools),
            Step::Faults => faults::check(tools),
            Step::Loom => proof::loom(tools),
            Step::Address => proof::address(tools),
            Step::Thread => proof::thread(tools),
            Step::Valgrind => proof::valgrind(tools),
            Step::Soak => proof::soak(tools),
            Step::Fuzz => proof::fuzz(tools),
            Step::Miri => proof::miri(tools),
            Step::Targets => release::targets(tools),
            Step::Wasm => release::wasm(tools),
            Step::Deny => release::deny(tools),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value().expect("no step is skipped");
        f.write_str(value.get_name())
    }
}

fn main() -> Result<ExitCode> {
    let Args {
        step: named,
        try_faults,
    } = Args::parse();
    let steps = match named.is_empty() {
        true => Step::value_variants(),
        false => &named,
    };
    let tools = Tools::new()?;
    if let Some(names) = try_faults {
        return faults::trial::run(&tools, &names);
    }
    let began = Instant::now();
    let mut outcomes = Vec::new();
    for step in steps {
        println!("\n==== {step}");
        let began = Instant::now();
        let outcome = match step.run(&tools) {
            Ok(()) => "passed".to_owned(),
            Err(error) => match error.downcast_ref::<LeftOut>() {
                Some(left_out) => left_out.to_string(),
                None => format!("FAILED: {error:#}"),
            },
        };
        let line = format!("{step}: {outcome}, {} s", began.elapsed().as_secs());
        println!("---- {line}");
        outcomes.push(line);
    }
    println!("\n==== {} s in all", began.elapsed().as_secs());
    for line in outcomes.iter().filter_map(|line| line.lines().next()) {
        println!("{line}");
    }
    Ok(
        match outcomes.iter().any(|line| line.contains(": FAILED")) {
            true => ExitCode::FAILURE,
            false => ExitCode::SUCCESS,
        },
    )
}
