//! The runner: the loop that takes a result down a chain, and on to the
//! chains that wait for it, without recursion.

use super::block::Ptr;
use super::link;
use super::record::Flow;
use super::scope::Scope;
use super::shim::Ordering;
use super::state::{CLOSED, MORE, REF, RUNNING, State, WAKER, WAKING};
use crate::failure::quietly;
use std::cell::Cell;

thread_local! {
    /// How many runs are on this thread's stack.
    static RUNS: Cell<u32> = const { Cell::new(0) };
}

/// Whether this thread is inside a run. The model checker's threads are one, as
/// far as thread-locals know, and so never are.
pub(super) fn is_inside() -> bool {
    !cfg!(tokio_deferred_loom) && RUNS.try_with(Cell::get).unwrap_or(0) > 0
}

struct Inside;

impl Inside {
    fn enter() -> Self {
        let _ = RUNS.try_with(|runs| runs.set(runs.get() + 1));
        Inside
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = RUNS.try_with(|runs| runs.set(runs.get() - 1));
    }
}

/// Runs the chain, and whatever its result makes runnable.
///
/// # Safety
///
/// The caller set `RUNNING` (invariant 3), gives up one reference, and the
/// slot holds the input of the next record (7), or there is no record.
pub(super) unsafe fn run(start: Ptr) {
    let mut chain = start;
    let mut scope = Scope::new();
    let _inside = Inside::enter();
    loop {
        let block = chain.block();
        let state = chain.load();
        if state.is_paused() {
            scope.leave();
            if hold(chain, state) {
                return;
            }
            continue;
        }
        let record = block.reader.with(|reader| {
            // SAFETY: we are the runner (3).
            unsafe { (*reader).read }
        });
        // ORDERING: Acquire: what was appended up to here is complete (6). It
        // comes after the load of `state`, so that a state without MORE, if it
        // has not changed when we go to rest, means that nothing was appended.
        if record == block.write.load(Ordering::Acquire) {
            if state.has(MORE) {
                // If it fails, the loop looks again.
                let _ = chain.change(state, state.0 & !MORE);
                continue;
            }
            if !state.has(CLOSED) {
                scope.leave();
                if rest(chain, state) {
                    return;
                }
                continue;
            }
            // What stands here is the last record (8).
        }
        // SAFETY: the record is complete (6, 8), and we are the runner (3): we
        // move past it and run it, once.
        let flow = unsafe {
            let kind = (*record).kind;
            block
                .reader
                .with_mut(|reader| (*reader).read = record.byte_add(kind.size));
            scope.enter(&block.meta);
            (kind.run)(record, chain)
        };
        match flow {
            Flow::Next => {}
            Flow::Span => scope.leave(),
            Flow::Jump(chunk) => block.reader.with_mut(|reader| {
                // SAFETY: we are the runner, and this was the jump.
                unsafe { (*reader).jump(chunk) }
            }),
            Flow::Wait(inner) => {
                scope.leave();
                // SAFETY: we are the runner, the slot is empty, and the tail
                // of `inner` was handed over.
                match unsafe { link::wait(chain, inner) } {
                    Some(next) => chain = next,
                    None => return,
                }
            }
            Flow::Finished => {
                scope.leave();
                chain.release(1, RUNNING);
                return;
            }
            Flow::Deliver(link) => {
                scope.leave();
                // SAFETY: we ran the link, so the slot holds its value.
                chain = unsafe { link::deliver(chain, link) };
            }
            Flow::Fired(next) => {
                scope.leave();
                chain.release(1, RUNNING);
                chain = next;
            }
        }
    }
}

/// Stops at `state`, for its pauses or because nothing is left to run and
/// nobody to wake; or says that it has changed.
#[inline]
pub(super) fn hold(chain: Ptr, state: State) -> bool {
    if state.is_sole() {
        // An anchor whose result was taken was dropped while it was held.
        chain.release(1, RUNNING);
        return true;
    }
    chain.change(state, (state.0 & !RUNNING) - REF).is_ok()
}

/// Goes to rest from `state`, or says that it has changed. Then the owner of
/// the tail, whose reference keeps the block, is woken.
fn rest(chain: Ptr, state: State) -> bool {
    if !state.has(WAKER) {
        return hold(chain, state);
    }
    let to = (state.0 & !(RUNNING | WAKER)) | WAKING;
    if chain.change(state, to).is_err() {
        return false;
    }
    let waker = chain.block().waker.with(|waker| {
        // SAFETY: invariant 10: we cleared WAKER and set WAKING. The owner of
        // the tail may compare what is there, but not change it.
        unsafe { (*waker).assume_init_read() }
    });
    chain.release(1, WAKING);
    quietly("a waker", || waker.wake());
    true
}
