//! The short way of a fire: a value that is there before the state says so.
//!
//! A fire claims the chain, puts the value into the slot, and goes to rest.
//! That takes two read-modify-writes, since the slot is not the head's: a
//! cancel may be faster, and then it is the cancel's. Yet most chains that are
//! fired have nothing to run. So a value of a word goes to a place that is the
//! head's own, and one read-modify-write does the rest.

use super::block::{Bare, Ptr};
use super::run::wake;
use super::slot::Slot;
use super::state::{EARLY, FIRED, REF, State, WAKER, WAKING};
use crate::failure::Failure;

/// A place for a value that is small.
pub(super) type Early = Slot<1>;

/// Whether a fire with this result, from this state, may go the short way.
#[inline]
pub(super) fn is_for<T>(result: &Result<T, Failure>, state: State) -> bool {
    Early::fits::<T>() && result.is_ok() && state.is_quiet()
}

/// Fires the chain, and wakes who awaits it.
///
/// # Errors
///
/// The result, if the state is another one by now.
///
/// # Safety
///
/// `is_for(&result, state)`; the caller owns the `Head<T>`, and gives it up if
/// this succeeds.
#[inline]
pub(super) unsafe fn fire<T>(
    chain: Ptr,
    state: State,
    result: Result<T, Failure>,
) -> Result<(), Result<T, Failure>> {
    let Ok(value) = result else {
        return Err(result);
    };
    let early = &chain.block().early;
    // SAFETY: without EARLY it is the head's (4).
    early.with_mut(|early| unsafe { (*early).put(value) });
    let to = if state.has(WAKER) {
        (state.0 & !WAKER) | FIRED | EARLY | WAKING
    } else {
        (state.0 | FIRED | EARLY) - REF
    };
    if chain.change(state, to).is_err() {
        // SAFETY: as above: it was put there just now.
        return Err(Ok(early.with_mut(|early| unsafe { (*early).take() })));
    }
    if state.has(WAKER) {
        wake(chain);
    }
    Ok(())
}

/// Takes the value of a chain that is at rest in this state.
///
/// # Safety
///
/// By the owner of the `Tail<T>`, once.
#[inline]
pub(super) unsafe fn take_at_rest<T>(chain: Ptr, state: State) -> Result<T, Failure> {
    let block = chain.block();
    // SAFETY: at rest either place is the caller's, and EARLY says which of
    // them has the value (4), which is a T (7).
    unsafe {
        if Early::fits::<T>() && state.has(EARLY) {
            Ok(block.early.with_mut(|early| (*early).take()))
        } else {
            block.slot.with_mut(|slot| (*slot).take_result())
        }
    }
}

/// Says of a chain whose value was taken at rest that it is nowhere.
///
/// By the owner of the tail.
pub(super) fn forget(chain: Ptr, state: State) {
    if state.has(EARLY) {
        chain.clear(EARLY);
    }
}

/// Moves the value to where stages look for it.
///
/// By the runner of a chain with `EARLY`.
pub(super) fn move_to_slot(chain: Ptr) {
    let block = chain.block();
    block.early.with_mut(|early| {
        block.slot.with_mut(|slot| {
            // SAFETY: we are the runner (4), and the value is of the head's
            // type (7): no stage ran.
            unsafe { (block.put)(&mut *slot, Bare::Value(&mut *early)) };
        });
    });
    chain.clear(EARLY);
}
