//! One iterator on its way, a step at a time.
//!
//! Rules:
//!
//! - *\[once in the queue\]* A task is in its queue at most once (`queued`), and
//!   only while it is not over, not paused and not waiting. The worker has it
//!   instead while it does its step.
//! - *\[one end\]* Whoever sets `over` takes the waiters along, and fires them under
//!   no lock. Nothing changes afterwards; a step that fails then is reported, for
//!   nobody will ask for it.
//! - *\[one owner\]* The iterator belongs to whoever took it out of `steps`: the
//!   worker, for one step. It is dropped under no lock.
//!
//! The two locks, of the queue and of a task, are never held at once.

use super::run_queue::{Job, RunQueue};
use crate::bridge::failed_start;
use crate::chain::{Deferred, Resolver};
use crate::failure::{Failure, NoRuntime, catch_and_log, report};
use crate::sync::lock;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Arc, Mutex};
use tokio::runtime::Handle;

/// What is left of an iterator, a step at a time.
pub(super) type Steps = Box<dyn FnMut() -> Option<Deferred<()>> + Send>;

/// One iterator on its way: Twisted's `CooperativeTask`.
///
/// Clones are the same task. Dropping it changes nothing.
///
/// # Examples
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicUsize, Ordering}};
/// use tokio_deferred::{Deferred, task};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let done = Arc::new(AtomicUsize::new(0));
/// let count = Arc::clone(&done);
/// let steps = (0..100).map(move |_| {
///     count.fetch_add(1, Ordering::Relaxed);
///     Deferred::succeed(())
/// });
/// let task = task::cooperate(steps);
/// task.when_done().await.unwrap();
/// assert_eq!(done.load(Ordering::Relaxed), 100);
/// # }
/// ```
#[derive(Clone)]
pub struct CooperativeTask {
    pub(super) task: Arc<Task>,
}

pub(super) struct Task {
    state: Mutex<State>,
    /// None without a runtime: such a task has ended.
    queue: Option<(Arc<RunQueue<Task>>, Handle)>,
    made: &'static Location<'static>,
}

struct State {
    steps: Option<Steps>,
    pauses: usize,
    /// For the Deferred that a step returned.
    waiting: bool,
    queued: bool,
    over: Option<Over>,
    waiters: Vec<Resolver<()>>,
    /// Whether anybody was told how it ended.
    asked: bool,
}

#[derive(Clone)]
struct Over {
    how: TaskFinished,
    result: Result<(), Failure>,
}

/// The task is over: Twisted's `TaskFinished` and its subclasses.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, task::{self, TaskFinished}};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let task = task::cooperate(std::iter::repeat_with(|| Deferred::succeed(())));
/// task.stop().unwrap();
/// assert_eq!(task.stop(), Err(TaskFinished::Stopped));
/// let error = task.when_done().await.unwrap_err();
/// assert_eq!(error.downcast_ref::<TaskFinished>(), Some(&TaskFinished::Stopped));
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TaskFinished {
    /// The iterator came to its end: Twisted's `TaskDone`.
    #[error("the task is done")]
    Done,
    /// A step failed or panicked: Twisted's `TaskFailed`.
    #[error("the task has failed")]
    Failed,
    /// It was stopped: Twisted's `TaskStopped`.
    #[error("the task was stopped")]
    Stopped,
    /// Its Cooperator was stopped: Twisted's `SchedulerStopped`.
    #[error("the cooperator was stopped")]
    SchedulerStopped,
}

/// The task was resumed more often than it was paused: Twisted's `NotPaused`.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, task};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let task = task::cooperate([Deferred::succeed(())]);
/// task.pause().unwrap();
/// assert!(task.resume().is_ok());
/// assert!(task.resume().is_err()); // NotPaused
/// # task.when_done().await.unwrap();
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the task is not paused")]
#[non_exhaustive]
pub struct NotPaused;

impl Task {
    /// Makes a task whose steps are done in `queue`, where it is not yet.
    pub(super) fn new(
        steps: Steps,
        queue: Option<(Arc<RunQueue<Task>>, Handle)>,
        made: &'static Location<'static>,
    ) -> Arc<Self> {
        let state = Mutex::new(State {
            steps: Some(steps),
            pauses: 0,
            waiting: false,
            queued: false,
            over: None,
            waiters: Vec::new(),
            asked: false,
        });
        Arc::new(Task { state, queue, made })
    }

    /// Puts the task into the queue, if it has a step to do and is not there.
    pub(super) fn enqueue(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        if state.over.is_some() || state.queued || state.waiting || state.pauses > 0 {
            return;
        }
        state.queued = true;
        drop(state);
        if let Some((queue, runtime)) = &self.queue
            && !queue.push(self.clone(), runtime)
        {
            self.end(TaskFinished::SchedulerStopped);
        }
    }

    /// Gives the iterator back after a step, and waits if `waiting`, or else
    /// gets into the queue again. False if the task was stopped meanwhile.
    fn put_back(self: &Arc<Self>, steps: Steps, waiting: bool) -> bool {
        let mut state = lock(&self.state);
        if state.over.is_some() {
            drop(state);
            catch_and_log("the drop of an iterator", || drop(steps));
            return false;
        }
        state.steps = Some(steps);
        state.waiting = waiting;
        state.queued = false;
        drop(state);
        self.enqueue();
        true
    }

    /// Takes in the result of the Deferred that a step returned.
    fn go_on(self: &Arc<Self>, result: Result<(), Failure>) {
        lock(&self.state).waiting = false;
        match result {
            Ok(()) => self.enqueue(),
            Err(failure) => self.step_failed(failure),
        }
    }

    /// Ends the task with the failure of a step, or, if it is over, reports that.
    fn step_failed(&self, failure: Failure) {
        let result = Err(failure.clone());
        if self.finish(TaskFinished::Failed, result).is_err() {
            report(failure, self.made, None);
        }
    }

    /// Fails the task for want of a runtime.
    pub(super) fn fail_with(&self, none: NoRuntime) {
        let failure = Failure::from_error(none, self.made);
        let _ = self.finish(TaskFinished::Failed, Err(failure));
    }

    /// Ends the task with what `how` says as the failure.
    pub(super) fn end(&self, how: TaskFinished) {
        let _ = self.finish(how, Err(Failure::from_error(how, self.made)));
    }

    /// Ends the task.
    ///
    /// # Errors
    ///
    /// How it ended before, if it is over.
    fn finish(&self, how: TaskFinished, result: Result<(), Failure>) -> Result<(), TaskFinished> {
        let mut state = lock(&self.state);
        if let Some(over) = &state.over {
            return Err(over.how);
        }
        state.over = Some(Over {
            how,
            result: result.clone(),
        });
        let steps = state.steps.take();
        let waiters = std::mem::take(&mut state.waiters);
        drop(state);
        catch_and_log("the drop of an iterator", || drop(steps));
        for waiter in waiters {
            let seen = waiter.is_observed();
            waiter.fire(if seen {
                result.clone()
            } else {
                Err(Failure::unseen(self.made))
            });
        }
        Ok(())
    }
}

impl Job for Task {
    fn step(self: Arc<Self>) {
        let mut state = lock(&self.state);
        if state.over.is_some() || state.pauses > 0 {
            state.queued = false;
            return;
        }
        let Some(mut steps) = state.steps.take() else {
            return;
        };
        drop(state);
        match catch_unwind(AssertUnwindSafe(&mut steps)) {
            Err(payload) => self.step_failed(Failure::panicked(payload, self.made)),
            Ok(None) => {
                let _ = self.finish(TaskFinished::Done, Ok(()));
            }
            Ok(Some(d)) => match d.try_result() {
                Ok(Ok(())) => {
                    self.put_back(steps, false);
                    return;
                }
                Ok(Err(failure)) => self.step_failed(failure),
                Err(pending) => {
                    // If the task was stopped meanwhile, the Deferred goes its own
                    // way, and reports its failure itself.
                    if self.put_back(steps, true) {
                        let task = self.clone();
                        pending.end(move |result| task.go_on(result));
                    }
                    return;
                }
            },
        }
        catch_and_log("the drop of an iterator", || drop(steps));
    }

    fn fail(self: Arc<Self>, none: NoRuntime) {
        self.fail_with(none);
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(|e| e.into_inner());
        // A failure that nobody asked for must not vanish.
        if !state.asked
            && let Some(over) = state.over.take()
            && let (TaskFinished::Failed, Err(failure)) = (over.how, over.result)
        {
            report(failure, self.made, None);
        }
    }
}

impl CooperativeTask {
    /// Returns a Deferred of the task's end, which it has already if the task
    /// is over: Twisted's `whenDone`.
    ///
    /// Each call returns a new one; cancelling it leaves the task alone. A
    /// failure of the task that nobody asked for is reported as unhandled.
    ///
    /// # Errors
    ///
    /// The failure that ended the task, or [`TaskFinished::Stopped`].
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::task::{TaskFinished, cooperate};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let task = cooperate(std::iter::repeat_with(|| ()));
    /// let done = task.when_done();
    /// task.pause().unwrap();
    /// task.resume().unwrap();
    /// task.stop().unwrap();
    /// assert!(done.await.unwrap_err().is::<TaskFinished>());
    /// # }
    /// ```
    #[doc(alias = "whenDone")]
    #[track_caller]
    pub fn when_done(&self) -> Deferred<()> {
        let made = Location::caller();
        let mut state = lock(&self.task.state);
        state.asked = true;
        if let Some(over) = &state.over {
            let result = over.result.clone();
            drop(state);
            return match result {
                Ok(()) => Deferred::ready(Ok(()), made),
                Err(failure) => failed_start(failure, made),
            };
        }
        let mut gone = Vec::new();
        if state.waiters.len() == state.waiters.capacity() {
            let all = std::mem::take(&mut state.waiters);
            (state.waiters, gone) = all.into_iter().partition(Resolver::is_observed);
        }
        let (resolver, d) = Deferred::new();
        state.waiters.push(resolver);
        drop(state);
        for waiter in gone {
            waiter.fire(Err(Failure::unseen(self.task.made)));
        }
        d.fired_by("a cooperative task")
    }

    /// Lets no further step begin until it is [resumed](CooperativeTask::resume)
    /// as often as it was paused.
    ///
    /// # Errors
    ///
    /// How it ended, if it is over.
    pub fn pause(&self) -> Result<(), TaskFinished> {
        let mut state = lock(&self.task.state);
        match &state.over {
            Some(over) => Err(over.how),
            None => {
                state.pauses += 1;
                Ok(())
            }
        }
    }

    /// Takes one pause back.
    ///
    /// # Errors
    ///
    /// [`NotPaused`], if there is none.
    pub fn resume(&self) -> Result<(), NotPaused> {
        let mut state = lock(&self.task.state);
        state.pauses = state.pauses.checked_sub(1).ok_or(NotPaused)?;
        drop(state);
        self.task.enqueue();
        Ok(())
    }

    /// Ends the task; its iterator is dropped, after the step that is being
    /// done. A Deferred that it waits for is left alone. A failure of that step or
    /// of that Deferred, which comes after the stop, is reported as unhandled.
    ///
    /// # Errors
    ///
    /// How it ended, if it is over.
    pub fn stop(&self) -> Result<(), TaskFinished> {
        let failure = Failure::from_error(TaskFinished::Stopped, self.task.made);
        self.task.finish(TaskFinished::Stopped, Err(failure))
    }
}

impl fmt::Debug for CooperativeTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.task.state);
        f.debug_struct("CooperativeTask")
            .field("paused", &(state.pauses > 0))
            .field("over", &state.over.as_ref().map(|over| over.how))
            .finish()
    }
}
