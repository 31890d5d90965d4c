//! The short way of a fire: a value that is there before the state says so.
//!
//! A fire claims the chain, puts the value into the slot, and goes to rest.
//! That takes two read-modify-writes, since the slot is not the producer's: a
//! cancel may be faster, and then it is the cancel's. Yet most chains that are
//! fired have nothing to run. So a value of a word goes to a place that is the
//! head's own, and one read-modify-write does the rest.

use super::block::{ChainPtr, UntypedResult};
use super::run::wake;
use super::slot::Slot;
use super::state::{FIRED, REF, State, TAKING_WAKER, VALUE_INLINE, WAKER};
use crate::failure::Failure;

/// A place for a value that is small.
pub(super) type InlineValue = Slot<1>;

/// Whether a fire with this result, from this state, may go the short way.
#[inline]
pub(super) fn is_for<T>(result: &Result<T, Failure>, state: State) -> bool {
    InlineValue::fits::<T>() && result.is_ok() && state.is_quiet()
}

/// Fires the chain, and wakes who awaits it.
///
/// # Errors
///
/// The result, if the state is another one by now.
///
/// # Safety
///
/// `is_for(&result, state)`; the caller owns the `Producer<T>`, and gives it up if
/// this succeeds.
#[inline]
pub(super) unsafe fn fire<T>(
    chain: ChainPtr,
    state: State,
    result: Result<T, Failure>,
) -> Result<(), Result<T, Failure>> {
    let Ok(value) = result else {
        return Err(result);
    };
    let fast_fire = &chain.block().fast_fire;
    // SAFETY: without VALUE_INLINE it is the producer's (4).
    fast_fire.with_mut(|fast_fire| unsafe { (*fast_fire).put(value) });
    let to = if state.has(WAKER) {
        (state.0 & !WAKER) | FIRED | VALUE_INLINE | TAKING_WAKER
    } else {
        (state.0 | FIRED | VALUE_INLINE) - REF
    };
    if chain.change(state, to).is_err() {
        // SAFETY: as above: it was put there just now.
        return Err(Ok(
            fast_fire.with_mut(|fast_fire| unsafe { (*fast_fire).take() })
        ));
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
/// By the owner of the `Consumer<T>`, once.
#[inline]
pub(super) unsafe fn take_at_rest<T>(chain: ChainPtr, state: State) -> Result<T, Failure> {
    let block = chain.block();
    // SAFETY: at rest either place is the caller's, and VALUE_INLINE says which of
    // them has the value (4), which is a T (7).
    unsafe {
        if InlineValue::fits::<T>() && state.has(VALUE_INLINE) {
            Ok(block.fast_fire.with_mut(|fast_fire| (*fast_fire).take()))
        } else {
            block.slot.with_mut(|slot| (*slot).take_result())
        }
    }
}

/// Says of a chain whose value was taken at rest that it is nowhere.
///
/// By the owner of the consumer.
pub(super) fn forget(chain: ChainPtr, state: State) {
    if state.has(VALUE_INLINE) {
        chain.clear(VALUE_INLINE);
    }
}

/// Moves the value to where stages look for it.
///
/// By the runner of a chain with `VALUE_INLINE`.
pub(super) fn move_to_slot(chain: ChainPtr) {
    let block = chain.block();
    block.fast_fire.with_mut(|fast_fire| {
        block.slot.with_mut(|slot| {
            // SAFETY: we are the runner (4), and the value is of the producer's
            // type (7): no stage ran.
            unsafe { (block.put)(&mut *slot, UntypedResult::Value(&mut *fast_fire)) };
        });
    });
    chain.clear(VALUE_INLINE);
}
