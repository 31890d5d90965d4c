//! Random operations. Most of them keep the rules; the rest is left out by the
//! model.

use proptest::prelude::Rng;
use proptest::test_runner::TestRng;
use test_support::replayer::program::{
    Action, Canceller, Conclusion, Id, ListMode, Now, Op, Outcome, Step,
};
use test_support::replayer::value::{ProgramError, Value};

/// What a program may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kinds {
    /// What is over with the operation that causes it.
    Sync,
    /// Coroutines, semaphores and locks too.
    Tasks,
}

/// Returns the operations of one program.
pub(crate) fn ops(kinds: Kinds, rng: TestRng) -> Vec<Op> {
    let mut dice = Dice {
        rng,
        kinds,
        made: 0,
    };
    // With queues and limits from the start, whatever is done to them is lawful.
    let mut ops = vec![
        Op::Queue(0, dice.limit(), dice.limit()),
        Op::Lock(0),
        Op::Semaphore(0, dice.size(4)),
    ];
    let length = 4 + dice.size(60);
    ops.extend((0..length).map(|_| dice.op(3)));
    ops
}

struct Dice {
    rng: TestRng,
    kinds: Kinds,
    /// How many names were given so far, as if every operation was performed.
    made: Id,
}

impl Dice {
    fn below(&mut self, n: u32) -> u32 {
        self.rng.next_u32() % n
    }

    fn size(&mut self, n: u32) -> usize {
        self.below(n) as usize
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }

    fn new_id(&mut self) -> Id {
        self.made += 1;
        self.made - 1
    }

    /// A name that was given, a recent one as a rule: many of the older ones
    /// have been consumed.
    fn id(&mut self) -> Id {
        let back = if self.one_in(3) {
            self.made
        } else {
            self.made.min(6)
        };
        self.made - 1 - self.below(back.max(1)).min(self.made - 1)
    }

    fn ids(&mut self) -> Vec<Id> {
        (0..self.below(4)).map(|_| self.id()).collect()
    }

    fn limit(&mut self) -> Option<usize> {
        (!self.one_in(2)).then(|| self.size(4))
    }

    fn value(&mut self) -> Value {
        Value::Int(self.below(100).into())
    }

    fn failure(&mut self) -> ProgramError {
        ProgramError(if self.one_in(2) { 0 } else { 3 })
    }

    fn outcome(&mut self) -> Outcome {
        if self.one_in(3) {
            Err(self.failure())
        } else {
            Ok(self.value())
        }
    }

    fn canceller(&mut self) -> Option<Canceller> {
        match self.below(5) {
            0 => Some(None),
            1 => Some(Some(self.outcome())),
            _ => None,
        }
    }

    fn op(&mut self, depth: u32) -> Op {
        if self.made == 0 {
            return Op::New(self.new_id(), self.canceller());
        }
        if self.kinds == Kinds::Tasks && self.one_in(7) {
            return match self.below(3) {
                0 => Op::LockRun(self.new_id(), 0, self.action(depth)),
                1 => Op::SemaphoreRun(self.new_id(), 0, self.action(depth)),
                _ => {
                    let steps = self.steps();
                    Op::Coroutine(self.new_id(), steps.into())
                }
            };
        }
        match self.below(40) {
            0..9 => Op::New(self.new_id(), self.canceller()),
            9 => Op::Succeed(self.new_id(), self.value()),
            10 => Op::Fail(self.new_id(), self.failure()),
            11..16 => Op::Add(
                self.id(),
                Some(self.action(depth)),
                Some(self.action(depth)),
            ),
            16 => Op::Add(self.id(), Some(self.action(depth)), None),
            17 => Op::Add(self.id(), None, Some(self.action(depth))),
            18..21 => Op::Both(self.id(), self.action(depth)),
            21..26 => Op::Fire(self.id(), self.outcome()),
            26..29 => Op::Cancel(self.id()),
            29 => Op::Pause(self.id()),
            30 | 31 => Op::Unpause(self.id()),
            32 => Op::Chain(self.id(), self.id()),
            33 => {
                let (children, mode) = (self.ids(), self.list_mode());
                Op::List(self.new_id(), children, mode)
            }
            34 => {
                let children = self.ids();
                Op::Gather(self.new_id(), children)
            }
            35 | 36 => {
                let children = self.ids();
                Op::Race(self.new_id(), children)
            }
            37 => Op::Put(0, self.value()),
            38 => Op::Get(self.new_id(), 0),
            _ => Op::Drop(self.id()),
        }
    }

    fn list_mode(&mut self) -> ListMode {
        ListMode {
            first_ok: self.one_in(2),
            first_err: self.one_in(2),
            consume: self.one_in(2),
        }
    }

    /// An action, which has actions within down to `depth`.
    fn action(&mut self, depth: u32) -> Action {
        let ops = if depth > 0 && self.one_in(4) {
            1 + self.below(3)
        } else {
            0
        };
        Action {
            ops: (0..ops).map(|_| self.op(depth - 1)).collect(),
            conclusion: match self.below(8) {
                0 | 1 => Conclusion::Now(Now::Pass),
                2 => Conclusion::Now(Now::Return(self.value())),
                3 | 4 => Conclusion::Now(Now::Increase(self.below(10).into())),
                5 => Conclusion::Now(Now::Raise(self.failure())),
                _ => Conclusion::Defer(self.id()),
            },
        }
    }

    fn steps(&mut self) -> Vec<Step> {
        let waits = self.below(4);
        let mut steps: Vec<Step> = (0..waits)
            .map(|_| match self.below(2) {
                0 => Step::Await(self.id()),
                _ => Step::Try(self.id()),
            })
            .collect();
        steps.push(match self.below(4) {
            0 => Step::Return(self.value()),
            1 => Step::Raise(self.failure()),
            _ => Step::ReturnLast,
        });
        steps
    }
}
