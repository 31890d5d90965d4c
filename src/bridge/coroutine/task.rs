//! The task of a coroutine, and the runtime that it is spawned on.

use super::settle::{Here, settle};
use super::{Output, Phase, Shared, TaskState, WokenBy, finish, poll};
use crate::bridge::adopt::adopt_or_spawn;
use crate::bridge::runtime::{self, find_runtime};
use crate::failure::NoRuntime;
use crate::sync::lock;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};
use tokio::runtime::{EnterGuard, Handle};

/// Where coroutines are spawned.
pub(in crate::bridge) trait Spawner: Send + Sync + 'static {
    /// Spawns what `make` makes.
    ///
    /// # Errors
    ///
    /// If there is no runtime; then nothing is made.
    #[track_caller]
    fn spawn<K>(&self, make: impl FnOnce() -> K) -> Result<(), NoRuntime>
    where
        K: Future<Output = ()> + Send + 'static;

    /// Remembers the runtime that is current.
    fn remember_current(&self) {}

    /// Enters the runtime for a poll by a thread that is none of its own, if one
    /// is known.
    fn enter(&self) -> Option<EnterGuard<'_>> {
        None
    }
}

/// Which runtime a coroutine uses.
pub(in crate::bridge) struct Runtimes {
    /// This one, where the caller gave one.
    given: Option<Handle>,
    /// Else the current one, else this one; else the default.
    known: OnceLock<Handle>,
}

impl Runtimes {
    /// The runtime given.
    pub(in crate::bridge) fn on(handle: &Handle) -> Self {
        Runtimes {
            given: Some(handle.clone()),
            known: OnceLock::new(),
        }
    }

    /// The current runtime, else the one that was `remembered`, else the default.
    pub(in crate::bridge) fn current(remembered: Option<&Handle>) -> Self {
        let known = OnceLock::new();
        if let Some(handle) = remembered {
            let _ = known.set(handle.clone());
        }
        Runtimes { given: None, known }
    }
}

impl Spawner for Runtimes {
    #[track_caller]
    fn spawn<K>(&self, make: impl FnOnce() -> K) -> Result<(), NoRuntime>
    where
        K: Future<Output = ()> + Send + 'static,
    {
        match &self.given {
            Some(given) => drop(given.spawn(make())),
            None => adopt_or_spawn(&find_runtime(self.known.get())?, make()),
        }
        Ok(())
    }

    fn remember_current(&self) {
        if self.given.is_none()
            && self.known.get().is_none()
            && let Ok(handle) = find_runtime(None)
        {
            let _ = self.known.set(handle);
        }
    }

    fn enter(&self) -> Option<EnterGuard<'_>> {
        let known = self.given.as_ref().or_else(|| self.known.get());
        known.and_then(runtime::enter)
    }
}

/// The task that polls a coroutine which was woken by something else than a fire,
/// or whose fires do not resume it.
pub(in crate::bridge) struct Task<F, T, S>(Shared<F, T, S>)
where
    F: Future<Output = Output<T>> + Send + 'static,
    T: Send + 'static,
    S: Spawner;

impl<F, T, S> Task<F, T, S>
where
    F: Future<Output = Output<T>> + Send + 'static,
    T: Send + 'static,
    S: Spawner,
{
    pub(super) fn new(co: Shared<F, T, S>) -> Self {
        Task(co)
    }

    /// Makes the task the runner, if it was woken. Returns the poll of the task
    /// if it was not.
    fn start(&self, cx: &mut Context<'_>) -> Option<Poll<()>> {
        let mut status = lock(&self.0.control().status);
        if status.phase == Phase::Over {
            return Some(Poll::Ready(()));
        }
        // Tokio gives a task one waker for its life.
        let is_known = matches!(&status.task, TaskState::Known(task) if task.will_wake(cx.waker()));
        if !is_known {
            let old = std::mem::replace(&mut status.task, TaskState::Known(cx.waker().clone()));
            debug_assert!(
                !matches!(old, TaskState::None),
                "a task that nobody spawned"
            );
        }
        if status.phase != Phase::Woken {
            // Its runner will wake us; or the future was polled before there was a
            // task.
            return Some(Poll::Pending);
        }
        status.phase = Phase::Running;
        None
    }
}

impl<F, T, S> Future for Task<F, T, S>
where
    F: Future<Output = Output<T>> + Send + 'static,
    T: Send + 'static,
    S: Spawner,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(polled) = self.start(cx) {
            return polled;
        }
        let co = &self.0;
        loop {
            match poll::poll(co) {
                Poll::Ready(result) => {
                    finish(co, result);
                    return Poll::Ready(());
                }
                Poll::Pending if settle(co, Here::MayPoll) => {}
                Poll::Pending if lock(&co.control().status).phase == Phase::Over => {
                    return Poll::Ready(());
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl<F, T, S> Drop for Task<F, T, S>
where
    F: Future<Output = Output<T>> + Send + 'static,
    T: Send + 'static,
    S: Spawner,
{
    /// The task is over, or its runtime shuts down.
    fn drop(&mut self) {
        let co = &self.0;
        let mut status = lock(&co.control().status);
        let becomes_runner = match status.phase {
            Phase::Over => return,
            // Their runner looks at the task before it leaves.
            Phase::Running | Phase::RunAgain(_) => false,
            Phase::Waiting => {
                status.phase = Phase::Running;
                true
            }
            Phase::Woken => {
                status.phase = Phase::RunAgain(WokenBy::Other);
                true
            }
        };
        let old = std::mem::replace(&mut status.task, TaskState::Gone);
        drop(status);
        drop(old);
        if becomes_runner && settle(co, Here::MayPoll) {
            co.clone().resume(true);
        }
    }
}
