//! The waker of who awaits a chain (invariant 10).

use super::block::{ChainPtr, Transition};
use super::state::{State, TAKING_WAKER, WAKER};
use crate::failure::catch_and_log;
use std::task::{Context, Poll, Waker};

/// Whether the chain is at rest; if not, who polls is woken when it is.
///
/// By the owner of the consumer.
pub(super) fn poll_rest(chain: ChainPtr, cx: &mut Context<'_>) -> Poll<()> {
    let state = chain.load();
    if state.is_at_rest() {
        return Poll::Ready(());
    }
    if state.has(WAKER) && is_same(chain, cx.waker()) {
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
        // SAFETY: invariant 10: neither WAKER nor TAKING_WAKER, and only we set
        // WAKER.
        unsafe { (*place).write(waker) };
    });
    let (_, registered) = update_from(chain, state, |s| {
        if s.is_at_rest() {
            Transition::Abort
        } else {
            Transition::To(s.0 | WAKER)
        }
    });
    if registered {
        return Poll::Pending;
    }
    let waker = take(chain);
    catch_and_log("the drop of a waker", || drop(waker));
    Poll::Ready(())
}

/// Drops the waker of a chain that nobody will await any more.
///
/// By the owner of the consumer.
pub(super) fn forget(chain: ChainPtr) {
    let state = chain.load();
    if state.has(WAKER) {
        remove(chain, state);
    }
}

enum Removed {
    Rest,
    Busy,
    Free(State),
}

/// Empties the waker's place, if the runner does not have it.
fn remove(chain: ChainPtr, state: State) -> Removed {
    if state.has(TAKING_WAKER) {
        return Removed::Busy;
    }
    if !state.has(WAKER) {
        return Removed::Free(state);
    }
    let (state, ours) = update_from(chain, state, |s| {
        if s.has(WAKER) {
            Transition::To(s.0 & !WAKER)
        } else {
            Transition::Abort
        }
    });
    if ours {
        let waker = take(chain);
        catch_and_log("the drop of a waker", || drop(waker));
        Removed::Free(State(state.0 & !WAKER))
    } else if state.is_at_rest() {
        Removed::Rest
    } else {
        Removed::Busy
    }
}

fn take(chain: ChainPtr) -> Waker {
    chain.block().waker.with_mut(|place| {
        // SAFETY: invariant 10: a waker was there, and we cleared WAKER, or
        // did not set it after we wrote one.
        unsafe { (*place).assume_init_read() }
    })
}

fn update_from(
    chain: ChainPtr,
    mut state: State,
    f: impl Fn(State) -> Transition,
) -> (State, bool) {
    while let Transition::To(to) = f(state) {
        match chain.change(state, to) {
            Ok(()) => return (state, true),
            Err(seen) => state = seen,
        }
    }
    (state, false)
}

/// Whether the waker in its place would wake the same task.
fn is_same(chain: ChainPtr, waker: &Waker) -> bool {
    // Only the two pointers are compared: the runner may be moving the waker
    // out, and drop it, at this moment.
    chain.block().waker.with(|place| {
        // SAFETY: invariant 10: nobody but the owner of the consumer writes there,
        // and that is who calls; the runner reads, as we do.
        let there = unsafe { (*place).assume_init_ref() };
        there.data() == waker.data() && there.vtable() == waker.vtable()
    })
}
