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

use super::cooperative::{CooperativeTask, Steps, Task, TaskFinished};
use crate::bridge::find_runtime;
use crate::chain::{Deferred, FireOnce, Outcome};
use crate::core::{CancelRequest, Delegate};
use crate::failure::NoRuntime;
use crate::sync::lock;
use std::collections::VecDeque;
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use tokio::runtime::Handle;

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
        let made = Location::caller();
        let steps: Steps = Box::new(move || {
            let step = iterator.next()?;
            Some(step.into_deferred(made).map(drop))
        });
        let runtime = find_runtime(None);
        let handle = runtime.as_ref().ok().cloned();
        let task = Task::new(steps, self.clone(), handle, Location::caller());
        match runtime {
            Ok(_) => task.enqueue(),
            Err(none) => task.fail_with(none),
        }
        CooperativeTask { task }
    }

    /// Does the steps of `iterator`, and returns a Deferred of its end; its
    /// cancel stops the task: Twisted's `coiterate`.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::task::Cooperator;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let endless = Cooperator::new().coiterate(std::iter::repeat_with(|| ()));
    /// endless.cancel();
    /// assert!(endless.await.unwrap_err().is_cancelled());
    /// # }
    /// ```
    #[track_caller]
    pub fn coiterate<I>(&self, iterator: I) -> Deferred<()>
    where
        I: IntoIterator<IntoIter: Send + 'static>,
        I::Item: Outcome,
    {
        let task = self.cooperate(iterator);
        let done = task.when_done();
        let resolver = FireOnce::empty();
        let wait = Arc::new(Coiterate { task, resolver });
        let (resolver, d) = Deferred::with_delegate(Location::caller(), wait.clone());
        let d = d.fired_by("a cooperative task");
        wait.resolver.put(resolver);
        done.end(move |result| wait.resolver.fire(result));
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

    /// Puts a task that has a step to do into the queue, and starts a worker on
    /// `runtime` if there is none. False if the Cooperator is stopped.
    pub(super) fn take_in(&self, task: &Arc<Task>, runtime: Option<&Handle>) -> bool {
        let mut queue = lock(&self.queue);
        if queue.stopped {
            return false;
        }
        queue.tasks.push_back(task.clone());
        let idle = !std::mem::replace(&mut queue.working, true);
        drop(queue);
        if idle && let Some(runtime) = runtime {
            let worker = Worker {
                cooperator: self.clone(),
                at_work: true,
            };
            runtime.spawn(worker.work());
        }
        true
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
    resolver: FireOnce<()>,
}

impl Delegate for Coiterate {
    fn cancel(self: Arc<Self>, request: CancelRequest) {
        let resolver = self.resolver.take();
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
                Some(task) => task.fail_with(NoRuntime::new()),
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

impl fmt::Debug for Cooperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queue = lock(&self.queue);
        f.debug_struct("Cooperator")
            .field("ready", &queue.tasks.len())
            .field("stopped", &queue.stopped)
            .finish()
    }
}
