//! Random programs: a few operations for each thread.

use crate::pool::THREADS;
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use std::fmt;

/// How many chains a program has.
pub(crate) const CHAINS: usize = 12;

/// How many operations each thread performs.
const LENGTH: usize = 45;

/// The number of a chain. A stage returns chains of higher numbers only, so that
/// none waits for itself.
pub(crate) type Name = usize;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Add(Name, Side, Then),
    /// With a value, or a failure.
    Fire(Name, bool),
    DropResolver(Name),
    Cancel(Name),
    Pause(Name),
    Unpause(Name),
    Drop(Name),
    /// Polls once, with one of the wakers.
    Poll(Name, usize),
    /// Awaits in a task.
    Await(Name),
    Share(Name),
    Subscribe(Name),
    /// Cancels a subscriber.
    Unsubscribe(Name),
    Acquire,
    Release,
    /// Runs a function with a token.
    Run,
    Lock,
    Put,
    Get,
    /// Cancels one of what the last five operations began.
    CancelWait(usize),
    /// Acquires, or gets, with nobody to look at what comes.
    AcquireBare,
    GetBare,
    /// Drops the oldest of each of these.
    DropBare,
}

/// Which results a stage is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Both,
    /// Two functions that do the same.
    Each,
    Value,
    Failure,
}

/// What a stage does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Then {
    pub(crate) effect: Option<Effect>,
    pub(crate) end: End,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Effect {
    Fire(Name),
    Cancel(Name),
    Unpause(Name),
}

/// How a stage ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Increase,
    Raise,
    /// With another chain, if that is still to be had; else with its argument.
    Inner(Name),
}

#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) tokens: usize,
    pub(crate) threads: Vec<Vec<Op>>,
}

impl Program {
    /// Returns the program of that number.
    pub(crate) fn random(seed: u64) -> Self {
        let mut bytes = [0x5D; 16];
        bytes[..8].copy_from_slice(&seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes());
        let mut dice = Dice(TestRng::from_seed(RngAlgorithm::XorShift, &bytes));
        Program {
            tokens: 1 + dice.below(3),
            threads: (0..THREADS)
                .map(|_| (0..LENGTH).map(|_| dice.op()).collect())
                .collect(),
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} tokens", self.tokens)?;
        for (thread, ops) in self.threads.iter().enumerate() {
            writeln!(f, "thread {thread}:")?;
            for op in ops {
                writeln!(f, "    {op:?}")?;
            }
        }
        Ok(())
    }
}

struct Dice(TestRng);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0.next_u32() as usize % n
    }

    fn name(&mut self) -> Name {
        self.below(CHAINS)
    }

    fn op(&mut self) -> Op {
        match self.below(100) {
            0..28 => {
                let name = self.name();
                Op::Add(name, self.side(), self.then(name))
            }
            28..36 => Op::Fire(self.name(), self.below(3) > 0),
            36..38 => Op::DropResolver(self.name()),
            38..42 => Op::Cancel(self.name()),
            42..47 => Op::Pause(self.name()),
            47..54 => Op::Unpause(self.name()),
            54..56 => Op::Drop(self.name()),
            56..64 => Op::Poll(self.name(), self.below(crate::wakers::WAKERS)),
            64..66 => Op::Await(self.name()),
            66..68 => Op::Share(self.name()),
            68..72 => Op::Subscribe(self.name()),
            72..74 => Op::Unsubscribe(self.name()),
            74..77 => Op::Acquire,
            77..80 => Op::Release,
            80 | 81 => Op::Run,
            82 | 83 => Op::Lock,
            84..88 => Op::Put,
            88..92 => Op::Get,
            92..96 => Op::CancelWait(self.below(5)),
            96 => Op::AcquireBare,
            97 => Op::GetBare,
            _ => Op::DropBare,
        }
    }

    fn side(&mut self) -> Side {
        [Side::Both, Side::Each, Side::Value, Side::Failure][self.below(4)]
    }

    fn then(&mut self, name: Name) -> Then {
        let effect = match self.below(12) {
            0 => Some(Effect::Fire(self.name())),
            1 => Some(Effect::Cancel(self.name())),
            2 => Some(Effect::Unpause(self.name())),
            _ => None,
        };
        let higher = CHAINS - name - 1;
        let end = match self.below(4) {
            0 if higher > 0 => End::Inner(name + 1 + self.below(higher)),
            1 => End::Raise,
            _ => End::Increase,
        };
        Then { effect, end }
    }
}
