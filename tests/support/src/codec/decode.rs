//! From bytes to operations.

use super::{DEPTH, LENGTH, NAMES, WIDTH};
use crate::replayer::program::{
    Action, Canceller, Conclusion, Id, ListMode, Now, Op, Outcome, Step,
};
use crate::replayer::value::{ProgramError, Value};

/// Reads operations until the bytes end.
pub fn decode(bytes: &[u8]) -> Vec<Op> {
    let mut input = Input { rest: bytes };
    let mut ops = Vec::new();
    while !input.rest.is_empty() && ops.len() < LENGTH {
        ops.push(input.op(0));
    }
    ops
}

struct Input<'a> {
    rest: &'a [u8],
}

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.rest.split_first() else {
            return 0;
        };
        self.rest = rest;
        first
    }

    fn below(&mut self, n: u8) -> u8 {
        self.byte() % n
    }

    fn id(&mut self) -> Id {
        self.below(NAMES).into()
    }

    fn ids(&mut self) -> Vec<Id> {
        (0..self.below(WIDTH)).map(|_| self.id()).collect()
    }

    /// None for 0, else one less.
    fn limit(&mut self) -> Option<usize> {
        self.byte().checked_sub(1).map(usize::from)
    }

    fn value(&mut self) -> Value {
        Value::Int(self.byte().into())
    }

    fn failure(&mut self) -> ProgramError {
        ProgramError(self.below(5))
    }

    fn outcome(&mut self) -> Outcome {
        match self.below(2) {
            0 => Ok(self.value()),
            _ => Err(self.failure()),
        }
    }

    fn canceller(&mut self) -> Option<Canceller> {
        match self.below(3) {
            0 => None,
            1 => Some(None),
            _ => Some(Some(self.outcome())),
        }
    }

    fn op(&mut self, depth: usize) -> Op {
        match self.below(22) {
            0 => Op::New(self.id(), self.canceller()),
            1 => Op::Succeed(self.id(), self.value()),
            2 => Op::Fail(self.id(), self.failure()),
            3 => Op::Add(
                self.id(),
                Some(self.action(depth)),
                Some(self.action(depth)),
            ),
            4 => Op::Add(self.id(), Some(self.action(depth)), None),
            5 => Op::Add(self.id(), None, Some(self.action(depth))),
            6 => Op::Both(self.id(), self.action(depth)),
            7 => Op::Fire(self.id(), self.outcome()),
            8 => Op::Cancel(self.id()),
            9 => Op::Pause(self.id()),
            10 => Op::Unpause(self.id()),
            11 => Op::Chain(self.id(), self.id()),
            12 => Op::List(self.id(), self.ids(), self.list_mode()),
            13 => Op::Gather(self.id(), self.ids()),
            14 => Op::Race(self.id(), self.ids()),
            15 => Op::Queue(self.id(), self.limit(), self.limit()),
            16 => Op::Put(self.id(), self.value()),
            17 => Op::Get(self.id(), self.id()),
            18 => Op::Drop(self.id()),
            19 => match self.below(2) {
                0 => Op::Lock(self.id()),
                _ => Op::Semaphore(self.id(), self.below(WIDTH).into()),
            },
            20 => match self.below(2) {
                0 => Op::LockRun(self.id(), self.id(), self.action(depth)),
                _ => Op::SemaphoreRun(self.id(), self.id(), self.action(depth)),
            },
            _ => Op::Coroutine(self.id(), self.steps().into()),
        }
    }

    fn list_mode(&mut self) -> ListMode {
        let flags = self.byte();
        ListMode {
            first_ok: flags & 1 != 0,
            first_err: flags & 2 != 0,
            consume: flags & 4 != 0,
        }
    }

    fn action(&mut self, depth: usize) -> Action {
        let ops = if depth < DEPTH { self.below(WIDTH) } else { 0 };
        Action {
            ops: (0..ops).map(|_| self.op(depth + 1)).collect(),
            conclusion: match self.below(5) {
                0 => Conclusion::Now(Now::Pass),
                1 => Conclusion::Now(Now::Return(self.value())),
                2 => Conclusion::Now(Now::Increase(self.byte().into())),
                3 => Conclusion::Now(Now::Raise(self.failure())),
                _ => Conclusion::Defer(self.id()),
            },
        }
    }

    fn steps(&mut self) -> Vec<Step> {
        let waits = self.below(WIDTH);
        let mut steps: Vec<Step> = (0..waits)
            .map(|_| match self.below(2) {
                0 => Step::Await(self.id()),
                _ => Step::Try(self.id()),
            })
            .collect();
        steps.push(match self.below(3) {
            0 => Step::ReturnLast,
            1 => Step::Return(self.value()),
            _ => Step::Raise(self.failure()),
        });
        steps
    }
}
