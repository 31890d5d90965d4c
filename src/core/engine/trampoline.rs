//! Steps that may nest without end, kept off the stack.
//!
//! A callback that is dropped unrun may own a resolver whose callbacks own
//! others; a cancel passed on by a coroutine may reach another coroutine; an
//! errback may start again what failed at once, and so on. Past a depth such a
//! step waits for the outermost one on its thread, so that the stack does not
//! grow with their number.
//!
//! Rules:
//!
//! - *\[levels\]* [`nested`] counts how deep steps are in each other on this thread.
//! - *\[outermost drains\]* A step that is put off is done by the level that found
//!   the depth at zero, after its own step, and in order.
//! - *\[none lost\]* Where the thread-locals are gone there is no later: the step
//!   is done at once.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

/// How deep steps may nest before they are put off.
const DEEP: u32 = 32;

/// Set in `LEVEL` while steps wait to be done.
const HAS_LATER: u32 = 1 << 31;

type Step = Box<dyn FnOnce()>;

thread_local! {
    /// The depth, and [`HAS_LATER`].
    static LEVEL: Cell<u32> = const { Cell::new(0) };
    static LATER: RefCell<VecDeque<Step>> = const { RefCell::new(VecDeque::new()) };
    /// How often this thread came to the end of steps that were put off.
    static DRAINS: Cell<u64> = const { Cell::new(0) };
}

/// One level, given back also when a step panics.
struct Level;

impl Level {
    #[inline]
    fn enter() -> Self {
        let _ = LEVEL.try_with(|level| level.set(level.get() + 1));
        Level
    }
}

impl Drop for Level {
    #[inline]
    fn drop(&mut self) {
        let _ = LEVEL.try_with(|level| level.set(level.get() - 1));
    }
}

fn depth() -> u32 {
    LEVEL.try_with(Cell::get).unwrap_or(0) & !HAS_LATER
}

/// Whether [`trampoline`] would put a step off here.
pub(crate) fn is_deep() -> bool {
    !cfg!(tokio_deferred_loom) && depth() >= DEEP
}

/// A number that changes when this thread has done all that was put off.
pub(crate) fn drains() -> u64 {
    DRAINS.try_with(Cell::get).unwrap_or(0)
}

/// Does `step` one level deeper.
#[inline]
pub(crate) fn nested<R>(step: impl FnOnce() -> R) -> R {
    let level = Level::enter();
    let value = step();
    if LEVEL.try_with(Cell::get) == Ok(HAS_LATER + 1) {
        drain();
    }
    drop(level);
    value
}

/// Does what was put off, and what is put off meanwhile.
#[cold]
#[inline(never)]
fn drain() {
    while let Ok(Some(next)) = LATER.try_with(|later| later.borrow_mut().pop_front()) {
        next();
    }
    let _ = LEVEL.try_with(|level| level.set(level.get() & !HAS_LATER));
    let _ = DRAINS.try_with(|drains| drains.set(drains.get() + 1));
}

/// Runs `step` now, or, past a depth, at the end of the outermost step.
pub(crate) fn trampoline(step: impl FnOnce() + 'static) {
    if cfg!(tokio_deferred_loom) {
        // The model checker's threads are one, as far as thread-locals know.
        return step();
    }
    if !is_deep() {
        return nested(step);
    }
    let mut step = Some(step);
    let put_off = LATER.try_with(|later| {
        if let Some(step) = step.take() {
            later.borrow_mut().push_back(Box::new(step));
        }
    });
    match put_off {
        Ok(()) => {
            let _ = LEVEL.try_with(|level| level.set(level.get() | HAS_LATER));
        }
        Err(_) => {
            if let Some(step) = step {
                step();
            }
        }
    }
}
