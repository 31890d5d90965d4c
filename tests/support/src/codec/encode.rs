//! From operations to bytes, by which known programs become a start for the
//! fuzzer.

use super::{DEPTH, LENGTH, NAMES, WIDTH};
use crate::replayer::program::{
    Action, Canceller, Conclusion, Id, ListMode, Now, Op, Outcome, Step,
};
use crate::replayer::value::{ProgramError, Value};

/// Writes `ops`, unless they have something that bytes cannot say.
pub fn encode(ops: &[Op]) -> Option<Vec<u8>> {
    if ops.len() > LENGTH {
        return None;
    }
    let mut output = Output(Vec::new());
    for op in ops {
        output.op(op, 0)?;
    }
    Some(output.0)
}

struct Output(Vec<u8>);

/// Nothing, if there are no bytes for it.
type Written = Option<()>;

impl Output {
    fn byte(&mut self, byte: u8) -> Written {
        self.0.push(byte);
        Some(())
    }

    fn below(&mut self, n: u8, number: impl TryInto<u8>) -> Written {
        let number = number.try_into().ok().filter(|&number| number < n)?;
        self.byte(number)
    }

    fn id(&mut self, id: Id) -> Written {
        self.below(NAMES, id)
    }

    fn ids(&mut self, ids: &[Id]) -> Written {
        self.below(WIDTH, ids.len())?;
        ids.iter().try_for_each(|&id| self.id(id))
    }

    fn limit(&mut self, limit: Option<usize>) -> Written {
        self.byte(limit.map_or(Some(0), |limit| u8::try_from(limit + 1).ok())?)
    }

    fn value(&mut self, value: &Value) -> Written {
        match value {
            Value::Int(n) => self.byte(u8::try_from(*n).ok()?),
            _ => None,
        }
    }

    fn failure(&mut self, ProgramError(number): ProgramError) -> Written {
        self.byte(number)
    }

    fn outcome(&mut self, outcome: &Outcome) -> Written {
        match outcome {
            Ok(value) => {
                self.byte(0)?;
                self.value(value)
            }
            Err(error) => {
                self.byte(1)?;
                self.failure(*error)
            }
        }
    }

    fn canceller(&mut self, canceller: &Option<Canceller>) -> Written {
        match canceller {
            None => self.byte(0),
            Some(None) => self.byte(1),
            Some(Some(outcome)) => {
                self.byte(2)?;
                self.outcome(outcome)
            }
        }
    }

    /// The number of an operation and the name that follows it.
    fn head(&mut self, number: u8, id: Id) -> Written {
        self.byte(number)?;
        self.id(id)
    }

    fn op(&mut self, op: &Op, depth: usize) -> Written {
        match op {
            Op::New(id, canceller) => {
                self.head(0, *id)?;
                self.canceller(canceller)
            }
            Op::Succeed(id, value) => {
                self.head(1, *id)?;
                self.value(value)
            }
            Op::Fail(id, error) => {
                self.head(2, *id)?;
                self.failure(*error)
            }
            Op::Add(id, Some(on_value), Some(on_failure)) => {
                self.head(3, *id)?;
                self.action(on_value, depth)?;
                self.action(on_failure, depth)
            }
            Op::Add(id, Some(on_value), None) => {
                self.head(4, *id)?;
                self.action(on_value, depth)
            }
            Op::Add(id, None, on_failure) => {
                self.head(5, *id)?;
                self.action(on_failure.as_ref()?, depth)
            }
            Op::Both(id, action) => {
                self.head(6, *id)?;
                self.action(action, depth)
            }
            Op::Fire(id, outcome) => {
                self.head(7, *id)?;
                self.outcome(outcome)
            }
            Op::Cancel(id) => self.head(8, *id),
            Op::Pause(id) => self.head(9, *id),
            Op::Unpause(id) => self.head(10, *id),
            Op::Chain(source, target) => {
                self.head(11, *source)?;
                self.id(*target)
            }
            Op::List(id, children, mode) => {
                self.head(12, *id)?;
                self.ids(children)?;
                self.list_mode(*mode)
            }
            Op::Gather(id, children) => {
                self.head(13, *id)?;
                self.ids(children)
            }
            Op::Race(id, children) => {
                self.head(14, *id)?;
                self.ids(children)
            }
            Op::Queue(id, size, backlog) => {
                self.head(15, *id)?;
                self.limit(*size)?;
                self.limit(*backlog)
            }
            Op::Put(queue, value) => {
                self.head(16, *queue)?;
                self.value(value)
            }
            Op::Get(id, queue) => {
                self.head(17, *id)?;
                self.id(*queue)
            }
            Op::Drop(id) => self.head(18, *id),
            Op::Lock(id) => {
                self.byte(19)?;
                self.head(0, *id)
            }
            Op::Semaphore(id, tokens) => {
                self.byte(19)?;
                self.head(1, *id)?;
                self.below(WIDTH, *tokens)
            }
            Op::LockRun(id, lock, action) => {
                self.byte(20)?;
                self.head(0, *id)?;
                self.id(*lock)?;
                self.action(action, depth)
            }
            Op::SemaphoreRun(id, semaphore, action) => {
                self.byte(20)?;
                self.head(1, *id)?;
                self.id(*semaphore)?;
                self.action(action, depth)
            }
            Op::Coroutine(id, body) => {
                self.head(21, *id)?;
                self.steps(body)
            }
            Op::Unreadable(_) => None,
        }
    }

    fn list_mode(&mut self, mode: ListMode) -> Written {
        let flags = [mode.first_ok, mode.first_err, mode.consume];
        let flags = flags
            .iter()
            .rev()
            .fold(0, |all, &flag| all << 1 | u8::from(flag));
        self.byte(flags)
    }

    fn action(&mut self, action: &Action, depth: usize) -> Written {
        if depth < DEPTH {
            self.below(WIDTH, action.ops.len())?;
        } else if !action.ops.is_empty() {
            return None;
        }
        for op in &action.ops {
            self.op(op, depth + 1)?;
        }
        match &action.conclusion {
            Conclusion::Now(Now::Pass) => self.byte(0),
            Conclusion::Now(Now::Return(value)) => {
                self.byte(1)?;
                self.value(value)
            }
            Conclusion::Now(Now::Increase(by)) => {
                self.byte(2)?;
                self.byte(u8::try_from(*by).ok()?)
            }
            Conclusion::Now(Now::Raise(error)) => {
                self.byte(3)?;
                self.failure(*error)
            }
            Conclusion::Defer(id) => self.head(4, *id),
        }
    }

    fn steps(&mut self, steps: &[Step]) -> Written {
        self.below(WIDTH, steps.len().checked_sub(1)?)?;
        steps.iter().try_for_each(|step| match step {
            Step::Await(id) => self.head(0, *id),
            Step::Try(id) => self.head(1, *id),
            Step::ReturnLast => self.byte(0),
            Step::Return(value) => {
                self.byte(1)?;
                self.value(value)
            }
            Step::Raise(error) => {
                self.byte(2)?;
                self.failure(*error)
            }
        })
    }
}
