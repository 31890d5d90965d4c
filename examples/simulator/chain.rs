//! The chain itself: real Deferreds whose callbacks write down what they see.

use std::fmt;
use std::sync::mpsc::{Sender, channel};

use serde::Serialize;
use tokio_deferred::{Deferred, Failure};

/// What both firings start with.
pub(crate) const INITIAL: &str = "initial";

/// What one callback or errback does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    Return(String),
    Fail(String),
    Passthru,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Return(value) => write!(f, "return {value}"),
            Action::Fail(value) => write!(f, "fail {value}"),
            Action::Passthru => f.write_str("passthru"),
        }
    }
}

/// One stage: what to do with a value, and what with a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) callback: Action,
    pub(crate) errback: Action,
}

impl Pair {
    pub(crate) fn on(&self, side: Side) -> &Action {
        match side {
            Side::Callback => &self.callback,
            Side::Errback => &self.errback,
        }
    }
}

/// The two sides of a chain: values run down one, failures down the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Side {
    Callback,
    Errback,
}

impl Side {
    pub(crate) const BOTH: [Side; 2] = [Side::Callback, Side::Errback];

    fn of(result: &Result<String, Failure>) -> Side {
        match result {
            Ok(_) => Side::Callback,
            Err(_) => Side::Errback,
        }
    }
}

/// One callback or errback that ran, as it saw it itself.
#[derive(Debug, Serialize)]
pub(crate) struct Step {
    pub(crate) stage: usize,
    pub(crate) side: Side,
    #[serde(rename = "in")]
    pub(crate) input: String,
    #[serde(rename = "out")]
    pub(crate) output: String,
}

/// What happened when a chain was fired.
#[derive(Debug, Serialize)]
pub(crate) struct Firing {
    #[serde(skip)]
    pub(crate) start: Side,
    pub(crate) steps: Vec<Step>,
    pub(crate) result: String,
    #[serde(skip)]
    pub(crate) end: Side,
}

impl Firing {
    /// What the chain was fired with.
    pub(crate) fn initial(&self) -> String {
        match self.start {
            Side::Callback => INITIAL.to_owned(),
            Side::Errback => format!("{INITIAL}*"),
        }
    }

    /// The sides between which the result moved: into each stage, and out of
    /// the last.
    pub(crate) fn hops(&self) -> impl Iterator<Item = (Side, Side)> {
        let sides = self.steps.iter().map(|step| step.side);
        std::iter::once(self.start)
            .chain(sides.clone())
            .zip(sides.chain([self.end]))
    }
}

/// The error of `fail VALUE`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Raised(String);

/// Makes a Deferred with all `pairs` on it and fires it on one side.
///
/// The callbacks run inside `callback` and `errback`, so all has been written
/// down when those return.
pub(crate) fn fire(pairs: &[Pair], start: Side) -> Firing {
    let (journal, written) = channel();
    let (resolver, mut deferred) = Deferred::new();
    for (stage, pair) in pairs.iter().enumerate() {
        let callback = recorded(stage, Side::Callback, pair, &journal);
        let errback = recorded(stage, Side::Errback, pair, &journal);
        deferred = deferred.add_callbacks(
            move |value| callback(Ok(value)),
            move |failure| errback(Err(failure)),
        );
    }
    match start {
        Side::Callback => resolver.callback(INITIAL.to_owned()),
        Side::Errback => resolver.errback(Raised(INITIAL.to_owned())),
    }
    let Ok(result) = deferred.try_result() else {
        unreachable!("no stage returns a Deferred, so a fired chain has its result");
    };
    Firing {
        start,
        steps: written.try_iter().collect(),
        result: show(&result),
        end: Side::of(&result),
    }
}

/// A callback or errback that does what its pair says and reports the step.
fn recorded(
    stage: usize,
    side: Side,
    pair: &Pair,
    journal: &Sender<Step>,
) -> impl FnOnce(Result<String, Failure>) -> Result<String, Failure> + Send + 'static {
    let action = pair.on(side).clone();
    let journal = journal.clone();
    move |given| {
        let input = show(&given);
        let outcome = match action {
            Action::Return(value) => Ok(value),
            Action::Fail(value) => Err(Raised(value).into()),
            Action::Passthru => given,
        };
        let step = Step {
            stage,
            side,
            input,
            output: show(&outcome),
        };
        // The receiver lives until the chain has fired.
        let _ = journal.send(step);
        outcome
    }
}

fn show(result: &Result<String, Failure>) -> String {
    match result {
        Ok(value) => value.clone(),
        Err(failure) => format!("{failure}*"),
    }
}
