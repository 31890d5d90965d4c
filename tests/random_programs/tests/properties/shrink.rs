//! Makes programs that fail smaller.

use crate::generate::{Kinds, ops};
use proptest::strategy::{NewTree, Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use test_support::replayer::program::{Action, Conclusion, Now, Op};

/// Random programs. What proptest puts together by itself takes a hundred times
/// as long to make as to perform.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Programs(pub(crate) Kinds);

impl Strategy for Programs {
    type Tree = Shrinking;
    type Value = Vec<Op>;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        Ok(Shrinking::new(ops(self.0, runner.new_rng())))
    }
}

/// A program, and which part of it is tried to be left out.
#[derive(Debug)]
pub(crate) struct Shrinking {
    smallest: Vec<Op>,
    tried: Vec<Op>,
    /// How many operations in a row are left out at once; with 0, parts of
    /// actions are.
    width: usize,
    at: usize,
    /// Whether this round has made it smaller.
    progress: bool,
}

impl Shrinking {
    fn new(ops: Vec<Op>) -> Self {
        Shrinking {
            width: ops.len().div_ceil(2),
            tried: ops.clone(),
            smallest: ops,
            at: 0,
            progress: false,
        }
    }

    /// Goes on to the next part that can be left out.
    fn next(&mut self) -> bool {
        loop {
            let smaller = match self.width {
                0 => without_detail(&self.smallest, self.at),
                width => without(&self.smallest, self.at * width, width),
            };
            self.at += 1;
            if let Some(smaller) = smaller {
                self.tried = smaller;
                return true;
            }
            self.at = 0;
            if self.width > 0 {
                self.width /= 2;
            } else if std::mem::take(&mut self.progress) {
                self.width = self.smallest.len().div_ceil(2).max(1);
            } else {
                return false;
            }
        }
    }
}

impl ValueTree for Shrinking {
    type Value = Vec<Op>;

    fn current(&self) -> Vec<Op> {
        self.tried.clone()
    }

    fn simplify(&mut self) -> bool {
        // What was tried fails still.
        self.progress = true;
        self.smallest.clone_from(&self.tried);
        self.next()
    }

    fn complicate(&mut self) -> bool {
        self.next()
    }
}

fn without(ops: &[Op], start: usize, width: usize) -> Option<Vec<Op>> {
    let end = ops.len().min(start + width);
    (start < end).then(|| [&ops[..start], &ops[end..]].concat())
}

/// Leaves out the detail of that number, if there are so many.
fn without_detail(ops: &[Op], number: usize) -> Option<Vec<Op>> {
    let mut left = number;
    let mut ops = ops.to_vec();
    drop_detail(&mut ops, &mut left).then_some(ops)
}

fn drop_detail(ops: &mut [Op], left: &mut usize) -> bool {
    ops.iter_mut().any(|op| match op {
        Op::Add(_, on_value, on_failure) => {
            (on_value.iter_mut().chain(on_failure)).any(|action| simplify(action, left))
        }
        Op::Both(_, action) | Op::SemaphoreRun(_, _, action) | Op::LockRun(_, _, action) => {
            simplify(action, left)
        }
        _ => false,
    })
}

/// Leaves out one operation, or makes the conclusion the simplest one.
fn simplify(action: &mut Action, left: &mut usize) -> bool {
    if *left < action.ops.len() {
        action.ops.remove(*left);
        return true;
    }
    *left -= action.ops.len();
    if !matches!(action.conclusion, Conclusion::Now(Now::Pass)) {
        if *left == 0 {
            action.conclusion = Conclusion::Now(Now::Pass);
            return true;
        }
        *left -= 1;
    }
    drop_detail(&mut action.ops, left)
}
