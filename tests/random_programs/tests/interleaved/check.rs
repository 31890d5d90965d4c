//! What each chain must have come to: its stages, in order, one after the other.

use crate::chains::{Chains, Fate, Note, Output, label};
use crate::ledger::{CANCELLED, LOST, Seen, locked, name};
use crate::program::{CHAINS, Name, Side};
use std::ops::RangeInclusive;
use std::sync::Mutex;
use tokio_deferred::debug;

/// What a chain may have come to. Where nobody saw it there may be several
/// results, of those that compete to be the first one.
type Possible = Vec<Seen>;

/// What is to be reported of a chain.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    possible: Possible,
    times: RangeInclusive<usize>,
    label: Option<&'static str>,
}

/// Follows every chain through its stages.
///
/// # Errors
///
/// If what was seen could not have happened to it alone.
pub(crate) fn chains(chains: &Chains) -> Result<Vec<Expected>, String> {
    let mut results: Vec<Possible> = vec![Vec::new(); CHAINS];
    let mut reports = Vec::new();
    // A chain waits for such as have a higher number.
    for name in (0..CHAINS).rev() {
        let cancelled = was_cancelled(chains, name);
        let note = locked(&chains.get(name).note);
        let possible = follow(&note, first_results(&note, cancelled), &results)
            .and_then(|possible| consumers(&note, possible))
            .map_err(|wrong| format!("chain {name}: {wrong}\n{note:#?}"))?;
        reports.push(Expected {
            times: times_reported(&note, &possible),
            label: label(name),
            possible: possible.clone(),
        });
        results[name] = possible;
    }
    Ok(reports)
}

/// Whether a cancel of the chain, or of what waits for it, may have reached it.
fn was_cancelled(chains: &Chains, mut name: Name) -> bool {
    loop {
        let note = locked(&chains.get(name).note);
        if note.cancelled || note.subscribers.iter().any(|s| s.cancelled) {
            return true;
        }
        let Fate::Returned { by } = note.fate else {
            return false;
        };
        name = by;
    }
}

fn first_results(note: &Note, cancelled: bool) -> Possible {
    let cancelled = cancelled.then(|| Err(CANCELLED.to_owned()));
    let lost = note.lost.then(|| Err(LOST.to_owned()));
    let possible = [note.fired.clone(), cancelled, lost];
    possible.into_iter().flatten().collect()
}

/// Runs the stages of a chain that begins with one of `possible`.
fn follow(note: &Note, mut possible: Possible, inner: &[Possible]) -> Result<Possible, String> {
    let mut ran = note.ran.iter().peekable();
    for (stage, &side) in note.stages.iter().enumerate() {
        if let Some(ran) = ran.next_if(|ran| ran.stage == stage) {
            if !looks_at(side, &ran.input) || !possible.contains(&ran.input) {
                return Err(format!("{ran:?}, where there was {possible:?}"));
            }
            possible = match &ran.output {
                Output::Now(result) => vec![result.clone()],
                Output::Inner(name) => inner[*name].clone(),
            };
        } else {
            possible.retain(|result| !looks_at(side, result));
        }
        if possible.is_empty() {
            return Err(format!("stage {stage} did not run"));
        }
    }
    match ran.next() {
        None => Ok(possible),
        Some(more) => Err(format!("out of order, or again: {more:?}")),
    }
}

fn looks_at(side: Side, result: &Seen) -> bool {
    match side {
        Side::Both | Side::Each => true,
        Side::Value => result.is_ok(),
        Side::Failure => result.is_err(),
    }
}

/// Whether those who were to have the result had it, all the same one, and once.
fn consumers(note: &Note, mut possible: Possible) -> Result<Possible, String> {
    let ends = usize::from(matches!(note.fate, Fate::Kept | Fate::Awaited));
    if note.ends.len() != ends {
        return Err(format!("who has it saw {:?}", note.ends));
    }
    let mut seen = note.ends.clone();
    for subscriber in &note.subscribers {
        let results = locked(&subscriber.seen).clone();
        match results.as_slice() {
            [Err(failure)] if subscriber.cancelled && failure == CANCELLED => {}
            [_] => seen.extend(results),
            _ => return Err(format!("a subscriber saw {results:?}")),
        }
    }
    possible.retain(|result| seen.iter().all(|seen| seen == result));
    if possible.is_empty() {
        return Err(format!("it came to {seen:?}"));
    }
    Ok(possible)
}

fn times_reported(note: &Note, possible: &Possible) -> RangeInclusive<usize> {
    let most = usize::from(possible.iter().any(Result::is_err));
    let least = usize::from(possible.iter().all(Result::is_err));
    match note.fate {
        Fate::Dropped => least..=most,
        Fate::Shared if note.subscribers.is_empty() => least..=most,
        Fate::Shared if note.subscribers.iter().all(|s| s.cancelled) => 0..=most,
        Fate::Shared | Fate::Kept | Fate::Awaited | Fate::Returned { .. } => 0..=0,
    }
}

/// The failures that the library reports, with the labels of their chains.
pub(crate) struct Reports(());

/// A label, and the name of a failure.
type Report = (Option<&'static str>, String);

static REPORTS: Mutex<Vec<Report>> = Mutex::new(Vec::new());

impl Reports {
    pub(crate) fn listen() -> Self {
        debug::set_unhandled_hook(|report| {
            locked(&REPORTS).push((report.label(), name(report.failure())));
        });
        Reports(())
    }

    /// Takes the reports since the last call and compares them.
    ///
    /// # Errors
    ///
    /// If there are too many or too few.
    pub(crate) fn check(&self, expected: &[Expected]) -> Result<(), String> {
        let reports = std::mem::take(&mut *locked(&REPORTS));
        if is_explained(&reports, expected, &mut vec![0; expected.len()]) {
            return Ok(());
        }
        Err(format!("reports {reports:?}\nexpected {expected:#?}"))
    }
}

/// Whether each of `reports` can be that of one chain, so that there are as many
/// of each as there should be, those in `times` included.
fn is_explained(reports: &[Report], expected: &[Expected], times: &mut [usize]) -> bool {
    let Some((report, others)) = reports.split_first() else {
        let mut all = expected.iter().zip(times);
        return all.all(|(one, times)| one.times.contains(times));
    };
    (0..expected.len()).any(|at| {
        if !expected[at].matches(report) {
            return false;
        }
        times[at] += 1;
        let explained = is_explained(others, expected, times);
        times[at] -= 1;
        explained
    })
}

impl Expected {
    fn matches(&self, (label, failure): &Report) -> bool {
        let failed = |possible: &Seen| possible.as_ref().is_err_and(|name| name == failure);
        *label == self.label && self.possible.iter().any(failed)
    }
}
