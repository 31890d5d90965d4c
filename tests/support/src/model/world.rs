//! Everything that a program has made, and what happened to it.

use super::Schedule;
use super::chain::{Chain, Index};
use super::coroutine::{Coroutine, CoroutineIndex};
use super::group::Group;
use super::limits::{Limit, LimitName, Queue};
use super::repair::Broken;
use super::rules::{Owner, Slot};
use crate::replayer::program::{Id, Op};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, VecDeque};

pub(super) struct World<'p> {
    pub(super) chains: Vec<Chain<'p>>,
    pub(super) groups: Vec<Group>,
    pub(super) coroutines: Vec<Coroutine<'p>>,
    pub(super) limits: BTreeMap<LimitName, Limit>,
    pub(super) queues: BTreeMap<Id, Queue>,
    /// What the program knows by a number.
    pub(super) slots: BTreeMap<Id, Slot>,
    pub(super) trace: Vec<Json>,
    /// What broke a rule, and was left out.
    pub(super) broken: Broken<'p>,
    schedule: Schedule,
    tasks: VecDeque<Task>,
}

/// Work that the library may leave to a runtime.
pub(super) enum Task {
    Resume(CoroutineIndex, super::chain::Outcome),
    HandOut(LimitName),
}

impl<'p> World<'p> {
    pub(super) fn new(schedule: Schedule) -> Self {
        World {
            chains: Vec::new(),
            groups: Vec::new(),
            coroutines: Vec::new(),
            limits: BTreeMap::new(),
            queues: BTreeMap::new(),
            slots: BTreeMap::new(),
            trace: Vec::new(),
            broken: Broken::default(),
            schedule,
            tasks: VecDeque::new(),
        }
    }

    /// Performs a whole program.
    pub(super) fn play(&mut self, ops: &'p [Op]) {
        for op in ops {
            self.perform(op);
            self.until_idle();
            self.log_unhandled();
        }
        self.log_ends();
    }

    pub(super) fn make(&mut self, chain: Chain<'p>) -> Index {
        self.chains.push(chain);
        Index(self.chains.len() - 1)
    }

    pub(super) fn chain(&mut self, d: Index) -> &mut Chain<'p> {
        &mut self.chains[d.0]
    }

    pub(super) fn log(&mut self, event: Json) {
        self.trace.push(event);
    }

    /// Does `task` when the schedule has it.
    pub(super) fn soon(&mut self, task: Task) {
        if self.schedule == Schedule::AtOnce {
            self.turn(task);
        } else {
            self.tasks.push_back(task);
        }
    }

    fn until_idle(&mut self) {
        while let Some(task) = match self.schedule {
            Schedule::AtOnce | Schedule::OldestFirst => self.tasks.pop_front(),
            Schedule::NewestFirst => self.tasks.pop_back(),
        } {
            self.turn(task);
        }
    }

    fn turn(&mut self, task: Task) {
        match task {
            Task::Resume(coroutine, result) => self.resume(coroutine, result),
            Task::HandOut(limit) => self.hand_out(limit),
        }
    }

    /// Logs the failures that nobody can handle any more.
    fn log_unhandled(&mut self) {
        let dropped = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.owner == Owner::Nobody);
        let dropped: Vec<(Id, Index)> = dropped.map(|(&id, slot)| (id, slot.chain)).collect();
        for (id, d) in dropped {
            if let Some(Err(name)) = self.chain(d).take_at_rest() {
                self.log(json!(["unhandled", id, name]));
            }
        }
    }

    /// Logs how each Deferred ends that the program still has.
    fn log_ends(&mut self) {
        let kept = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.owner == Owner::Program);
        let kept: Vec<(Id, Index)> = kept.map(|(&id, slot)| (id, slot.chain)).collect();
        for (id, d) in kept {
            let result = self.chain(d).take_at_rest();
            self.log(match result {
                None => json!(["end", id, "pending"]),
                Some(Ok(value)) => json!(["end", id, "ok", value]),
                Some(Err(name)) => json!(["end", id, "err", name]),
            });
        }
    }
}
