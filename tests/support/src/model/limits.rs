//! What is waited for in line: tokens of semaphores and locks, items of queues.

use super::chain::{Chain, Index, Source, Stage};
use super::world::{Task, World};
use crate::replayer::program::{Action, Id};
use crate::replayer::value::Value;
use serde_json::json;
use std::collections::VecDeque;

/// A semaphore, or a lock, which is a semaphore with one token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LimitName {
    Semaphore(Id),
    Lock(Id),
}

#[derive(Debug)]
pub(super) struct Limit {
    pub(super) free: usize,
    pub(super) waiting: VecDeque<Index>,
}

#[derive(Debug)]
pub(super) struct Queue {
    pub(super) size: Option<usize>,
    pub(super) backlog: Option<usize>,
    pub(super) kept: VecDeque<Value>,
    pub(super) waiting: VecDeque<Index>,
}

impl<'p> World<'p> {
    /// Makes what fires with a token, then performs `action`.
    pub(super) fn acquire(&mut self, id: Id, limit: LimitName, action: &'p Action) -> Index {
        let d = self.make(Chain::unfired(Source::Limit(limit)));
        self.push(d, Stage::Run { id, limit, action });
        let nobody_waits = self.limit(limit).waiting.is_empty();
        self.limit(limit).waiting.push_back(d);
        // Those who wait while a token is free are to get it soon.
        if nobody_waits {
            self.hand_out(limit);
        }
        d
    }

    pub(super) fn release(&mut self, name: LimitName) {
        self.limit(name).free += 1;
        if !self.limit(name).waiting.is_empty() {
            self.soon(Task::HandOut(name));
        }
    }

    /// Gives a free token to the first in line.
    pub(super) fn hand_out(&mut self, name: LimitName) {
        let limit = self.limit(name);
        if limit.free > 0
            && let Some(next) = limit.waiting.pop_front()
        {
            limit.free -= 1;
            self.fire(next, Ok(Value::Int(0)));
        }
    }

    pub(super) fn leave_limit(&mut self, name: LimitName, d: Index) {
        self.limit(name).waiting.retain(|&waiting| waiting != d);
    }

    pub(super) fn put(&mut self, id: Id, value: Value) {
        let queue = self.queue(id);
        if let Some(next) = queue.waiting.pop_front() {
            self.fire(next, Ok(value));
        } else if queue.size.is_none_or(|size| queue.kept.len() < size) {
            queue.kept.push_back(value);
        } else {
            self.log(json!(["overflow", id]));
        }
    }

    pub(super) fn get(&mut self, id: Id) -> Index {
        let queue = self.queue(id);
        if let Some(value) = queue.kept.pop_front() {
            self.make(Chain::fired(Ok(value)))
        } else if (queue.backlog).is_none_or(|backlog| queue.waiting.len() < backlog) {
            let d = self.make(Chain::unfired(Source::Queue(id)));
            self.queue(id).waiting.push_back(d);
            d
        } else {
            self.make(Chain::fired(Err("QueueUnderflow".to_owned())))
        }
    }

    pub(super) fn leave_queue(&mut self, id: Id, d: Index) {
        self.queue(id).waiting.retain(|&waiting| waiting != d);
    }

    fn limit(&mut self, name: LimitName) -> &mut Limit {
        (self.limits.get_mut(&name)).expect("an operation on what does not exist is left out")
    }

    fn queue(&mut self, id: Id) -> &mut Queue {
        (self.queues.get_mut(&id)).expect("an operation on what does not exist is left out")
    }
}
