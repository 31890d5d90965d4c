//! Performs operations.

use super::chain::{Chain, Index, Source, Stage, name_failure};
use super::group::Kind;
use super::limits::{Limit, LimitName, Queue};
use super::rules::{Owner, Slot, awaited};
use super::world::World;
use crate::replayer::program::{Action, Canceller, Id, Op};
use std::collections::VecDeque;

impl<'p> World<'p> {
    /// Performs `op`, or leaves it out if it breaks a rule.
    pub(super) fn perform(&mut self, op: &'p Op) {
        if !self.allows(op) {
            self.broken.op(op);
            return;
        }
        match op {
            Op::New(id, canceller) => self.insert_new(*id, canceller.as_ref()),
            Op::Succeed(id, value) => {
                self.insert(*id, |world| world.make(Chain::fired(Ok(value.clone()))))
            }
            Op::Fail(id, error) => self.insert(*id, |world| {
                world.make(Chain::fired(Err(error.to_string())))
            }),
            Op::Add(id, on_value, on_failure) => {
                self.add(*id, on_value.as_ref(), on_failure.as_ref());
            }
            Op::Both(id, action) => self.add(*id, Some(action), Some(action)),
            Op::Fire(id, outcome) => {
                let slot = self.slot(*id);
                slot.can_fire = false;
                let d = slot.chain;
                self.fire(d, name_failure(outcome.clone()));
            }
            Op::Cancel(id) => {
                let d = self.slot(*id).chain;
                self.cancel(d);
            }
            Op::Pause(id) => {
                let d = self.slot(*id).chain;
                self.chain(d).pauses += 1;
            }
            Op::Unpause(id) => self.change(*id, |world, d| {
                world.chain(d).pauses -= 1;
                world.run(d);
            }),
            Op::Chain(source, target) => {
                let slot = self.slot(*target);
                slot.can_fire = false;
                let target = slot.chain;
                let source = self.consume(*source);
                self.chain(target).chained_to = Some(source);
                self.push(source, Stage::Fire(target));
            }
            Op::List(id, children, mode) => {
                let kind = Kind::List {
                    first_ok: mode.first_ok,
                    first_err: mode.first_err,
                };
                self.insert_group(*id, kind, children);
            }
            Op::Gather(id, children) => self.insert_group(*id, Kind::Gather, children),
            Op::Race(id, children) => self.insert_group(*id, Kind::Race, children),
            Op::Semaphore(id, tokens) => self.insert_limit(LimitName::Semaphore(*id), *tokens),
            Op::Lock(id) => self.insert_limit(LimitName::Lock(*id), 1),
            Op::SemaphoreRun(id, semaphore, action) => self.insert(*id, |world| {
                world.acquire(*id, LimitName::Semaphore(*semaphore), action)
            }),
            Op::LockRun(id, lock, action) => {
                self.insert(*id, |world| {
                    world.acquire(*id, LimitName::Lock(*lock), action)
                });
            }
            Op::Queue(id, size, backlog) => {
                let queue = Queue {
                    size: *size,
                    backlog: *backlog,
                    kept: VecDeque::new(),
                    waiting: VecDeque::new(),
                };
                self.queues.insert(*id, queue);
            }
            Op::Put(queue, value) => self.put(*queue, value.clone()),
            Op::Get(id, queue) => self.insert(*id, |world| world.get(*queue)),
            Op::Drop(id) => self.slot(*id).owner = Owner::Nobody,
            Op::Coroutine(id, body) => {
                let promised = self.consume_all(&awaited(body));
                self.insert(*id, |world| world.coroutine(*id, body, promised));
            }
            Op::Unreadable(_) => unreachable!("no rule allows it"),
        }
    }

    fn insert_new(&mut self, id: Id, canceller: Option<&'p Canceller>) {
        let source = canceller.map_or(Source::Program, |answer| Source::Canceller(id, answer));
        self.insert(id, |world| world.make(Chain::unfired(source)));
        self.slot(id).can_fire = true;
    }

    fn insert_group(&mut self, id: Id, kind: Kind, children: &[Id]) {
        let children = self.consume_all(children);
        self.insert(id, |world| world.group(kind, children));
    }

    fn insert_limit(&mut self, name: LimitName, free: usize) {
        let waiting = VecDeque::new();
        self.limits.insert(name, Limit { free, waiting });
    }

    /// Gives the name `id` to what `make` makes. It exists when that is over; but
    /// nothing that happens meanwhile may take the name.
    fn insert(&mut self, id: Id, make: impl FnOnce(&mut Self) -> Index) {
        let reserved = Slot {
            chain: Index(usize::MAX),
            owner: Owner::Maker,
            can_fire: false,
            stages: 0,
        };
        self.slots.insert(id, reserved);
        let chain = make(self);
        let slot = self.slot(id);
        slot.chain = chain;
        slot.owner = Owner::Program;
    }

    fn consume_all(&mut self, ids: &[Id]) -> Vec<Index> {
        ids.iter().map(|&id| self.consume(id)).collect()
    }

    fn add(&mut self, id: Id, on_value: Option<&'p Action>, on_failure: Option<&'p Action>) {
        let slot = self.slot(id);
        let number = slot.stages;
        slot.stages += 1;
        let stage = Stage::Add {
            id,
            number,
            on_value,
            on_failure,
        };
        self.change(id, |world, d| world.push(d, stage));
    }

    /// Changes `id`; what that runs may not change it as well.
    fn change(&mut self, id: Id, change: impl FnOnce(&mut Self, Index)) {
        let slot = self.slot(id);
        slot.owner = Owner::Changer;
        let d = slot.chain;
        change(self, d);
        self.slot(id).owner = Owner::Program;
    }
}
