//! Coroutines: bodies of steps, which wait for one Deferred after the other.

use super::chain::{Chain, Index, Outcome, Source, Stage};
use super::world::{Task, World};
use crate::replayer::program::{Id, Step};
use crate::replayer::value::Value;
use serde_json::json;

#[derive(Clone, Copy, Debug)]
pub(super) struct CoroutineIndex(usize);

#[derive(Debug)]
pub(super) struct Coroutine<'p> {
    id: Id,
    /// What its end fires.
    d: Index,
    body: &'p [Step],
    /// The step that it is at.
    at: usize,
    last: Value,
    /// What its steps await, reached or not.
    promised: Vec<Index>,
    /// Whether its task was woken, and did not run yet.
    woken: bool,
    /// Whether a cancel came meanwhile.
    cancelled: bool,
}

impl<'p> World<'p> {
    /// Starts a coroutine; `promised` has what each step awaits, in order.
    pub(super) fn coroutine(&mut self, id: Id, body: &'p [Step], promised: Vec<Index>) -> Index {
        let index = CoroutineIndex(self.coroutines.len());
        let d = self.make(Chain::unfired(Source::Coroutine(index)));
        self.coroutines.push(Coroutine {
            id,
            d,
            body,
            at: 0,
            last: Value::Int(0),
            promised,
            woken: false,
            cancelled: false,
        });
        self.proceed(index);
        d
    }

    /// The step that is awaited has a result.
    pub(super) fn wake(&mut self, index: CoroutineIndex, result: Outcome) {
        self.coroutines[index.0].woken = true;
        self.soon(Task::Resume(index, result));
    }

    /// Goes on with the result that was awaited.
    pub(super) fn resume(&mut self, index: CoroutineIndex, result: Outcome) {
        self.coroutines[index.0].woken = false;
        if self.receive(index, result) {
            self.proceed(index);
        }
    }

    /// Performs steps until one has to wait.
    fn proceed(&mut self, index: CoroutineIndex) {
        loop {
            let co = &self.coroutines[index.0];
            let (id, d, at) = (co.id, co.d, co.at);
            match &co.body[at] {
                Step::Await(_) | Step::Try(_) => {
                    let awaited = co.promised[at];
                    let Some(result) = self.chain(awaited).take_at_rest() else {
                        self.push(awaited, Stage::Wake(index));
                        if std::mem::take(&mut self.coroutines[index.0].cancelled) {
                            self.cancel(awaited);
                        }
                        return;
                    };
                    if !self.receive(index, result) {
                        return;
                    }
                }
                step @ (Step::Return(_) | Step::ReturnLast) => {
                    let value = match step {
                        Step::Return(value) => value.clone(),
                        _ => co.last.clone(),
                    };
                    self.log(json!(["co", id, at, value]));
                    return self.fire(d, Ok(value));
                }
                Step::Raise(error) => return self.fire(d, Err(error.to_string())),
            }
        }
    }

    /// Takes what the present step has awaited; false if that ends it.
    fn receive(&mut self, index: CoroutineIndex, result: Outcome) -> bool {
        let co = &mut self.coroutines[index.0];
        let (id, d, at) = (co.id, co.d, co.at);
        co.at += 1;
        match result {
            Ok(value) => {
                co.last = value.clone();
                self.log(json!(["co", id, at, value]));
            }
            Err(name) if matches!(co.body[at], Step::Try(_)) => {
                self.log(json!(["caught", id, at, name]));
            }
            Err(name) => {
                self.fire(d, Err(name));
                return false;
            }
        }
        true
    }

    pub(super) fn cancel_coroutine(&mut self, index: CoroutineIndex) {
        let co = &mut self.coroutines[index.0];
        if co.woken {
            co.cancelled = true;
        } else if let Some(&awaited) = co.promised.get(co.at) {
            self.cancel(awaited);
        }
    }

    /// What the coroutine still awaits.
    pub(super) fn awaited(&self, index: CoroutineIndex) -> &[Index] {
        let co = &self.coroutines[index.0];
        co.promised.get(co.at..).unwrap_or_default()
    }
}
