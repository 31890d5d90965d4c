//! Collapsing: where all that is left for a waiting chain to do is to pass a
//! result on, the chains at its two ends are linked, and the intermediate one
//! goes. This keeps endless loops in constant space.

use super::after_stage::Calls;
use super::append::append_last;
use super::link::{LINK, next_link};
use super::span;
use crate::core::memory::links::{Forward, Wait};
use crate::core::memory::ptr::ChainPtr;
use crate::core::memory::record::{Payload, Record};
use crate::core::state::Closing;

/// Makes `waiter` wait for `new` instead, whose reference is handed over, and
/// returns which of its waits this is. The reference to the chain that it waited
/// for is then the caller's.
///
/// # Safety
///
/// The caller is the deliverer of `waiter`, so that the wait lasts ([links]).
unsafe fn wait_for_instead(waiter: ChainPtr, new: ChainPtr) -> u32 {
    let locked = waiter.state().lock_wait();
    debug_assert!(locked, "only the deliverer ends a wait");
    let block = waiter.block();
    // SAFETY: [slot]: waiting and locked, the slot holds a Wait.
    let generation = unsafe {
        block.slot.with_mut(|slot| (*slot).peek::<Wait>().on = new);
        block.wait_generation.with(|generation| *generation)
    };
    waiter.state().unlock();
    generation
}

/// Removes `chain` from between `target`, whose link is the only record that is
/// left of `chain`, and `inner`: `target` now waits for `inner` directly. Returns
/// the chain to run next, if there is one.
///
/// # Safety
///
/// The caller is the runner of `chain`, whose slot is empty, and gives up that
/// role with its reference. It owns the consumer of `inner`, which it gives up.
pub(crate) unsafe fn collapse(
    chain: ChainPtr,
    link: *mut Record,
    inner: ChainPtr,
    calls: &mut Calls,
) -> Option<ChainPtr> {
    // SAFETY: [one runner]: the record is ours to move from, and the waiter's wait
    // lasts ([links]).
    let (target, wait_generation) = unsafe {
        let target = (*link).payload.target;
        (target, wait_for_instead(target, inner))
    };
    if let Some(watch) = target.block().info.watch() {
        watch.waits(Some(inner.block().info.watch_id()));
    }
    calls.take_if_noted(chain);
    // Two references to `chain` are ours: the runner's, the waiter's. With no
    // other one no call can be registered any more; one that was, since we
    // looked, by a thread that let go of its reference then, is in the state.
    let state = chain.state().load();
    if state.refs() == 2 && !state.has_calls() {
        // SAFETY: [references]: they are the last ones; the slot is empty.
        unsafe { chain.free() };
    } else {
        if let Some(watch) = chain.block().info.watch() {
            watch.waits(None);
        }
        // The handles that keep it need no span.
        span::drop_that_of(&chain.block().info);
        let to = target.retain();
        let forward = Forward {
            to,
            wait_generation,
        };
        // SAFETY: [slot]: we are the runner, and the slot is empty.
        chain
            .block()
            .slot
            .with_mut(|slot| unsafe { (*slot).put(forward) });
        chain.block().wait_generation.with_mut(|generation| {
            // SAFETY: [one runner]. The wait before is over: what was forwarded to
            // it goes no further.
            unsafe { *generation = (*generation).saturating_add(1) };
        });
        if chain.state().running_to_forwarded() {
            calls.take_from(chain);
        }
        chain.release(2);
    }
    let closing = Closing {
        unobserved: false,
        keep_ref: true,
    };
    // SAFETY: the consumer of `inner` is ours, and so is the reference that the
    // old link had.
    unsafe { append_last(inner, &LINK, Payload { target }, closing) }
}

/// Removes the waiter of `chain`, if all that this waiter will do is to pass the
/// result on: `chain` then delivers to whom the waiter would. Returns whether it
/// did so.
///
/// This is how an intermediate chain that was paused goes once its pauses are
/// gone.
///
/// # Safety
///
/// The caller is the runner of `chain`, and `link` its next record.
pub(crate) unsafe fn collapse_waiter(chain: ChainPtr, link: *mut Record) -> bool {
    // SAFETY: [links]: we are the runner of the chain that the waiter waits for,
    // so we may look at its records, and its wait lasts.
    unsafe {
        let waiter = (*link).payload.target;
        let Some(next) = next_link(waiter) else {
            return false;
        };
        // No new pause can come: who could make one, the owner of the consumer,
        // appended its last record.
        if waiter.state().load().is_paused() {
            return false;
        }
        let target = (*next).payload.target;
        span::drop_that_of(&waiter.block().info);
        let wait_generation = wait_for_instead(target, chain.retain());
        let to = target.retain();
        let forward = Forward {
            to,
            wait_generation,
        };
        let locked = waiter.state().lock_wait();
        debug_assert!(locked, "only the deliverer ends a wait");
        // The Wait that is overwritten had a reference to `chain`.
        waiter.block().slot.with_mut(|slot| (*slot).put(forward));
        waiter.state().waiting_to_forwarded();
        (*link).payload.target = target;
        if let Some(watch) = waiter.block().info.watch() {
            watch.waits(None);
        }
        chain.release(1);
        // The one of our link, and the one of the target's wait.
        waiter.release(2);
        true
    }
}
