//! Long work in small steps, in turn with other work.
//!
//! A [`Cooperator`] has a queue of the tasks that have a step to do, and, while
//! that is not empty, one worker: a Tokio task that takes the first, does one
//! step of it, puts it back at the end, and lets Tokio's other tasks run.
//! Invariants:
//!
//! 1. A task is in the queue at most once (`queued`), and only while it is not
//!    over, not paused and not waiting; the worker has it instead while it does
//!    its step.
//! 2. Who puts the first task into an empty queue starts a worker (`working`).
//! 3. Whoever sets `over` takes the waiters along, and fires them under no
//!    lock. Nothing changes afterwards.
//! 4. The iterator belongs to whoever took it out of `steps`: the worker, for
//!    one step. It is dropped under no lock.
//!
//! The two locks, of the queue and of a task, are never held at once.

use crate::bridge::find_runtime;
use crate::chain::{Deferred, Outcome, Resolver};
use crate::core::{CancelRequest, Delegate};
use crate::failure::{Failure, NoRuntime, lock, quietly, report};
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use tokio::runtime::Handle;

/// What is left of an iterator, a step at a time.
type Steps = Box<dyn FnMut() -> Option<Deferred<()>> + Send>;

/// Does the steps of several iterators in turn, and lets the runtime's other
/// tasks run between them: Twisted's `Cooperator`.
///
/// Clones are the same Cooperator. Dropping it changes nothing for its tasks.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
/// use tokio_deferred::task::Cooperator;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let (tx, rx) = mpsc::channel();
/// let cooperator = Cooperator::new();
/// let count = |name: &'static str| {
///     let tx = tx.clone();
///     cooperator.cooperate((1..=2).map(move |n| tx.send((name, n)).unwrap()))
/// };
/// let (a, b) = (count("a"), count("b"));
/// a.when_done().await.unwrap();
/// b.when_done().await.unwrap();
/// let steps: Vec<_> = rx.try_iter().collect();
/// assert_eq!(steps, [("a", 1), ("b", 1), ("a", 2), ("b", 2)]);
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Cooperator {
    queue: Arc<Mutex<Queue>>,
}

#[derive(Default)]
struct Queue {
    tasks: VecDeque<Arc<Task>>,
    working: bool,
    stopped: bool,
}

/// One iterator on its way: Twisted's `CooperativeTask`.
///
/// Clones are the same task. Dropping it changes nothing.
#[derive(Clone)]
pub struct CooperativeTask {
    task: Arc<Task>,
}

struct Task {
    state: Mutex<State>,
    cooperator: Cooperator,
    runtime: Option<Handle>,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the task is not paused")]
#[non_exhaustive]
pub struct NotPaused;

/// Does the steps of `iterator` on a [`Cooperator`] of its own: Twisted's
/// `cooperate`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tokio_deferred::task::{cooperate, defer_later};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// let start = tokio::time::Instant::now();
/// let pages = (1..=3).map(|_| defer_later(Duration::from_secs(2), || Ok(())));
/// cooperate(pages).when_done().await.unwrap();
/// assert_eq!(start.elapsed().as_secs(), 6); // one after the other
/// # }
/// ```
#[track_caller]
pub fn cooperate<I>(iterator: I) -> CooperativeTask
where
    I: IntoIterator<IntoIter: Send + 'static>,
    I::Item: Outcome,
{
    Cooperator::new().cooperate(iterator)
}

impl Cooperator {
    /// Makes a Cooperator that is started and has no tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Does the steps of `iterator`, beginning on the next turn of the current
    /// runtime, else of the default one.
    ///
    /// A step is a call of the iterator's `next`. If that gives a [`Deferred`],
    /// the task waits for it; a failure, or a panic, ends the task.
    ///
    /// # Errors
    ///
    /// Without a Tokio runtime, or when that shuts down, the task fails with
    /// [`NoRuntime`]; when the Cooperator is stopped, with
    /// [`TaskFinished::SchedulerStopped`].
    #[track_caller]
    pub fn cooperate<I>(&self, iterator: I) -> CooperativeTask
    where
        I: IntoIterator<IntoIter: Send + 'static>,
        I::Item: Outcome,
    {
        let mut iterator = iterator.into_iter();
        let steps: Steps = Box::new(move || {
            let step = iterator.next()?;
            Some(step.into_deferred().map(drop))
        });
        let runtime = find_runtime(None);
        let task = Arc::new(Task {
            state: Mutex::new(State {
                steps: Some(steps),
                pauses: 0,
                waiting: false,
                queued: false,
                over: None,
                waiters: Vec::new(),
                asked: false,
            }),
            cooperator: self.clone(),
            runtime: runtime.as_ref().ok().cloned(),
            made: Location::caller(),
        });
        match runtime {
            Ok(_) => task.enqueue(),
            Err(none) => task.fail(none.into()),
        }
        CooperativeTask { task }
    }

    /// Does the steps of `iterator`, and returns a Deferred of its end; its
    /// cancel stops the task: Twisted's `coiterate`.
    #[track_caller]
    pub fn coiterate<I>(&self, iterator: I) -> Deferred<()>
    where
        I: IntoIterator<IntoIter: Send + 'static>,
        I::Item: Outcome,
    {
        let task = self.cooperate(iterator);
        let done = task.when_done();
        let resolver = Mutex::new(None);
        let wait = Arc::new(Coiterate { task, resolver });
        let (resolver, d) = Deferred::with_delegate(Location::caller(), wait.clone());
        *lock(&wait.resolver) = Some(resolver);
        done.end(move |result| wait.fire(result));
        d
    }

    /// Ends every task that has a step to do, with
    /// [`TaskFinished::SchedulerStopped`]; those that are paused or wait end so
    /// when they go on, and new ones at once.
    pub fn stop(&self) {
        let mut queue = lock(&self.queue);
        queue.stopped = true;
        let tasks = std::mem::take(&mut queue.tasks);
        drop(queue);
        for task in tasks {
            task.end(TaskFinished::SchedulerStopped);
        }
    }

    /// Takes tasks again after a [`stop`](Cooperator::stop).
    pub fn start(&self) {
        lock(&self.queue).stopped = false;
    }

    /// Returns whether tasks have steps to do now.
    pub fn is_running(&self) -> bool {
        lock(&self.queue).working
    }

    /// Takes the first task, or ends the worker.
    fn next(&self) -> Option<Arc<Task>> {
        let mut queue = lock(&self.queue);
        let task = queue.tasks.pop_front();
        queue.working = task.is_some();
        task
    }
}

/// A Deferred of a task's end whose cancel stops the task. Who takes the
/// resolver fires it.
struct Coiterate {
    task: CooperativeTask,
    resolver: Mutex<Option<Resolver<()>>>,
}

impl Coiterate {
    fn fire(&self, result: Result<(), Failure>) {
        let resolver = lock(&self.resolver).take();
        if let Some(resolver) = resolver {
            resolver.fire(result);
        }
    }
}

impl Delegate for Coiterate {
    fn cancel(&self, request: CancelRequest) {
        let resolver = lock(&self.resolver).take();
        // If it is over, its result has no resolver left to fire.
        let _ = self.task.stop();
        if let Some(resolver) = resolver {
            resolver.fire(Err(request.into_failure()));
        }
    }
}

/// A Cooperator's worker. Dropped at work, with its runtime, it ends the tasks
/// that have a step to do.
struct Worker {
    cooperator: Cooperator,
    at_work: bool,
}

impl Worker {
    async fn work(mut self) {
        while let Some(task) = self.cooperator.next() {
            task.step();
            yield_now().await;
        }
        self.at_work = false;
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        while self.at_work {
            match self.cooperator.next() {
                Some(task) => task.fail(NoRuntime::new().into()),
                None => self.at_work = false,
            }
        }
    }
}

/// Lets the tasks that are ready run. Tokio's own also waits for its drivers,
/// each time.
async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Task {
    /// Puts the task into the queue, if it has a step to do and is not there.
    fn enqueue(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        if state.over.is_some() || state.queued || state.waiting || state.pauses > 0 {
            return;
        }
        state.queued = true;
        drop(state);
        let mut queue = lock(&self.cooperator.queue);
        if queue.stopped {
            drop(queue);
            self.end(TaskFinished::SchedulerStopped);
            return;
        }
        queue.tasks.push_back(self.clone());
        let idle = !std::mem::replace(&mut queue.working, true);
        drop(queue);
        if idle && let Some(runtime) = &self.runtime {
            let worker = Worker {
                cooperator: self.cooperator.clone(),
                at_work: true,
            };
            runtime.spawn(worker.work());
        }
    }

    /// Does one step; by the worker, which took the task from the queue.
    fn step(self: &Arc<Self>) {
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
            Err(payload) => self.fail(Failure::panicked(payload, self.made)),
            Ok(None) => {
                let _ = self.finish(TaskFinished::Done, Ok(()));
            }
            Ok(Some(d)) => match d.try_result() {
                Ok(Ok(())) => {
                    self.put_back(steps, false);
                    return;
                }
                Ok(Err(failure)) => self.fail(failure),
                Err(pending) => {
                    if self.put_back(steps, true) {
                        let task = self.clone();
                        pending.end(move |result| task.go_on(result));
                    }
                    return;
                }
            },
        }
        quietly("the drop of an iterator", || drop(steps));
    }

    /// Gives the iterator back after a step, and waits if `waiting`, or else
    /// gets into the queue again. False if the task was stopped meanwhile.
    fn put_back(self: &Arc<Self>, steps: Steps, waiting: bool) -> bool {
        let mut state = lock(&self.state);
        if state.over.is_some() {
            drop(state);
            quietly("the drop of an iterator", || drop(steps));
            return false;
        }
        state.steps = Some(steps);
        state.waiting = waiting;
        state.queued = false;
        drop(state);
        self.enqueue();
        true
    }

    /// Takes in what the Deferred of a step came to.
    fn go_on(self: &Arc<Self>, result: Result<(), Failure>) {
        lock(&self.state).waiting = false;
        match result {
            Ok(()) => self.enqueue(),
            Err(failure) => self.fail(failure),
        }
    }

    fn fail(&self, failure: Failure) {
        let _ = self.finish(TaskFinished::Failed, Err(failure));
    }

    /// Ends the task with what `how` says as the failure.
    fn end(&self, how: TaskFinished) {
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
        quietly("the drop of an iterator", || drop(steps));
        for waiter in waiters {
            waiter.fire(result.clone());
        }
        Ok(())
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
    #[doc(alias = "whenDone")]
    #[track_caller]
    pub fn when_done(&self) -> Deferred<()> {
        let made = Location::caller();
        let mut state = lock(&self.task.state);
        state.asked = true;
        if let Some(over) = &state.over {
            let result = over.result.clone();
            drop(state);
            return Deferred::ready(result, made);
        }
        let mut cancelled = Vec::new();
        if state.waiters.len() == state.waiters.capacity() {
            let all = std::mem::take(&mut state.waiters);
            let (gone, live) = all.into_iter().partition(Resolver::is_cancelled);
            (cancelled, state.waiters) = (gone, live);
        }
        let (resolver, d) = Deferred::new();
        state.waiters.push(resolver);
        drop(state);
        drop(cancelled);
        d
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
    /// done. A Deferred that it waits for is left alone.
    ///
    /// # Errors
    ///
    /// How it ended, if it is over.
    pub fn stop(&self) -> Result<(), TaskFinished> {
        let failure = Failure::from_error(TaskFinished::Stopped, self.task.made);
        self.task.finish(TaskFinished::Stopped, Err(failure))
    }
}

impl fmt::Debug for Cooperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queue = lock(&self.queue);
        f.debug_struct("Cooperator")
            .field("ready", &queue.tasks.len())
            .field("stopped", &queue.stopped)
            .finish()
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
