//! A Deferred: a row of stages, and perhaps a result.

use super::coroutine::CoroutineIndex;
use super::group::GroupIndex;
use super::limits::LimitName;
use crate::replayer::program::{self, Action, Canceller, Id};
use crate::replayer::value::Value;
use std::collections::VecDeque;

/// Which of the world's Deferreds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Index(pub(super) usize);

/// A value, or the name of a failure.
pub(super) type Outcome = Result<Value, String>;

/// The failure of a cancel that nothing else answers.
pub(super) fn cancelled() -> Outcome {
    Err("Cancelled".to_owned())
}

/// A result that a program makes, with the name of its failure.
pub(super) fn name_failure(result: program::Outcome) -> Outcome {
    result.map_err(|error| error.to_string())
}

#[derive(Debug)]
pub(super) struct Chain<'p> {
    /// Whether it ever got a result.
    pub(super) fired: bool,
    /// What the next stage gets. Away while a stage runs, while another
    /// Deferred is to bring it, and when somebody took it for good.
    pub(super) result: Option<Outcome>,
    pub(super) stages: VecDeque<Stage<'p>>,
    pub(super) running: bool,
    pub(super) waits_on: Option<Index>,
    /// The one that a `chain` will fire it from.
    pub(super) chained_to: Option<Index>,
    pub(super) pauses: usize,
    pub(super) source: Source<'p>,
}

/// Where the first result comes from, which decides what a cancel does before.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source<'p> {
    /// The program; nothing answers a cancel.
    Program,
    /// The program; its canceller was not called yet.
    Canceller(Id, &'p Canceller),
    List(GroupIndex),
    Race(GroupIndex),
    Queue(Id),
    Limit(LimitName),
    Coroutine(CoroutineIndex),
}

#[derive(Debug)]
pub(super) enum Stage<'p> {
    /// A stage of the program, with its number.
    Add {
        id: Id,
        number: usize,
        on_value: Option<&'p Action>,
        on_failure: Option<&'p Action>,
    },
    /// The action that needs a token.
    Run {
        id: Id,
        limit: LimitName,
        action: &'p Action,
    },
    /// Gives the token back.
    Release(LimitName),
    /// Brings the result to the one that waits for it.
    Deliver(Index),
    /// Fires the target of a `chain`.
    Fire(Index),
    /// Reports to a list or a race as the child of this place.
    Report(GroupIndex, usize),
    /// Wakes a coroutine.
    Wake(CoroutineIndex),
}

impl<'p> Chain<'p> {
    pub(super) fn unfired(source: Source<'p>) -> Self {
        Chain {
            fired: false,
            result: None,
            stages: VecDeque::new(),
            running: false,
            waits_on: None,
            chained_to: None,
            pauses: 0,
            source,
        }
    }

    pub(super) fn fired(result: Outcome) -> Self {
        Chain {
            fired: true,
            result: Some(result),
            ..Chain::unfired(Source::Program)
        }
    }

    /// Whether a run would do something, had it a stage.
    pub(super) fn can_run(&self) -> bool {
        !self.running && self.pauses == 0 && self.waits_on.is_none() && self.result.is_some()
    }

    /// Takes the result, if nothing is left that could change it.
    pub(super) fn take_at_rest(&mut self) -> Option<Outcome> {
        if self.can_run() && self.stages.is_empty() {
            self.result.take()
        } else {
            None
        }
    }
}
