//! Chains that wait for each other: a wait, its end, and letting go of the
//! middle where all that is left to do is to pass a result on.

use super::after_stage::Calls;
use super::block::{ChainPtr, Transition};
use super::consumer::append_last;
use super::record::{Flow, HEADER, Payload, Record, RecordClass, RecordVTable};
use super::slot::Slot;
use super::span;
use super::state::{AFTER_STAGE, CLOSED, FORWARDED, LOCKED, RUNNING, State, WAITING};
use crate::sync::Ordering;

/// What the slot of a waiting chain holds: the awaited one, with a reference.
pub(super) struct Wait {
    pub(super) on: ChainPtr,
}

/// What the slot of a middle that let go holds: the chain that waits in its
/// place, with a reference, and which of that chain's waits it was. A cancel
/// is passed on only while that wait lasts.
pub(super) struct Forward {
    pub(super) to: ChainPtr,
    pub(super) wait_generation: u32,
}

// They are put into the slot, and looked at, under `LOCKED`, so they must not
// be boxed.
const _: () = assert!(Slot::<3>::fits::<Wait>() && Slot::<3>::fits::<Forward>());

/// A link's target, with a reference.
pub(super) struct Link(ChainPtr);

static LINK: RecordVTable = RecordVTable {
    size: HEADER,
    run: |record, _| {
        // SAFETY: a link's payload is a chain.
        Flow::Deliver(Link(unsafe { (*record).payload.target }))
    },
    sort: RecordClass::Link,
};

/// Makes `chain` wait for `inner`, or lets go of it. Returns the chain to run
/// next, if there is one.
///
/// # Safety
///
/// The caller is the runner of `chain`, whose slot is empty, and gives up that
/// role with its reference. It owns the consumer of `inner`, which it gives up.
#[inline]
pub(super) unsafe fn wait(chain: ChainPtr, inner: ChainPtr, calls: &mut Calls) -> Option<ChainPtr> {
    // SAFETY: as the caller says.
    unsafe {
        // A link is a last record.
        if chain.block().info.watch().is_none() && !chain.load().has(CLOSED) {
            begin(chain, inner, calls)
        } else {
            wait_or_let_go(chain, inner, calls)
        }
    }
}

/// As `wait`, whatever is left of the chain.
///
/// # Safety
///
/// As for `wait`.
#[inline(never)]
unsafe fn wait_or_let_go(chain: ChainPtr, inner: ChainPtr, calls: &mut Calls) -> Option<ChainPtr> {
    if let Some(watch) = chain.block().info.watch() {
        watch.waits(Some(inner.block().info.watch_id()));
    }
    // SAFETY: we are the runner of `chain`.
    unsafe {
        while let Some(link) = next_link(chain) {
            if bypass(chain, link) {
                continue;
            }
            // No new pause can come: who could make one, the owner of the
            // consumer, appended its last record.
            if chain.load().is_paused() {
                break;
            }
            return let_go(chain, link, inner, calls);
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
    // SAFETY: we are the runner: slot and wait_generation are ours (4).
    unsafe {
        block.slot.with_mut(|slot| (*slot).put(Wait { on: inner }));
        // At the largest wait_generation, reached after 2^32 waits, forwards are not
        // followed any more; none is ever followed by mistake.
        block
            .wait_generation
            .with_mut(|wait_generation| *wait_generation = (*wait_generation).saturating_add(1));
    }
    let (state, _) = chain.update(|s| Transition::To((s.0 & !(RUNNING | AFTER_STAGE)) | WAITING));
    if state.has(AFTER_STAGE) {
        // Our reference keeps the chain: it goes into the link below.
        calls.take_from(chain);
    }
    // From here on a cancel goes to `inner`, and after the next line its
    // result comes back.
    let target = chain;
    // SAFETY: the consumer of `inner` is ours; the reference that we had as runner
    // goes into the link.
    unsafe { append_last(inner, &LINK, Payload { target }, 0, true) }
}

/// The end of a wait: moves the value of `chain`, which is over, to the chain
/// that the link names, and makes us its runner.
///
/// # Safety
///
/// The caller is the runner of `chain` and ran the link.
pub(super) unsafe fn deliver(chain: ChainPtr, link: Link, calls: &mut Calls) -> ChainPtr {
    let outer = link.0;
    outer.update(|s| {
        debug_assert!(s.has(WAITING), "only the awaited chain ends a wait");
        if s.has(LOCKED) {
            Transition::WaitForUnlock
        } else {
            Transition::To((s.0 & !WAITING) | RUNNING)
        }
    });
    outer.block().slot.with_mut(|to| {
        chain.block().slot.with_mut(|from| {
            // SAFETY: we are the runner of both (4). What `to` held, the Wait,
            // is forgotten; its reference is released below.
            unsafe { (*from).move_to(&mut *to) };
        });
    });
    if let Some(watch) = outer.block().info.watch() {
        watch.waits(None);
    }
    // Ours as runner, and the one of the Wait.
    chain.release_run(2, calls);
    outer
}

/// Returns the next record if it is a link: then it is the last one.
///
/// # Safety
///
/// By the runner of `chain`, or by that of the chain it waits for (11).
unsafe fn next_link(chain: ChainPtr) -> Option<*mut Record> {
    let block = chain.block();
    if !chain.load().has(CLOSED) {
        return None;
    }
    // SAFETY: the caller says so.
    let read = block.reader.with(|reader| unsafe { (*reader).read });
    // ORDERING: Relaxed: the last record stands where `write` points, and
    // CLOSED, which was read with Acquire, says that it does not move.
    if read != block.write.load(Ordering::Relaxed) {
        return None;
    }
    // SAFETY: as above, and the record is complete (8).
    unsafe { matches!((*read).kind.sort, RecordClass::Link).then_some(read) }
}

/// Swaps the chain that `waiter` waits for, `old`, for `new`, whose reference
/// is handed over, and returns which of its waits this is.
///
/// # Safety
///
/// The caller is the deliverer of `waiter`, so that the wait lasts. It takes
/// over the reference to the old one.
unsafe fn wait_for_instead(waiter: ChainPtr, new: ChainPtr) -> u32 {
    let locked = waiter.lock_if(|s| s.has(WAITING));
    debug_assert!(locked.is_ok(), "only the deliverer ends a wait");
    let block = waiter.block();
    // SAFETY: invariant 4: WAITING and LOCKED.
    let wait_generation = unsafe {
        block.slot.with_mut(|slot| (*slot).peek::<Wait>().on = new);
        block
            .wait_generation
            .with(|wait_generation| *wait_generation)
    };
    waiter.unlock_and_clear(0);
    wait_generation
}

/// Lets go of `chain`: the one that waits for it waits for `inner` instead.
///
/// # Safety
///
/// As for `wait`; `link` is the only record that is left.
unsafe fn let_go(
    chain: ChainPtr,
    link: *mut Record,
    inner: ChainPtr,
    calls: &mut Calls,
) -> Option<ChainPtr> {
    // SAFETY: we are the runner: the record is ours to move from, and the
    // waiter's wait lasts (11).
    let (target, wait_generation) = unsafe {
        let target = (*link).payload.target;
        (target, wait_for_instead(target, inner))
    };
    if let Some(watch) = target.block().info.watch() {
        watch.waits(Some(inner.block().info.watch_id()));
    }
    if chain.load().has(AFTER_STAGE) {
        chain.clear(AFTER_STAGE);
        calls.take_from(chain);
    }
    // Two references to `chain` are ours: the runner's, the waiter's. With no
    // other one no call can be registered any more.
    if chain.load().refs() == 2 {
        chain.release(2, RUNNING);
    } else {
        if let Some(watch) = chain.block().info.watch() {
            watch.waits(None);
        }
        // The handles that keep it need no span.
        span::drop_that_of(&chain.block().info);
        let to = target.retain();
        chain.block().slot.with_mut(|slot| {
            // SAFETY: we are the runner, and the slot is empty (4).
            unsafe {
                (*slot).put(Forward {
                    to,
                    wait_generation,
                })
            };
        });
        chain.block().wait_generation.with_mut(|wait_generation| {
            // SAFETY: as above. The wait before is over: what was forwarded to
            // it goes no further.
            unsafe { *wait_generation = (*wait_generation).saturating_add(1) };
        });
        let (state, _) =
            chain.update(|s| Transition::To((s.0 & !(RUNNING | AFTER_STAGE)) | FORWARDED));
        if state.has(AFTER_STAGE) {
            calls.take_from(chain);
        }
        chain.release(2, 0);
    }
    // SAFETY: the consumer of `inner` is ours, and so is the reference that the
    // old link had.
    unsafe { append_last(inner, &LINK, Payload { target }, 0, true) }
}

/// Takes the waiter `middle` of `chain` out, if all it will do is to pass the
/// result on: `chain` will deliver to whom `middle` would.
///
/// This is how a middle that was paused is let go once its pauses are gone.
///
/// # Safety
///
/// The caller is the runner of `chain`, and `link` its next record.
unsafe fn bypass(chain: ChainPtr, link: *mut Record) -> bool {
    // SAFETY: we are the runner of the chain that `middle` waits for, so we
    // may look at its records (11), and its wait lasts.
    unsafe {
        let middle = (*link).payload.target;
        let Some(next) = next_link(middle) else {
            return false;
        };
        // As in `wait`, no new pause can come.
        if middle.load().is_paused() {
            return false;
        }
        let target = (*next).payload.target;
        span::drop_that_of(&middle.block().info);
        let wait_generation = wait_for_instead(target, chain.retain());
        let to = target.retain();
        let locked = middle.lock_if(|s: State| s.has(WAITING));
        debug_assert!(locked.is_ok(), "only the deliverer ends a wait");
        // The Wait that is overwritten had a reference to `chain`.
        middle.block().slot.with_mut(|slot| {
            (*slot).put(Forward {
                to,
                wait_generation,
            })
        });
        middle.update(|s| Transition::To((s.0 & !(WAITING | LOCKED)) | FORWARDED));
        (*link).payload.target = target;
        if let Some(watch) = middle.block().info.watch() {
            watch.waits(None);
        }
        chain.release(1, 0);
        // The one of our link, and the one of the target's wait.
        middle.release(2, 0);
        true
    }
}
