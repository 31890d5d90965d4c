//! The chain itself: real Deferreds. The debugger says which way a result took,
//! the callbacks write down what they see.

use std::fmt;
use std::sync::mpsc::{Sender, channel};

use serde::{Serialize, Serializer};
use tokio_deferred::debug::{self, Side};
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
pub(crate) const SIDES: [Side; 2] = [Side::Callback, Side::Errback];

/// The name of a side, and of the method that fires a chain on it.
pub(crate) fn name(side: Side) -> &'static str {
    match side {
        Side::Callback => "callback",
        Side::Errback => "errback",
    }
}

/// One callback or errback that ran, and what it saw.
#[derive(Debug, Serialize)]
pub(crate) struct Step {
    pub(crate) stage: usize,
    #[serde(serialize_with = "by_name")]
    pub(crate) side: Side,
    #[serde(rename = "in")]
    pub(crate) input: String,
    #[serde(rename = "out")]
    pub(crate) output: String,
}

fn by_name<S: Serializer>(side: &Side, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name(*side))
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

/// What a callback or errback was given, and what it made of it.
type Seen = (String, String);

/// Makes a Deferred with all `pairs` on it and fires it on one side.
///
/// The callbacks run inside `callback` and `errback`, so all has been written
/// down when those return.
pub(crate) fn fire(pairs: &[Pair], start: Side) -> Firing {
    debug::set_debugging(true);
    let (journal, written) = channel();
    let (resolver, mut deferred) = Deferred::new();
    for pair in pairs {
        let callback = recorded(&pair.callback, &journal);
        let errback = recorded(&pair.errback, &journal);
        deferred = deferred.add_callbacks(
            move |value| callback(Ok(value)),
            move |failure| errback(Err(failure)),
        );
    }
    match start {
        Side::Callback => resolver.callback(INITIAL.to_owned()),
        Side::Errback => resolver.errback(Raised(INITIAL.to_owned())),
    }
    let Some(diagram) = debug::diagram(&deferred) else {
        unreachable!("the Deferred was made while debugging was on");
    };
    let Ok(result) = deferred.try_result() else {
        unreachable!("no stage returns a Deferred, so a fired chain has its result");
    };
    let ran = diagram.steps().iter().zip(written.try_iter());
    let steps = ran
        .enumerate()
        .filter_map(|(stage, (step, (input, output)))| {
            let side = step.came()?;
            Some(Step {
                stage,
                side,
                input,
                output,
            })
        });
    Firing {
        start,
        steps: steps.collect(),
        result: show(&result),
        end: diagram
            .steps()
            .last()
            .and_then(|last| last.went())
            .unwrap_or(start),
    }
}

/// A callback or errback that does what `action` says and writes down what it
/// saw.
fn recorded(
    action: &Action,
    journal: &Sender<Seen>,
) -> impl FnOnce(Result<String, Failure>) -> Result<String, Failure> + Send + 'static {
    let action = action.clone();
    let journal = journal.clone();
    move |given| {
        let input = show(&given);
        let outcome = match action {
            Action::Return(value) => Ok(value),
            Action::Fail(value) => Err(Raised(value).into()),
            Action::Passthru => given,
        };
        // The receiver lives until the chain has fired.
        let _ = journal.send((input, show(&outcome)));
        outcome
    }
}

fn show(result: &Result<String, Failure>) -> String {
    match result {
        Ok(value) => value.clone(),
        Err(failure) => format!("{failure}*"),
    }
}
