//! A value that stays on its thread, inside of machinery that is `Send`.
//!
//! A chain's block, its records and its result may go to any thread, so the
//! core asks for `Send`. A local chain (see [`local`](crate::local)) never
//! does: no half of it, no handle and no pause can leave the thread. This type
//! carries that fact past the bounds of the core.
//!
//! [owner's thread] Whoever makes an `OnThread` sees to it that the value is
//! reached, moved out and dropped on the thread that made it. The rules in
//! [`local`](crate::local) say how. Debug builds check each of these steps and
//! abort the process where one happens elsewhere: to go on would be undefined
//! behaviour.

/// A value that only the thread which made it touches.
#[doc(hidden)]
#[allow(missing_debug_implementations)] // It cannot be named from outside.
pub struct OnThread<T> {
    value: T,
    home: Home,
}

// SAFETY: [owner's thread]: although the type may be sent, the value is
// reached, moved out and dropped by the thread that made it alone.
unsafe impl<T> Send for OnThread<T> {}
// SAFETY: [owner's thread]: a reference on another thread reaches nothing.
unsafe impl<T> Sync for OnThread<T> {}

impl<T> OnThread<T> {
    #[inline]
    pub(crate) fn new(value: T) -> Self {
        let home = Home::here();
        OnThread { value, home }
    }

    #[inline]
    pub(crate) fn into_inner(self) -> T {
        self.home.check();
        self.value
    }

    #[inline]
    pub(crate) fn get(&self) -> &T {
        self.home.check();
        &self.value
    }
}

impl<T: Clone> Clone for OnThread<T> {
    fn clone(&self) -> Self {
        OnThread::new(self.get().clone())
    }
}

/// The thread that made a value, in debug builds.
struct Home {
    #[cfg(debug_assertions)]
    thread: u64,
}

#[cfg(not(debug_assertions))]
impl Home {
    #[inline]
    fn here() -> Self {
        Home {}
    }

    #[inline]
    fn check(&self) {}
}

#[cfg(debug_assertions)]
impl Home {
    fn here() -> Self {
        let thread = this_thread();
        Home { thread }
    }

    fn check(&self) {
        if !self.is_here() {
            eprintln!("tokio-deferred: a part of a local chain was used on another thread");
            std::process::abort();
        }
    }

    fn is_here(&self) -> bool {
        self.thread == this_thread()
    }
}

#[cfg(debug_assertions)]
impl Drop for Home {
    fn drop(&mut self) {
        self.check();
    }
}

/// A number for each thread. `thread::current` is not there any more while the
/// last thread-locals are dropped; a thread-local without a drop is.
#[cfg(debug_assertions)]
fn this_thread() -> u64 {
    use crate::sync::Numbers;
    use std::cell::Cell;

    static NEXT: Numbers = Numbers::new();
    thread_local! {
        static NUMBER: Cell<u64> = const { Cell::new(0) };
    }
    NUMBER.with(|number| {
        if number.get() == 0 {
            number.set(NEXT.next());
        }
        number.get()
    })
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn home_is_the_thread_that_made_it_and_no_other() {
        let home = Home::here();
        assert!(home.is_here());
        let seen = thread::scope(|scope| scope.spawn(|| home.is_here()).join());
        assert!(!seen.expect("nothing panics"));
    }
}
