//! Firing a chain: by its producer, by the end of another chain, or by the drop
//! of the producer.

use super::run::{run, stop};
use super::trampoline::trampoline;
use crate::core::memory::cancel_hooks::{CancelCalls, CancelHooks};
use crate::core::memory::ptr::ChainPtr;
use crate::core::state::{FireUnless, Snapshot};
use crate::failure::{Failure, ResolverDropped, catch_and_log};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a chain that was claimed at once from `seen`, and filled.
///
/// # Safety
///
/// The caller claimed the chain, filled the slot, and gives up one reference.
#[inline(always)]
pub(crate) unsafe fn run_or_rest(chain: ChainPtr, seen: Snapshot) {
    // With nothing to run and nobody to wake, rest is one step away.
    if !(seen.rests_when_fired() && stop(chain, seen.claimed())) {
        // SAFETY: the caller claimed and filled the chain.
        unsafe { run(chain) }
    }
}

/// Drops what a cancel would have needed. If that panics, the panic is the
/// chain's result.
///
/// # Safety
///
/// The caller claimed the chain from `seen`.
#[inline]
unsafe fn drop_hooks(chain: ChainPtr, seen: Snapshot) -> Option<Failure> {
    if !seen.has_cancel_hooks() {
        return None;
    }
    let block = chain.block();
    let hooks = block.slot.with_mut(|slot| {
        // SAFETY: [slot]: the hooks were there when we claimed the chain.
        unsafe { (*slot).take::<CancelHooks>() }
    });
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(hooks)));
    dropped
        .err()
        .map(|payload| Failure::panicked(payload, block.info.made()))
}

/// Puts the result in.
///
/// # Safety
///
/// The caller claimed the chain from `seen`; `T` is the producer's.
#[inline]
pub(crate) unsafe fn fill<T>(chain: ChainPtr, seen: Snapshot, mut result: Result<T, Failure>) {
    // SAFETY: the caller claimed the chain from `seen`.
    if let Some(failure) = unsafe { drop_hooks(chain, seen) } {
        let late = std::mem::replace(&mut result, Err(failure));
        catch_and_log("the drop of a value", || drop(late));
    }
    // SAFETY: [slot]: we are the runner, and the slot is empty.
    unsafe { chain.put_result(result) };
    if let Some(watch) = chain.block().info.watch() {
        watch.fired();
    }
}

/// Fires `target` with `result` for a chain that ends in it. Returns it if it
/// is the caller's to run; if it was cancelled, the result is dropped.
///
/// # Safety
///
/// `target` comes from a `Producer<T>`, which is given up.
pub(crate) unsafe fn fire_chained<T>(
    target: ChainPtr,
    result: Result<T, Failure>,
) -> Option<ChainPtr> {
    let Some(seen) = target.state().claim(FireUnless::Fired) else {
        target.release(1);
        catch_and_log("the drop of a value", || drop(result));
        return None;
    };
    // SAFETY: we claimed it; the reference of the producer stays for the run.
    unsafe { fill(target, seen, result) };
    Some(target)
}

/// Fires the chain with [`ResolverDropped`], unless it was cancelled.
///
/// The caller gives up the producer.
#[cold]
pub(crate) fn abandon(chain: ChainPtr) {
    trampoline(move || abandon_now(chain));
}

fn abandon_now(chain: ChainPtr) {
    // A canceller may well drop the resolver; what it answers is the result.
    let Some(seen) = chain.state().claim(FireUnless::Cancelling) else {
        chain.release(1);
        return;
    };
    let made = chain.block().info.made();
    // SAFETY: [slot]: we claimed it, and the slot is empty after the hooks are
    // gone; the producer's reference is now the run's.
    unsafe {
        let failure = drop_hooks(chain, seen)
            .unwrap_or_else(|| Failure::from_error(ResolverDropped::new(made), made));
        chain.put_failure(failure);
        if let Some(watch) = chain.block().info.watch() {
            watch.abandoned();
            watch.fired();
        }
        run(chain);
    }
}

/// Changes what a cancel of the chain will find. Returns false if the chain is
/// fired or cancelled. The owners of the producer and of the consumer may both
/// do so.
pub(crate) fn with_cancel_calls(chain: ChainPtr, change: impl FnOnce(&mut CancelCalls)) -> bool {
    // Allocated before the lock is taken, and freed after it ([lock]).
    let mut fresh = Some(Box::<CancelCalls>::default());
    let Some(seen) = chain.state().lock_unfired() else {
        return false;
    };
    chain.block().slot.with_mut(|slot| {
        // SAFETY: [slot]: unfired and locked.
        unsafe {
            let known = seen
                .has_cancel_hooks()
                .then(|| (*slot).take::<CancelHooks>());
            let mut calls = match known {
                Some(CancelHooks::Calls(calls)) => calls,
                Some(CancelHooks::Delegate(delegate)) => {
                    let mut calls = fresh.take().expect("made above");
                    calls.delegate = Some(delegate);
                    calls
                }
                None => fresh.take().expect("made above"),
            };
            change(&mut calls);
            (*slot).put(CancelHooks::Calls(calls));
        }
    });
    chain.state().unlock_with_hooks();
    true
}
