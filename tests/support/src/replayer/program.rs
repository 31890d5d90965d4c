//! The operations of a program.

use std::sync::Arc;

use super::value::{ProgramError, Value};

/// The number by which a program names a deferred.
pub type Id = u32;

/// A program as read from a line of a file.
#[derive(Debug)]
pub struct Program {
    pub id: String,
    pub ops: Vec<Op>,
    /// The events that Twisted left, if the line has them.
    pub trace: Option<Vec<serde_json::Value>>,
}

/// One operation.
#[derive(Clone, Debug)]
pub enum Op {
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
pub type Outcome = Result<Value, ProgramError>;

/// What the canceller of a deferred answers; `None` leaves it unfired.
pub type Canceller = Option<Outcome>;

/// The flags of a `list`.
#[derive(Clone, Copy, Debug)]
pub struct ListMode {
    pub first_ok: bool,
    pub first_err: bool,
    pub consume: bool,
}

/// What a stage does: operations first, then one conclusion.
#[derive(Clone, Debug)]
pub struct Action {
    pub ops: Vec<Op>,
    pub conclusion: Conclusion,
}

/// How a stage ends.
#[derive(Clone, Debug)]
pub enum Conclusion {
    /// With a result that is there.
    Now(Now),
    /// With the result of another deferred.
    Defer(Id),
}

/// A result that a stage has at once.
#[derive(Clone, Debug)]
pub enum Now {
    Pass,
    Return(Value),
    Increase(i64),
    Raise(ProgramError),
}

/// One step of a coroutine.
#[derive(Clone, Debug)]
pub enum Step {
    Await(Id),
    Try(Id),
    Return(Value),
    ReturnLast,
    Raise(ProgramError),
}

impl Op {
    /// Whether performing this may leave work to tasks of a runtime.
    pub fn needs_tasks(&self) -> bool {
        let action_does = |action: &Action| action.ops.iter().any(Op::needs_tasks);
        match self {
            Op::SemaphoreRun(..) | Op::LockRun(..) | Op::Coroutine(..) => true,
            Op::Add(_, on_value, on_failure) => on_value.iter().chain(on_failure).any(action_does),
            Op::Both(_, action) => action_does(action),
            _ => false,
        }
    }
}
