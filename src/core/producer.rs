//! The producer's end of a chain.

use super::block::{ChainPtr, Transition, UntypedResult};
use super::cancel::{Calls, CancelHooks, Hook};
use super::due_run::DueRun;
use super::fast_fire;
use super::run::{run, stop};
use super::state::{
    APPENDED, CANCEL_HOOKS, CANCELLED, CANCELLING, CLOSED, FIRED, LOCKED, RUNNING, State,
    UNOBSERVED, WAKER,
};
use super::trampoline::trampoline;
use crate::failure::{Failure, ResolverDropped, catch_and_log};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::task::{Context, Poll};

/// Fires a chain, once; dropped unfired, it fires it with
/// [`ResolverDropped`].
pub(crate) struct Producer<T> {
    chain: ChainPtr,
    kind: PhantomData<fn(T)>,
}

// SAFETY: a Producer moves a T into the block and touches nothing else of it.
unsafe impl<T: Send> Send for Producer<T> {}
// SAFETY: through a shared Producer only the state is read.
unsafe impl<T: Send> Sync for Producer<T> {}

impl<T> Producer<T> {
    pub(super) fn new(chain: ChainPtr) -> Self {
        let kind = PhantomData;
        Producer { chain, kind }
    }

    pub(super) fn into_ptr(self) -> ChainPtr {
        ManuallyDrop::new(self).chain
    }

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
        let state = chain.load();
        if fast_fire::is_for(&result, state) && chain.block().info.watch().is_none() {
            // SAFETY: just now; and the producer is given up.
            return match unsafe { fast_fire::fire(chain, state, result) } {
                Ok(()) => Ok(()),
                Err(result) => Self::fire_slowly(chain, result, only_seen),
            };
        }
        // The usual chain: unfired, with nothing in its slot and nobody to
        // tell; and the usual claim and fill.
        let unless = if only_seen { UNOBSERVED } else { 0 };
        if !state.has(FIRED | LOCKED | CANCEL_HOOKS | CANCELLED | CANCELLING | unless)
            && chain.block().info.watch().is_none()
            && chain.change(state, fired(state).0).is_ok()
        {
            // SAFETY: we fired it, so the slot, which is empty, is ours (4).
            // What the producer's reference was is the run's.
            unsafe {
                chain.block().slot.with_mut(|slot| (*slot).put(result));
                go_on(chain, state);
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
        let unless = if only_seen { UNOBSERVED } else { 0 };
        let Some(state) = claim(chain, unless) else {
            chain.release(1, 0);
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
        let Some(state) = claim(chain, if only_seen { UNOBSERVED } else { 0 }) else {
            chain.release(1, 0);
            return Err(result);
        };
        // SAFETY: we fired it; the reference that the producer had is the run's.
        unsafe { fill(chain, state, result) };
        // SAFETY: it is fired, its slot is filled, and we are its runner.
        Ok(unsafe { DueRun::of(chain) })
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.chain.load().has(CANCELLED)
    }

    pub(crate) fn is_seen(&self) -> bool {
        !self.chain.load().has(FIRED | UNOBSERVED)
    }

    pub(crate) fn made(&self) -> &'static Location<'static> {
        self.chain.block().info.made()
    }

    /// Calls `f` when the chain is cancelled: at once, if it was.
    pub(crate) fn on_cancel(&mut self, f: Box<dyn FnOnce() + Send>) {
        let mut hook = Some(Box::new(Hook {
            call: f,
            older: None,
        }));
        let told = self.with_calls(|calls| {
            let mut hook = hook.take().expect("called once");
            hook.older = calls.hooks.take();
            calls.hooks = Some(hook);
        });
        if !told && let Some(hook) = hook {
            catch_and_log("a function that was given to on_cancel", hook.call);
        }
    }

    /// Completes when the chain is cancelled.
    pub(crate) fn poll_cancelled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut waker = Some(cx.waker().clone());
        let waits = self.with_calls(|calls| std::mem::swap(&mut calls.waker, &mut waker));
        // What is in `waker` now, the old one or ours, is dropped outside.
        if waits {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }

    /// Changes what a cancel will find. False if the chain is cancelled.
    fn with_calls(&mut self, change: impl FnOnce(&mut Calls)) -> bool {
        with_calls(self.chain, change)
    }
}

/// Changes what a cancel of the chain will find. False if the chain is fired or
/// cancelled. The owners of the producer and of the consumer may both do so.
pub(super) fn with_calls(chain: ChainPtr, change: impl FnOnce(&mut Calls)) -> bool {
    // Allocated before the lock is taken, and freed after it (invariant 5).
    let mut fresh = Some(Box::<Calls>::default());
    let Ok(state) = chain.lock_if(|s| !s.has(FIRED | CANCELLED)) else {
        return false;
    };
    chain.block().slot.with_mut(|slot| {
        // SAFETY: invariant 4: unfired and LOCKED.
        unsafe {
            if !state.has(CANCEL_HOOKS)
                && let Some(fresh) = fresh.take()
            {
                (*slot).put(CancelHooks::Calls(fresh));
            }
            // Those whose cancels are passed on are in no user's hands.
            if let CancelHooks::Calls(calls) = (*slot).peek() {
                change(calls);
            }
        }
    });
    chain.update(|s| Transition::To((s.0 & !LOCKED) | CANCEL_HOOKS));
    true
}

/// Fires the chain, unless it is fired or in one of the states given, which
/// makes us its runner, and returns the state before.
#[inline]
fn claim(chain: ChainPtr, unless: u64) -> Option<State> {
    let (state, claimed) = chain.update(|s| {
        if s.has(FIRED | unless) {
            Transition::Abort
        } else if s.has(LOCKED) {
            Transition::WaitForUnlock
        } else {
            Transition::To(fired(s).0)
        }
    });
    claimed.then_some(state)
}

/// The state after a claim from `state`.
#[inline]
fn fired(state: State) -> State {
    State((state.0 | FIRED | RUNNING) & !(APPENDED | CANCEL_HOOKS))
}

/// Runs a chain that was fired from `state`.
///
/// # Safety
///
/// The caller fired it, filled the slot, and gives up one reference.
#[inline(always)]
unsafe fn go_on(chain: ChainPtr, state: State) {
    // With nothing to run and nobody to wake, rest is one step away.
    let at_once = !state.has(APPENDED | WAKER | CLOSED) && !state.is_paused();
    if !(at_once && stop(chain, fired(state))) {
        // SAFETY: as the caller says.
        unsafe { run(chain) }
    }
}

/// Drops what a cancel would have needed. If that panics, the panic is the
/// chain's result.
///
/// # Safety
///
/// The caller fired the chain from `state`.
#[inline]
unsafe fn drop_side(chain: ChainPtr, state: State) -> Option<Failure> {
    if !state.has(CANCEL_HOOKS) {
        return None;
    }
    let block = chain.block();
    let side = block.slot.with_mut(|slot| {
        // SAFETY: invariant 4: it was there when we fired the chain.
        unsafe { (*slot).take::<CancelHooks>() }
    });
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(side)));
    dropped
        .err()
        .map(|payload| Failure::panicked(payload, block.info.made()))
}

/// Puts the result in.
///
/// # Safety
///
/// The caller fired the chain from `state`; `T` is the producer's.
#[inline]
unsafe fn fill<T>(chain: ChainPtr, state: State, mut result: Result<T, Failure>) {
    let block = chain.block();
    // SAFETY: the caller says so.
    if let Some(failure) = unsafe { drop_side(chain, state) } {
        let late = std::mem::replace(&mut result, Err(failure));
        catch_and_log("the drop of a value", || drop(late));
    }
    // SAFETY: we are the runner, and the slot is empty (4).
    block.slot.with_mut(|slot| unsafe { (*slot).put(result) });
    if let Some(watch) = block.info.watch() {
        watch.fired();
    }
}

/// Fires `target` with `result` for a chain that ends in it. Returns it if it
/// is to be run by us; if it was cancelled, the result is dropped.
///
/// # Safety
///
/// `target` comes from a `Producer<T>`, which is given up.
pub(super) unsafe fn fire_chained<T>(
    target: ChainPtr,
    result: Result<T, Failure>,
) -> Option<ChainPtr> {
    let Some(state) = claim(target, 0) else {
        target.release(1, 0);
        catch_and_log("the drop of a value", || drop(result));
        return None;
    };
    // SAFETY: we fired it; the reference of the producer stays for the run.
    unsafe { fill(target, state, result) };
    Some(target)
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        abandon(self.chain);
    }
}

/// Fires the chain with [`ResolverDropped`], unless it was cancelled.
#[cold]
fn abandon(chain: ChainPtr) {
    trampoline(move || abandon_now(chain));
}

fn abandon_now(chain: ChainPtr) {
    // A canceller may well drop the resolver; what it answers is the result.
    let Some(state) = claim(chain, CANCELLING) else {
        chain.release(1, 0);
        return;
    };
    let block = chain.block();
    let made = block.info.made();
    // SAFETY: we fired it.
    let failure = unsafe { drop_side(chain, state) }
        .unwrap_or_else(|| Failure::from_error(ResolverDropped::new(made), made));
    block.slot.with_mut(|slot| {
        // SAFETY: we are the runner, and the slot is empty (4); the function
        // is the one for the producer's type (7).
        unsafe { (block.put)(&mut *slot, UntypedResult::Failure(failure)) }
    });
    if let Some(watch) = block.info.watch() {
        watch.abandoned();
        watch.fired();
    }
    // SAFETY: we fired it; the producer's reference is now the run's.
    unsafe { run(chain) }
}
