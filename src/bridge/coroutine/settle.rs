//! What becomes of a coroutine that is pending: who polls it next.

use super::cancel::{self, Applied};
use super::task::Task;
use super::{Output, Phase, Resumed, Shared, Spawner, TaskState, WokenBy, YIELDS, end};
use crate::bridge::deliver_failure;
use crate::core::CancelRequest;
use crate::failure::{Failure, NoRuntime};
use crate::sync::lock;
use std::task::Waker;

/// Where a runner is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Here {
    /// Under no lock: it may poll.
    MayPoll,
    /// Inside a waker that is no fire's: the poll is the task's.
    InWaker,
}

/// What a runner does next.
enum Next {
    /// It applies a cancel that was kept.
    Apply(CancelRequest),
    /// It polls the future.
    Poll,
    /// Nothing: it is the runner no more.
    Leave,
    /// It wakes the task, and is the runner no more.
    Wake(Waker),
    /// It spawns the task.
    Spawn,
    /// It ends the coroutine, whose task is gone.
    End,
}

/// Applies the cancels that were kept, and leaves the coroutine to who polls it
/// next. Returns whether that is the caller.
///
/// By the runner, after a poll or a wake.
#[track_caller]
pub(super) fn settle<F, T, S>(co: &Shared<F, T, S>, here: Here) -> bool
where
    F: Future<Output = Output<T>> + Send + 'static,
    T: Send + 'static,
    S: Spawner,
{
    let control = co.control();
    loop {
        match next(co, here) {
            // It was kept for after a poll, and this is after it, although the
            // future may be woken again by now.
            Next::Apply(request) => match cancel::apply(co, request) {
                Applied::GoesOn => {}
                Applied::Over => return false,
            },
            Next::Poll => return true,
            Next::Leave => return false,
            Next::Wake(task) => {
                task.wake();
                return false;
            }
            Next::Spawn => {
                if let Err(none) = control.spawner.spawn(|| Task::new(co.clone()))
                    && !stay_without_task(co)
                {
                    let failure = Failure::from_error(none, control.made);
                    let ended = co.clone();
                    // An errback may start it again.
                    deliver_failure(control.made, move || end(&ended, failure));
                    return false;
                }
            }
            Next::End => {
                // That its runtime shut down is news to nobody.
                let failure = Failure::quiet(NoRuntime::shut_down(), control.made);
                let ended = co.clone();
                deliver_failure(control.made, move || end(&ended, failure));
                return false;
            }
        }
    }
}

/// Decides what the runner does next, and takes the coroutine to its next phase.
fn next<F, T, S>(co: &Shared<F, T, S>, here: Here) -> Next
where
    F: Future<Output = Output<T>> + Send + 'static,
    T: Send + 'static,
    S: Spawner,
{
    let awaits = co.turn().local().awaited.is_awaiting();
    let mut status = lock(&co.control().status);
    if let Some(request) = status.kept.pop() {
        return Next::Apply(request);
    }
    let in_fires = status.resumed == Resumed::InFires;
    let woken = match status.phase {
        Phase::RunAgain(WokenBy::Fire) if in_fires && here == Here::MayPoll => {
            status.phase = Phase::Running;
            return Next::Poll;
        }
        Phase::RunAgain(WokenBy::Itself)
            if in_fires && awaits && status.yields < YIELDS && here == Here::MayPoll =>
        {
            status.yields += 1;
            status.phase = Phase::Running;
            return Next::Poll;
        }
        Phase::RunAgain(_) => true,
        _ => false,
    };
    let phase = if woken { Phase::Woken } else { Phase::Waiting };
    if in_fires && awaits && !woken {
        status.phase = phase;
        return Next::Leave;
    }
    let next = match &status.task {
        TaskState::Known(task) if woken => Next::Wake(task.clone()),
        TaskState::Known(_) | TaskState::Spawned => Next::Leave,
        TaskState::None => {
            status.task = TaskState::Spawned;
            return Next::Spawn;
        }
        TaskState::Gone => return Next::End,
    };
    status.phase = phase;
    next
}

/// Makes fires resume a coroutine for whose task there is no runtime, if they can
/// be relied on to do that; returns whether they can. By its runner.
fn stay_without_task<F, T, S>(co: &Shared<F, T, S>) -> bool
where
    F: Future<Output = Output<T>> + Send + 'static,
    T: Send + 'static,
    S: Spawner,
{
    let awaits = co.turn().local().awaited.is_awaiting();
    let mut status = lock(&co.control().status);
    status.task = TaskState::None;
    let relied_on = match status.phase {
        Phase::RunAgain(WokenBy::Other) => false,
        Phase::RunAgain(WokenBy::Fire) => true,
        _ => awaits,
    };
    let changes = status.resumed == Resumed::ByTask;
    status.resumed = Resumed::InFires;
    relied_on && changes
}
