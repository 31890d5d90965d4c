//! Firing, running and cancelling Deferreds.

use super::chain::{Index, Outcome, Source, Stage, cancelled, name_failure};
use super::world::World;
use crate::replayer::program::{Action, Conclusion, Now};
use crate::replayer::value::Value;
use serde_json::json;

/// What a stage leaves.
enum Left {
    /// A result for the next one.
    Result(Outcome),
    /// The result that another Deferred is to bring.
    WaitFor(Index),
    /// Nothing: the result went elsewhere.
    Nothing,
}

impl<'p> World<'p> {
    /// Gives `d` its first result; one that already has been fired, by a cancel,
    /// swallows it.
    pub(super) fn fire(&mut self, d: Index, outcome: Outcome) {
        let chain = self.chain(d);
        if !chain.fired {
            chain.fired = true;
            chain.result = Some(outcome);
            self.run(d);
        }
    }

    /// Runs the stages of `d`, those included that they add.
    pub(super) fn run(&mut self, d: Index) {
        while self.chain(d).can_run() {
            let chain = self.chain(d);
            let Some(stage) = chain.stages.pop_front() else {
                return;
            };
            let Some(result) = chain.result.take() else {
                return;
            };
            chain.running = true;
            let left = self.run_stage(d, stage, result);
            self.chain(d).running = false;
            match left {
                Left::Result(result) => self.chain(d).result = Some(result),
                Left::WaitFor(other) => self.wait(d, other),
                Left::Nothing => {}
            }
        }
    }

    fn run_stage(&mut self, d: Index, stage: Stage<'p>, result: Outcome) -> Left {
        match stage {
            Stage::Add {
                id,
                number,
                on_value,
                on_failure,
            } => match (&result, on_value, on_failure) {
                (Ok(value), Some(action), _) => {
                    self.log(json!(["cb", id, number, value]));
                    self.act(d, action, result)
                }
                (Err(name), _, Some(action)) => {
                    self.log(json!(["eb", id, number, name]));
                    self.act(d, action, result)
                }
                _ => Left::Result(result),
            },
            // A waiter that was cancelled has no token.
            Stage::Run { .. } if result.is_err() => Left::Result(result),
            Stage::Run { id, limit, action } => {
                self.log(json!(["run", id]));
                let left = self.act(d, action, Ok(Value::Int(0)));
                match left {
                    // The one that is returned has the release behind its own
                    // stages, and in front of who waits for it.
                    Left::WaitFor(other) => self.push(other, Stage::Release(limit)),
                    Left::Result(_) | Left::Nothing => self.release(limit),
                }
                left
            }
            Stage::Release(limit) => {
                self.release(limit);
                Left::Result(result)
            }
            Stage::Deliver(to) => {
                let waiting = self.chain(to);
                waiting.waits_on = None;
                waiting.result = Some(result);
                self.run(to);
                Left::Nothing
            }
            Stage::Fire(target) => {
                self.fire(target, result);
                Left::Nothing
            }
            Stage::Report(group, place) => {
                self.report(group, place, result);
                Left::Nothing
            }
            Stage::Wake(coroutine) => {
                self.wake(coroutine, result);
                Left::Nothing
            }
        }
    }

    fn act(&mut self, d: Index, action: &'p Action, result: Outcome) -> Left {
        for op in &action.ops {
            self.perform(op);
        }
        let now = match &action.conclusion {
            Conclusion::Now(now) => now,
            Conclusion::Defer(id) => {
                if let Some(other) = self.lend_to(d, *id) {
                    self.consume(*id);
                    return Left::WaitFor(other);
                }
                self.broken.conclusion(action);
                &Now::Pass
            }
        };
        Left::Result(match (now, result) {
            (Now::Pass, result) => result,
            (Now::Return(value), _) => Ok(value.clone()),
            (Now::Increase(by), Ok(Value::Int(n))) => Ok(Value::Int(n.wrapping_add(*by))),
            (Now::Increase(by), _) => Ok(Value::Int(*by)),
            (Now::Raise(error), _) => Err(error.to_string()),
        })
    }

    /// Makes `d` go on with the result of `other`.
    fn wait(&mut self, d: Index, other: Index) {
        if let Some(result) = self.chain(other).take_at_rest() {
            self.chain(d).result = Some(result);
        } else {
            self.chain(d).waits_on = Some(other);
            self.push(other, Stage::Deliver(d));
        }
    }

    /// Adds a stage to `d`, which runs at once if `d` is at rest.
    pub(super) fn push(&mut self, d: Index, stage: Stage<'p>) {
        self.chain(d).stages.push_back(stage);
        self.run(d);
    }

    pub(super) fn cancel(&mut self, d: Index) {
        let chain = self.chain(d);
        if chain.fired {
            if let Some(other) = chain.waits_on {
                self.cancel(other);
            }
            return;
        }
        match chain.source {
            Source::Program => self.fire(d, cancelled()),
            Source::Canceller(id, answer) => {
                chain.source = Source::Program;
                self.canceller_called(id);
                let answer = answer.clone().map_or_else(cancelled, name_failure);
                self.fire(d, answer);
            }
            Source::List(group) => self.cancel_children(group, None),
            Source::Race(group) => {
                self.cancel_children(group, None);
                self.fire(d, cancelled());
            }
            Source::Queue(queue) => {
                self.leave_queue(queue, d);
                self.fire(d, cancelled());
            }
            Source::Limit(limit) => {
                self.leave_limit(limit, d);
                self.fire(d, cancelled());
            }
            Source::Coroutine(coroutine) => self.cancel_coroutine(coroutine),
        }
    }
}
