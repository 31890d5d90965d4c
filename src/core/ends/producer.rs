//! The producer's end of a chain.

use super::types::Producer;
use crate::core::engine::due_run::DueRun;
use crate::core::engine::fast_fire;
use crate::core::engine::fire::{abandon, fill, run_or_rest, with_cancel_calls};
use crate::core::engine::run::run;
use crate::core::memory::cancel_hooks::{CancelCalls, Hook};
use crate::core::memory::ptr::ChainPtr;
use crate::core::state::FireUnless;
use crate::failure::{Failure, catch_and_log};
use std::panic::Location;
use std::task::{Context, Poll};

impl<T> Producer<T> {
    /// Fires the chain with `result`, and runs it on this thread.
    ///
    /// # Errors
    ///
    /// The result, if the chain was cancelled before; or, if `only_seen`, if
    /// nobody can see it.
    #[inline(always)]
    pub(crate) fn fire(
        self,
        result: Result<T, Failure>,
        only_seen: bool,
    ) -> Result<(), Result<T, Failure>> {
        let chain = self.into_ptr();
        let state = chain.state().load();
        if fast_fire::is_for(&result, state) && chain.block().info.watch().is_none() {
            // SAFETY: just now; and the producer is given up.
            return match unsafe { fast_fire::fire(chain, state, result) } {
                Ok(()) => Ok(()),
                Err(result) => Self::fire_slowly(chain, result, only_seen),
            };
        }
        // The usual chain: unfired, with nothing in its slot and nobody to
        // tell; and the usual claim and fill.
        if chain.block().info.watch().is_none()
            && chain.state().claim_at_once(state, unless(only_seen))
        {
            // SAFETY: [slot]: we fired it, and the slot is empty. What the
            // producer's reference was is the run's.
            unsafe {
                chain.put_result(result);
                run_or_rest(chain, state);
            }
            return Ok(());
        }
        Self::fire_slowly(chain, result, only_seen)
    }

    /// As `fire`, whatever the state is.
    #[cold]
    #[inline(never)]
    fn fire_slowly(
        chain: ChainPtr,
        result: Result<T, Failure>,
        only_seen: bool,
    ) -> Result<(), Result<T, Failure>> {
        let Some(state) = chain.state().claim(unless(only_seen)) else {
            chain.release(1);
            return Err(result);
        };
        // SAFETY: we fired it, and are its runner; the reference that the producer
        // had is now the run's.
        unsafe {
            fill(chain, state, result);
            run(chain);
        }
        Ok(())
    }

    /// As `fire`, but leaves the run of the chain to the caller.
    pub(crate) fn fire_for(
        self,
        result: Result<T, Failure>,
        only_seen: bool,
    ) -> Result<DueRun, Result<T, Failure>> {
        let chain = self.into_ptr();
        let Some(state) = chain.state().claim(unless(only_seen)) else {
            chain.release(1);
            return Err(result);
        };
        // SAFETY: we fired it; the reference that the producer had is the run's.
        unsafe { fill(chain, state, result) };
        // SAFETY: it is fired, its slot is filled, and we are its runner.
        Ok(unsafe { DueRun::of(chain) })
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.chain().state().load().is_cancelled()
    }

    pub(crate) fn is_seen(&self) -> bool {
        self.chain().state().load().is_observed()
    }

    /// Tells a watcher what will fire the chain.
    pub(crate) fn set_source(&self, source: &'static str) {
        if let Some(watch) = self.chain().block().info.watch() {
            watch.sourced(source);
        }
    }

    pub(crate) fn made(&self) -> &'static Location<'static> {
        self.chain().block().info.made()
    }

    /// Calls `f` when the chain is cancelled: at once, if it was.
    pub(crate) fn on_cancel(&mut self, f: Box<dyn FnOnce() + Send>) {
        let mut hook = Some(Box::new(Hook {
            call: f,
            older: None,
        }));
        let told = self.with_calls(|calls| {
            let mut hook = hook.take().expect("called once");
            hook.older = calls.tell.hooks.take();
            calls.tell.hooks = Some(hook);
        });
        if !told && let Some(hook) = hook {
            catch_and_log("a function that was given to on_cancel", hook.call);
        }
    }

    /// Completes when the chain is cancelled.
    pub(crate) fn poll_cancelled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut waker = Some(cx.waker().clone());
        let waits = self.with_calls(|calls| std::mem::swap(&mut calls.tell.waker, &mut waker));
        // What is in `waker` now, the old one or ours, is dropped outside.
        if waits {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }

    /// Changes what a cancel will find. False if the chain is cancelled.
    fn with_calls(&mut self, change: impl FnOnce(&mut CancelCalls)) -> bool {
        with_cancel_calls(self.chain(), change)
    }
}

#[inline]
fn unless(only_seen: bool) -> FireUnless {
    if only_seen {
        FireUnless::Unobserved
    } else {
        FireUnless::Fired
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        abandon(self.chain());
    }
}
