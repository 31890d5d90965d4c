//! The waker of the task that awaits a chain ([waker]).

use super::resume;
use crate::core::memory::ptr::ChainPtr;
use crate::core::state::Snapshot;
use crate::failure::catch_and_log;
use std::task::{Context, Poll, Waker};

/// Whether the chain is at rest; if not, who polls is woken when it is.
///
/// By the owner of the consumer.
pub(crate) fn poll_rest(chain: ChainPtr, cx: &mut Context<'_>) -> Poll<()> {
    let state = chain.state().load();
    if state.is_at_rest() {
        return Poll::Ready(());
    }
    if state.has_waker() && is_same(chain, cx.waker()) {
        // The runner takes it only after this state, and then it wakes.
        return Poll::Pending;
    }
    let waker = cx.waker().clone();
    let state = match remove(chain, state) {
        Removed::Rest => return Poll::Ready(()),
        Removed::Busy => {
            // A runner of before is still busy with the waker that was here.
            catch_and_log("a waker", || waker.wake());
            return Poll::Pending;
        }
        Removed::Free(state) => state,
    };
    chain.block().waker.with_mut(|place| {
        // SAFETY: [waker]: neither WAKER nor TAKING_WAKER, and only we set
        // WAKER.
        unsafe { (*place).write(waker) };
    });
    if chain.state().set_waker(state) {
        return Poll::Pending;
    }
    let waker = take(chain);
    catch_and_log("the drop of a waker", || drop(waker));
    Poll::Ready(())
}

/// Drops the waker of a chain that nobody will await any more.
///
/// By the owner of the consumer.
pub(crate) fn forget(chain: ChainPtr) {
    let state = chain.state().load();
    if state.has_waker() {
        remove(chain, state);
    }
}

enum Removed {
    /// The chain is at rest.
    Rest,
    /// The runner has the waker, and may still be at its place.
    Busy,
    /// The place is empty, in this state.
    Free(Snapshot),
}

/// Empties the waker's place, if the runner does not have it.
fn remove(chain: ChainPtr, state: Snapshot) -> Removed {
    if state.is_taking_waker() {
        return Removed::Busy;
    }
    if !state.has_waker() {
        return Removed::Free(state);
    }
    let (state, ours) = chain.state().take_waker(state);
    if ours {
        let waker = take(chain);
        catch_and_log("the drop of a waker", || drop(waker));
        Removed::Free(state)
    } else if state.is_at_rest() {
        Removed::Rest
    } else {
        Removed::Busy
    }
}

fn take(chain: ChainPtr) -> Waker {
    chain.block().waker.with_mut(|place| {
        // SAFETY: [waker]: a waker was there, and we cleared WAKER, or
        // did not set it after we wrote one.
        unsafe { (*place).assume_init_read() }
    })
}

/// Wakes the task that awaits a chain which has just come to rest, and gives up
/// one reference.
///
/// By the runner, whose transition to rest took the waker. It resumes what was
/// woken, by [`resume::work_off`], once it is the chain's runner no more.
pub(crate) fn wake(chain: ChainPtr) {
    let waker = chain.block().waker.with(|waker| {
        // SAFETY: [waker]: it is this runner's. The owner of the consumer may
        // compare what is there, but not change it.
        unsafe { (*waker).assume_init_read() }
    });
    if chain.state().end_taking_waker() {
        // SAFETY: [references]: this was the last one.
        unsafe { chain.free() };
    }
    resume::wake(waker);
}

/// Whether the waker in its place would wake the same task.
fn is_same(chain: ChainPtr, waker: &Waker) -> bool {
    // Only the two pointers are compared: the runner may be moving the waker
    // out, and drop it, at this moment.
    chain.block().waker.with(|place| {
        // SAFETY: [waker]: nobody but the owner of the consumer writes there,
        // and that is who calls; the runner reads, as we do.
        let there = unsafe { (*place).assume_init_ref() };
        there.data() == waker.data() && there.vtable() == waker.vtable()
    })
}
