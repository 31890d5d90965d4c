//! Coroutines that the thread whose fire woke them resumes.
//!
//! Rules:
//!
//! - *Which wakes count.* A wake counts as a fire's if it happens while this
//!   thread calls the waker of a chain that came to rest: directly, or by way of
//!   other wakers, such as those of `FuturesUnordered`.
//! - *Never inside a waker.* Other libraries call wakers under their locks, which
//!   a future may want as well. So a waker polls nothing: it puts the coroutine
//!   into a queue of its thread, which the thread works off once the wake, and
//!   the run that it was part of, are over, before the fire returns.
//! - *Bounded depth.* A coroutine that is resumed may fire others, which are
//!   resumed inside that fire. Past [`DEEP`] such levels they stay in the queue
//!   for the level that works it off already: coroutines of any number that
//!   resume each other need no stack for each.
//! - *A thread that ends* may have lost its queue. Then they are resumed at once.

use crate::failure::catch_and_log;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ptr;
use std::sync::Arc;
use std::task::Waker;

/// How deep fires and coroutines may nest before they are put off.
const DEEP: u32 = 16;

/// A queue that grew beyond this is freed when it is empty.
const KEPT: usize = 64;

/// A coroutine that the thread which has it may poll.
pub(crate) trait Resume: Send + Sync {
    /// Polls it, and runs what that makes runnable. It does not panic.
    fn resume(self: Arc<Self>);
}

watched_thread_local! {
    /// How many wakes of chains are on this thread's stack.
    static WAKES: Cell<u32> = Cell::new(0);
}
watched_thread_local! {
    /// How many levels of resumed coroutines are on this thread's stack.
    static DEPTH: Cell<u32> = Cell::new(0);
}
watched_thread_local! {
    static QUEUE: RefCell<VecDeque<Arc<dyn Resume>>> = RefCell::new(VecDeque::new());
}

watched_thread_local! {
    /// The shared future that this thread polls: only its address is used.
    static POLLED: Cell<*const ()> = Cell::new(ptr::null());
}

/// A poll of a shared future on this thread.
pub(crate) struct Polled {
    outer: *const (),
}

impl Polled {
    #[inline]
    pub(crate) fn enter(future: *const ()) -> Self {
        let outer = POLLED.try_with(|polled| polled.replace(future));
        Polled {
            outer: outer.unwrap_or(ptr::null()),
        }
    }
}

impl Drop for Polled {
    #[inline]
    fn drop(&mut self) {
        let _ = POLLED.try_with(|polled| polled.set(self.outer));
    }
}

pub(crate) fn is_polled(future: *const ()) -> bool {
    POLLED
        .try_with(Cell::get)
        .is_ok_and(|polled| polled == future)
}

/// Whether this thread is inside a wake that counts as a fire's.
pub(crate) fn is_in_wake() -> bool {
    WAKES.try_with(Cell::get).unwrap_or(0) > 0
}

/// Wakes `waker` for a fire. [`work_off`] must follow.
#[inline]
pub(crate) fn wake(waker: Waker) {
    let change = |by: i32| {
        let _ = WAKES.try_with(|wakes| wakes.set(wakes.get().wrapping_add_signed(by)));
    };
    change(1);
    catch_and_log("a waker", || waker.wake());
    change(-1);
}

/// Wakes `waker` as a fire would, and resumes what that woke.
pub(crate) fn wake_and_resume(waker: Waker) {
    wake(waker);
    work_off();
}

/// Resumes `coroutine`, which the caller has: now, or as soon as this thread is
/// outside of wakers.
pub(crate) fn resume(coroutine: Arc<dyn Resume>) {
    put(coroutine);
    work_off();
}

/// Leaves `coroutine`, which the caller has, to this thread's queue.
pub(crate) fn put(coroutine: Arc<dyn Resume>) {
    let mut coroutine = Some(coroutine);
    let _ = QUEUE.try_with(|queue| {
        if let Some(coroutine) = coroutine.take() {
            queue.borrow_mut().push_back(coroutine);
        }
    });
    if let Some(coroutine) = coroutine {
        coroutine.resume();
    }
}

/// Resumes those in this thread's queue, unless it is inside a waker, or deep.
#[inline]
pub(crate) fn work_off() {
    let is_empty = QUEUE.try_with(|queue| queue.borrow().is_empty());
    if !is_empty.unwrap_or(true) {
        resume_all();
    }
}

#[inline(never)]
fn resume_all() {
    let depth = DEPTH.try_with(Cell::get).unwrap_or(0);
    if depth >= DEEP || is_in_wake() {
        return;
    }
    let _ = DEPTH.try_with(|d| d.set(depth + 1));
    while let Some(next) = pop() {
        next.resume();
    }
    let _ = DEPTH.try_with(|d| d.set(depth));
}

fn pop() -> Option<Arc<dyn Resume>> {
    let popped = QUEUE.try_with(|queue| {
        let mut queue = queue.borrow_mut();
        let next = queue.pop_front();
        if queue.is_empty() && queue.capacity() > KEPT {
            *queue = VecDeque::new();
        }
        next
    });
    popped.ok().flatten()
}
