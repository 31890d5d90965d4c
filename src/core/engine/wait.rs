//! A wait of one chain for another, and its end ([links]).

use super::after_stage::Calls;
use super::append::append_last;
use super::collapse::{collapse, collapse_waiter};
use super::link::{LINK, next_link};
use crate::core::memory::links::Wait;
use crate::core::memory::ptr::ChainPtr;
use crate::core::memory::record::Payload;
use crate::core::state::Closing;

/// Makes `chain` wait for `inner`, or collapses it. Returns the chain to run
/// next, if there is one.
///
/// # Safety
///
/// The caller is the runner of `chain`, whose slot is empty, and gives up that
/// role with its reference. It owns the consumer of `inner`, which it gives up.
#[inline]
pub(crate) unsafe fn wait(chain: ChainPtr, inner: ChainPtr, calls: &mut Calls) -> Option<ChainPtr> {
    // SAFETY: the caller is the runner of `chain`, and owns the consumer of
    // `inner`.
    unsafe {
        // A link is a last record.
        if chain.block().info.watch().is_none() && !chain.state().load().is_closed() {
            begin(chain, inner, calls)
        } else {
            wait_or_collapse(chain, inner, calls)
        }
    }
}

/// As `wait`, whatever is left of the chain.
///
/// # Safety
///
/// As for `wait`.
#[inline(never)]
unsafe fn wait_or_collapse(
    chain: ChainPtr,
    inner: ChainPtr,
    calls: &mut Calls,
) -> Option<ChainPtr> {
    if let Some(watch) = chain.block().info.watch() {
        watch.waits(Some(inner.block().info.watch_id()));
    }
    // SAFETY: the caller is the runner of `chain`, and owns the consumer of
    // `inner`.
    unsafe {
        while let Some(link) = next_link(chain) {
            if collapse_waiter(chain, link) {
                continue;
            }
            // No new pause can come: who could make one, the owner of the
            // consumer, appended its last record.
            if chain.state().load().is_paused() {
                break;
            }
            return collapse(chain, link, inner, calls);
        }
        begin(chain, inner, calls)
    }
}

/// The wait proper.
///
/// # Safety
///
/// As for `wait`.
unsafe fn begin(chain: ChainPtr, inner: ChainPtr, calls: &mut Calls) -> Option<ChainPtr> {
    let block = chain.block();
    // SAFETY: [one runner]: slot and generation are ours.
    unsafe {
        block.slot.with_mut(|slot| (*slot).put(Wait { on: inner }));
        // At the largest generation, reached after 2^32 waits, forwards are not
        // followed any more; none is ever followed by mistake.
        block
            .wait_generation
            .with_mut(|generation| *generation = (*generation).saturating_add(1));
    }
    if chain.state().running_to_waiting() {
        calls.take_from(chain);
    }
    let closing = Closing {
        unobserved: false,
        keep_ref: true,
    };
    // From here on a cancel goes to `inner`, and after the next line its result
    // comes back.
    // SAFETY: the consumer of `inner` is ours; the reference that we had as runner
    // goes into the link, and that of the consumer into the Wait.
    unsafe { append_last(inner, &LINK, Payload { target: chain }, closing) }
}

/// The end of a wait: moves the value of `chain`, which is over, to `outer`, and
/// makes the caller its runner. What the Wait in the slot of `outer` held, a
/// reference to `chain`, is then the caller's, beside its own.
///
/// # Safety
///
/// The caller is the runner of `chain`, and ran its link to `outer`.
pub(crate) unsafe fn deliver(chain: ChainPtr, outer: ChainPtr) {
    outer.state().waiting_to_running();
    outer.block().slot.with_mut(|to| {
        chain.block().slot.with_mut(|from| {
            // SAFETY: [one runner]: we are the runner of both. What `to` held, the
            // Wait, is forgotten, as the caller takes over what it owned.
            unsafe { (*from).move_to(&mut *to) };
        });
    });
    if let Some(watch) = outer.block().info.watch() {
        watch.waits(None);
    }
}
