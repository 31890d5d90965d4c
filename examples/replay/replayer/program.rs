//! The operations of a program.

use std::sync::Arc;

use super::value::{ProgramError, Value};

/// The number by which a program names a deferred.
pub(crate) type Id = u32;

/// A program as read from a line of a file.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) id: String,
    pub(crate) ops: Vec<Op>,
    /// The events that Twisted left, if the line has them.
    pub(crate) trace: Option<Vec<serde_json::Value>>,
}

/// One operation.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    New(Id, Option<Canceller>),
    Succeed(Id, Value),
    Fail(Id, ProgramError),
    Add(Id, Option<Action>, Option<Action>),
    Both(Id, Action),
    Fire(Id, Outcome),
    Cancel(Id),
    Pause(Id),
    Unpause(Id),
    Chain(Id, Id),
    List(Id, Vec<Id>, ListMode),
    Gather(Id, Vec<Id>),
    Race(Id, Vec<Id>),
    Semaphore(Id, usize),
    Lock(Id),
    SemaphoreRun(Id, Id, Action),
    LockRun(Id, Id, Action),
    Queue(Id, Option<usize>, Option<usize>),
    Put(Id, Value),
    Get(Id, Id),
    Drop(Id),
    Coroutine(Id, Arc<[Step]>),
    /// What is wrong with something that is no operation. That counts when it is
    /// to be performed: some actions are never reached.
    Unreadable(String),
}

/// A value or a failure that a program makes.
pub(crate) type Outcome = Result<Value, ProgramError>;

/// What the canceller of a deferred answers; `None` leaves it unfired.
pub(crate) type Canceller = Option<Outcome>;

/// The flags of a `list`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListMode {
    pub(crate) first_ok: bool,
    pub(crate) first_err: bool,
    pub(crate) consume: bool,
}

/// What a stage does: operations first, then one conclusion.
#[derive(Clone, Debug)]
pub(crate) struct Action {
    pub(crate) ops: Vec<Op>,
    pub(crate) conclusion: Conclusion,
}

/// How a stage ends.
#[derive(Clone, Debug)]
pub(crate) enum Conclusion {
    /// With a result that is there.
    Now(Now),
    /// With the result of another deferred.
    Defer(Id),
}

/// A result that a stage has at once.
#[derive(Clone, Debug)]
pub(crate) enum Now {
    Pass,
    Return(Value),
    Increase(i64),
    Raise(ProgramError),
}

/// One step of a coroutine.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Await(Id),
    Try(Id),
    Return(Value),
    ReturnLast,
    Raise(ProgramError),
}

impl Op {
    /// Whether performing this may leave work to tasks of a runtime.
    pub(crate) fn needs_tasks(&self) -> bool {
        let action_does = |action: &Action| action.ops.iter().any(Op::needs_tasks);
        match self {
            Op::SemaphoreRun(..) | Op::LockRun(..) | Op::Coroutine(..) => true,
            Op::Add(_, on_value, on_failure) => on_value.iter().chain(on_failure).any(action_does),
            Op::Both(_, action) => action_does(action),
            _ => false,
        }
    }
}
