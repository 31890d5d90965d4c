//! The fast path of a fire: a value of a word, with a single compare-exchange.
//!
//! A fire claims the chain, puts the value into the slot, and goes to rest. That
//! takes two read-modify-writes, since the slot is not the producer's: a cancel
//! may be faster, and then it is the cancel's. Yet most chains that are fired
//! have nothing to run. So a value of a word goes to a place that is the
//! producer's own, and one read-modify-write does the rest.

use super::resume;
use super::waker::wake;
use crate::core::memory::block::UntypedResult;
use crate::core::memory::ptr::ChainPtr;
use crate::core::memory::slot::InlineValue;
use crate::core::state::Snapshot;
use crate::failure::Failure;

/// Whether a fire with this result, from this state, may go the short way.
#[inline]
pub(crate) fn is_for<T>(result: &Result<T, Failure>, state: Snapshot) -> bool {
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
pub(crate) unsafe fn fire<T>(
    chain: ChainPtr,
    state: Snapshot,
    result: Result<T, Failure>,
) -> Result<(), Result<T, Failure>> {
    let Ok(value) = result else {
        return Err(result);
    };
    let place = &chain.block().inline_value;
    // SAFETY: [slot]: until it is fired the place is the producer's.
    place.with_mut(|place| unsafe { (*place).put(value) });
    if !chain.state().fire_inline(state) {
        // SAFETY: as above: it was put there just now.
        return Err(Ok(place.with_mut(|place| unsafe { (*place).take() })));
    }
    if state.has_waker() {
        wake(chain);
        resume::work_off();
    }
    Ok(())
}

/// Takes the value of a chain that is at rest in this state.
///
/// # Safety
///
/// By the owner of the `Consumer<T>`, once.
#[inline]
pub(crate) unsafe fn take_at_rest<T>(chain: ChainPtr, state: Snapshot) -> Result<T, Failure> {
    let block = chain.block();
    // SAFETY: [slot]: at rest either place is the caller's, and the state says
    // which of them has the value, which is a `T` ([types]).
    unsafe {
        if InlineValue::fits::<T>() && state.has_inline_value() {
            Ok(block.inline_value.with_mut(|place| (*place).take()))
        } else {
            chain.take_result()
        }
    }
}

/// Says of a chain whose value was taken at rest that it is nowhere.
///
/// By the owner of the consumer.
pub(crate) fn forget(chain: ChainPtr, state: Snapshot) {
    if state.has_inline_value() {
        chain.state().clear_inline_value();
    }
}

/// Moves the value to where stages look for it.
///
/// By the runner of a chain whose value is in the producer's place.
pub(crate) fn move_to_slot(chain: ChainPtr) {
    let block = chain.block();
    block.inline_value.with_mut(|place| {
        block.slot.with_mut(|slot| {
            // SAFETY: [slot]: both are the runner's, and the value is of the
            // producer's type ([types]): no stage ran.
            unsafe { (block.put)(&mut *slot, UntypedResult::Value(&mut *place)) };
        });
    });
    chain.state().clear_inline_value();
}
