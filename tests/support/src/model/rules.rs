//! Who has a Deferred, and what a program may do with it.

use super::chain::{Index, Source};
use super::limits::LimitName;
use super::world::World;
use crate::replayer::program::{Id, Op, Step};
use serde_json::json;

/// A Deferred that a program knows by a number.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) chain: Index,
    pub(super) owner: Owner,
    /// Whether the program still has what fires it.
    pub(super) can_fire: bool,
    /// How many stages were added.
    pub(super) stages: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Program,
    /// An operation that is under way and makes it: it cannot be named yet.
    Maker,
    /// An `add`, `both` or `unpause` that is under way.
    Changer,
    Consumer,
    Nobody,
}

impl World<'_> {
    /// Whether `op` keeps the rules now.
    pub(super) fn allows(&self, op: &Op) -> bool {
        match op {
            Op::New(id, _) | Op::Succeed(id, _) | Op::Fail(id, _) => self.is_free(*id),
            Op::Add(id, ..) | Op::Both(id, _) | Op::Pause(id) | Op::Drop(id) => {
                self.owned(*id).is_some()
            }
            Op::Unpause(id) => {
                (self.owned(*id)).is_some_and(|slot| self.chains[slot.chain.0].pauses > 0)
            }
            Op::Fire(id, _) => self.can_fire(*id).is_some(),
            Op::Cancel(id) => self.handle(*id).is_some(),
            Op::Chain(source, target) => match (self.owned(*source), self.can_fire(*target)) {
                (Some(source), Some(target)) => !self.waits(source.chain, target.chain),
                _ => false,
            },
            Op::List(id, children, _) | Op::Gather(id, children) | Op::Race(id, children) => {
                self.is_free(*id) && self.may_consume(children)
            }
            Op::Semaphore(id, _) => !self.limits.contains_key(&LimitName::Semaphore(*id)),
            Op::Lock(id) => !self.limits.contains_key(&LimitName::Lock(*id)),
            Op::SemaphoreRun(id, semaphore, _) => {
                self.is_free(*id) && self.limits.contains_key(&LimitName::Semaphore(*semaphore))
            }
            Op::LockRun(id, lock, _) => {
                self.is_free(*id) && self.limits.contains_key(&LimitName::Lock(*lock))
            }
            Op::Queue(id, ..) => !self.queues.contains_key(id),
            Op::Put(queue, _) => self.queues.contains_key(queue),
            Op::Get(id, queue) => self.is_free(*id) && self.queues.contains_key(queue),
            Op::Coroutine(id, body) => self.is_free(*id) && self.may_consume(&awaited(body)),
            Op::Unreadable(_) => false,
        }
    }

    /// What a stage of `d` returns as `id`, unless that would wait for `d`.
    pub(super) fn lend_to(&self, d: Index, id: Id) -> Option<Index> {
        let other = self.owned(id)?.chain;
        (!self.waits(other, d)).then_some(other)
    }

    pub(super) fn consume(&mut self, id: Id) -> Index {
        let slot = self.slot(id);
        slot.owner = Owner::Consumer;
        slot.chain
    }

    pub(super) fn slot(&mut self, id: Id) -> &mut Slot {
        (self.slots.get_mut(&id)).expect("an operation on what does not exist is left out")
    }

    pub(super) fn canceller_called(&mut self, id: Id) {
        self.log(json!(["canceller", id]));
        self.slot(id).can_fire = false;
    }

    fn is_free(&self, id: Id) -> bool {
        !self.slots.contains_key(&id)
    }

    /// What may be changed, consumed or dropped.
    fn owned(&self, id: Id) -> Option<&Slot> {
        (self.slots.get(&id)).filter(|slot| slot.owner == Owner::Program)
    }

    /// What may be cancelled.
    fn handle(&self, id: Id) -> Option<&Slot> {
        let named = |slot: &&Slot| !matches!(slot.owner, Owner::Maker | Owner::Nobody);
        self.slots.get(&id).filter(named)
    }

    fn can_fire(&self, id: Id) -> Option<&Slot> {
        self.handle(id).filter(|slot| slot.can_fire)
    }

    fn may_consume(&self, ids: &[Id]) -> bool {
        (ids.iter().enumerate())
            .all(|(at, id)| self.owned(*id).is_some() && !ids[..at].contains(id))
    }

    /// Whether `d` waits for `other`, directly or through more of them.
    fn waits(&self, d: Index, other: Index) -> bool {
        let chain = &self.chains[d.0];
        let inputs: &[Index] = match &chain.source {
            _ if chain.fired => chain.waits_on.as_slice(),
            Source::List(group) | Source::Race(group) => &self.groups[group.0].children,
            Source::Coroutine(coroutine) => self.awaited(*coroutine),
            _ => chain.chained_to.as_slice(),
        };
        d == other || inputs.iter().any(|&input| self.waits(input, other))
    }
}

/// What the steps of a coroutine await, in order.
pub(super) fn awaited(body: &[Step]) -> Vec<Id> {
    let awaited = body.iter().filter_map(|step| match step {
        Step::Await(id) | Step::Try(id) => Some(*id),
        Step::Return(_) | Step::ReturnLast | Step::Raise(_) => None,
    });
    awaited.collect()
}
