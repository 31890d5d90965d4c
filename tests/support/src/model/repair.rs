//! Makes programs out of operations that break rules, by leaving those out.

use super::Schedule;
use super::world::World;
use crate::replayer::program::{Action, Conclusion, Now, Op};

/// What broke a rule, by its place in the program.
///
/// Each operation and each conclusion is reached once at most, so leaving it out
/// is the same as not having it.
#[derive(Debug, Default)]
pub(super) struct Broken<'p> {
    ops: Vec<&'p Op>,
    conclusions: Vec<&'p Action>,
}

impl<'p> Broken<'p> {
    pub(super) fn op(&mut self, op: &'p Op) {
        self.ops.push(op);
    }

    /// Notes that what `action` ends with may not be returned.
    pub(super) fn conclusion(&mut self, action: &'p Action) {
        self.conclusions.push(action);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ops.is_empty() && self.conclusions.is_empty()
    }

    fn rest_of(&self, ops: &[Op]) -> Vec<Op> {
        let kept = ops.iter().filter(|&op| !is_among(op, &self.ops));
        kept.map(|op| self.rest_of_op(op)).collect()
    }

    fn rest_of_op(&self, op: &Op) -> Op {
        let action = |action: &Action| self.rest_of_action(action);
        match op {
            Op::Add(id, on_value, on_failure) => Op::Add(
                *id,
                on_value.as_ref().map(action),
                on_failure.as_ref().map(action),
            ),
            Op::Both(id, both) => Op::Both(*id, action(both)),
            Op::SemaphoreRun(id, semaphore, run) => Op::SemaphoreRun(*id, *semaphore, action(run)),
            Op::LockRun(id, lock, run) => Op::LockRun(*id, *lock, action(run)),
            other => other.clone(),
        }
    }

    fn rest_of_action(&self, action: &Action) -> Action {
        let conclusion = if is_among(action, &self.conclusions) {
            Conclusion::Now(Now::Pass)
        } else {
            action.conclusion.clone()
        };
        Action {
            ops: self.rest_of(&action.ops),
            conclusion,
        }
    }
}

fn is_among<T>(one: &T, of: &[&T]) -> bool {
    of.iter().any(|other| std::ptr::eq(one, *other))
}

/// Returns the part of `ops` that keeps the rules.
pub(super) fn repair(ops: &[Op]) -> Vec<Op> {
    let mut world = World::new(Schedule::AtOnce);
    world.play(ops);
    world.broken.rest_of(ops)
}
