//! Steps that may nest without end, kept off the stack.
//!
//! A callback that is dropped unrun may own a resolver whose callbacks own
//! others; a cancel passed on by a coroutine may reach another coroutine, and
//! so on. Past a depth such a step waits for the outermost one on its thread,
//! so that the stack does not grow with their number.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

/// How deep steps may nest before they are put off.
const DEEP: u32 = 32;

type Step = Box<dyn FnOnce()>;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static LATER: RefCell<VecDeque<Step>> = const { RefCell::new(VecDeque::new()) };
}

/// One level, given back also when a step panics.
struct Level(u32);

impl Level {
    fn enter() -> Self {
        let depth = DEPTH.try_with(Cell::get).unwrap_or(0);
        let _ = DEPTH.try_with(|d| d.set(depth + 1));
        Level(depth)
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        let _ = DEPTH.try_with(|d| d.set(self.0));
    }
}

/// Runs `step` now, or, past a depth, at the end of the outermost step.
pub(crate) fn trampoline(step: impl FnOnce() + 'static) {
    if cfg!(tokio_deferred_loom) {
        // The model checker's threads are one, as far as thread-locals know.
        return step();
    }
    let depth = DEPTH.try_with(Cell::get).unwrap_or(0);
    if depth < DEEP {
        let level = Level::enter();
        step();
        if depth == 0 {
            while let Ok(Some(next)) = LATER.try_with(|later| later.borrow_mut().pop_front()) {
                next();
            }
        }
        drop(level);
        return;
    }
    let mut step = Some(step);
    let put_off = LATER.try_with(|later| {
        if let Some(step) = step.take() {
            later.borrow_mut().push_back(Box::new(step));
        }
    });
    // On a thread that is going away there is no later.
    if put_off.is_err()
        && let Some(step) = step
    {
        step();
    }
}
