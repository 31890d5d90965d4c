//! Long work in small steps, in turn with other work.
//!
//! A [`Cooperator`] makes [`Task`]s and puts them into its [`RunQueue`], whose
//! worker does their steps.

use super::cooperative::{CooperativeTask, Steps, Task, TaskFinished};
use super::run_queue::RunQueue;
use crate::bridge::find_runtime;
use crate::chain::{Deferred, FireOnce, Outcome};
use crate::core::{CancelRequest, Delegate};
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

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
#[derive(Clone)]
pub struct Cooperator {
    queue: Arc<RunQueue<Task>>,
}

impl Default for Cooperator {
    fn default() -> Self {
        Self::new()
    }
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
        let queue = RunQueue::new();
        Cooperator { queue }
    }

    /// Does the steps of `iterator`, beginning on the next turn of the current
    /// runtime, else of the default one.
    ///
    /// A step is a call of the iterator's `next`. If that gives a [`Deferred`],
    /// the task waits for it; a failure, or a panic, ends the task. One that comes
    /// after the task was stopped is reported as unhandled.
    ///
    /// # Errors
    ///
    /// Without a Tokio runtime, or when that shuts down, the task fails with
    /// [`NoRuntime`](crate::NoRuntime); when the Cooperator is stopped, with
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
        let queue = self.queue.clone();
        let task = match runtime {
            Ok(runtime) => {
                let task = Task::new(steps, Some((queue, runtime)), made);
                task.enqueue();
                task
            }
            Err(none) => {
                let task = Task::new(steps, None, made);
                task.fail_with(none);
                task
            }
        };
        CooperativeTask { task }
    }

    /// Does the steps of `iterator`, and returns a Deferred of its end; its
    /// cancel stops the task: Twisted's `coiterate`.
    ///
    /// A step that fails after the cancel is reported as unhandled.
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
        for task in self.queue.close() {
            task.end(TaskFinished::SchedulerStopped);
        }
    }

    /// Takes tasks again after a [`stop`](Cooperator::stop).
    pub fn start(&self) {
        self.queue.reopen();
    }

    /// Returns whether tasks have steps to do now.
    pub fn is_running(&self) -> bool {
        self.queue.is_working()
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

impl fmt::Debug for Cooperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cooperator")
            .field("ready", &self.queue.len())
            .field("stopped", &self.queue.is_closed())
            .finish()
    }
}
