//! Jobs that are done a step at a time, in turn, by one worker.
//!
//! Rules:
//!
//! - *\[one worker\]* Whoever puts the first job into an empty queue spawns the
//!   worker, a Tokio task, and sets `working`. The worker clears it in the step in
//!   which it finds the queue empty, and ends.
//! - *\[in turn\]* After each step the worker lets the runtime's other tasks run.
//! - *\[none left behind\]* A worker that is dropped by a runtime that shuts down
//!   fails the jobs that are in the queue.
//! - *\[no lock over a step\]* Steps and failures run under no lock.

use crate::failure::NoRuntime;
use crate::sync::lock;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use tokio::runtime::Handle;

/// What a [`RunQueue`] does with its jobs.
pub(super) trait Job: Send + Sync + 'static {
    /// Does one step. A job that has another one puts itself into the queue
    /// again.
    fn step(self: Arc<Self>);

    /// There is no runtime that would do the step.
    fn fail(self: Arc<Self>, none: NoRuntime);
}

/// The jobs that have a step to do.
pub(super) struct RunQueue<J> {
    state: Mutex<State<J>>,
}

struct State<J> {
    jobs: VecDeque<Arc<J>>,
    working: bool,
    is_closed: bool,
}

impl<J: Job> RunQueue<J> {
    pub(super) fn new() -> Arc<Self> {
        let state = Mutex::new(State {
            jobs: VecDeque::new(),
            working: false,
            is_closed: false,
        });
        Arc::new(RunQueue { state })
    }

    /// Puts a job at the end, and starts a worker on `runtime` if there is none.
    /// Returns false if the queue is closed.
    pub(super) fn push(self: &Arc<Self>, job: Arc<J>, runtime: &Handle) -> bool {
        let mut state = lock(&self.state);
        if state.is_closed {
            return false;
        }
        state.jobs.push_back(job);
        let was_working = std::mem::replace(&mut state.working, true);
        drop(state);
        if !was_working {
            let worker = Worker {
                queue: self.clone(),
                at_work: true,
            };
            runtime.spawn(worker.work());
        }
        true
    }

    /// Takes no jobs from now on, and returns those that are there.
    pub(super) fn close(&self) -> VecDeque<Arc<J>> {
        let mut state = lock(&self.state);
        state.is_closed = true;
        std::mem::take(&mut state.jobs)
    }

    /// Takes jobs again.
    pub(super) fn reopen(&self) {
        lock(&self.state).is_closed = false;
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.state).is_closed
    }

    pub(super) fn is_working(&self) -> bool {
        lock(&self.state).working
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.state).jobs.len()
    }

    /// Takes the first job, or ends the work.
    fn next(&self) -> Option<Arc<J>> {
        let mut state = lock(&self.state);
        let job = state.jobs.pop_front();
        state.working = job.is_some();
        job
    }
}

struct Worker<J: Job> {
    queue: Arc<RunQueue<J>>,
    at_work: bool,
}

impl<J: Job> Worker<J> {
    async fn work(mut self) {
        while let Some(job) = self.queue.next() {
            job.step();
            yield_now().await;
        }
        self.at_work = false;
    }
}

impl<J: Job> Drop for Worker<J> {
    fn drop(&mut self) {
        while self.at_work {
            match self.queue.next() {
                Some(job) => job.fail(NoRuntime::shut_down()),
                None => self.at_work = false,
            }
        }
    }
}

/// Lets the tasks that are ready run. Tokio's own also waits for its drivers,
/// each time.
async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
