//! Replays the files of programs that come with this repository.

use std::path::PathBuf;
use std::{fmt, fs};

use super::compare::{Order, first_difference};
use super::program::Program;
use super::run::{Coroutines, run_with};

/// A file of programs with the traces that Twisted left.
#[derive(Clone, Copy, Debug)]
pub struct Corpus {
    pub name: &'static str,
    pub order: Order,
}

/// Everything happens inside one operation, so every event has its place.
pub const SYNC: Corpus = Corpus {
    name: "sync",
    order: Order::Total,
};

/// Tasks go on at some time before the next operation.
pub const TASKS: Corpus = Corpus {
    name: "tasks",
    order: Order::PerActor,
};

/// How many programs of a corpus leave the trace that they should.
#[derive(Debug)]
pub struct Tally {
    pub corpus: Corpus,
    pub programs: usize,
    /// The program and where its trace goes another way.
    pub mismatches: Vec<String>,
}

impl Corpus {
    fn path(self) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../conformance")
            .join(self.name)
            .with_extension("jsonl")
    }

    /// Reads every program.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or if a line is no program with a trace.
    pub fn read(self) -> Result<Vec<Program>, String> {
        let path = self.path();
        let text = fs::read_to_string(&path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        text.lines().map(Program::parse).collect()
    }

    /// Runs every program.
    ///
    /// # Errors
    ///
    /// Those of [`Corpus::read`].
    pub fn replay(self) -> Result<Tally, String> {
        self.replay_with(Coroutines::Tasks)
    }

    /// Runs every program, with coroutines of a kind.
    ///
    /// # Errors
    ///
    /// Those of [`Corpus::read`].
    pub fn replay_with(self, coroutines: Coroutines) -> Result<Tally, String> {
        let programs = self.read()?;
        let mismatches = programs
            .iter()
            .filter_map(|program| self.mismatch(program, coroutines))
            .collect();
        Ok(Tally {
            corpus: self,
            programs: programs.len(),
            mismatches,
        })
    }

    fn mismatch(self, program: &Program, coroutines: Coroutines) -> Option<String> {
        let difference = match (&program.trace, run_with(program, coroutines)) {
            (Some(expected), Ok(actual)) => first_difference(self.order, expected, &actual),
            (None, _) => Some("the file has no trace".to_owned()),
            (_, Err(reason)) => Some(format!("no trace: {reason}")),
        };
        difference.map(|difference| format!("{}: {difference}", program.id))
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let matched = self.programs - self.mismatches.len();
        write!(f, "{}: {matched}/{}", self.corpus.name, self.programs)
    }
}
