//! Compares the library with the model.

use super::repair::repair;
use super::write::line;
use super::{Schedule, trace};
use crate::replayer::compare::{Order, first_difference};
use crate::replayer::program::{Op, Program};
use crate::replayer::run::run;

/// What a comparison comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Same,
    /// What happens depends on when tasks run, which the library leaves open.
    Open,
}

/// Performs what of `ops` keeps the rules in the model and, unless it is open,
/// with the library.
///
/// # Errors
///
/// If their traces differ; the text has the program and where they do.
pub fn check(ops: &[Op]) -> Result<(Verdict, Program), String> {
    let program = Program {
        id: "random".to_owned(),
        ops: repair(ops),
        trace: None,
    };
    let expected = trace(&program.ops, Schedule::AtOnce)
        .map_err(|broken| format!("broken after the repair: {broken}"))?;
    let with_tasks = program.ops.iter().any(Op::needs_tasks);
    let order = if with_tasks {
        Order::PerActor
    } else {
        Order::Total
    };
    let differs = |schedule| {
        let other = trace(&program.ops, schedule);
        other.map_or(true, |other| {
            first_difference(order, &expected, &other).is_some()
        })
    };
    if with_tasks && (differs(Schedule::OldestFirst) || differs(Schedule::NewestFirst)) {
        // At yet another time it might break a rule, such as to wait for itself.
        return Ok((Verdict::Open, program));
    }
    let difference = match run(&program) {
        Ok(actual) => first_difference(order, &expected, &actual),
        Err(reason) => Some(format!("no trace: {reason}")),
    };
    match difference {
        Some(difference) => Err(format!("{difference}\nin {}", line(&program))),
        None => Ok((Verdict::Same, program)),
    }
}
