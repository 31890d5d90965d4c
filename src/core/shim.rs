//! Atomics and cells: the standard ones, or the model checker's.

#[cfg(not(tokio_deferred_loom))]
pub(super) use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

#[cfg(tokio_deferred_loom)]
pub(super) use loom::{
    cell::UnsafeCell,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering},
};

/// The standard cell with the model checker's way of asking for the pointer.
#[cfg(not(tokio_deferred_loom))]
#[derive(Debug)]
pub(super) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(tokio_deferred_loom))]
impl<T> UnsafeCell<T> {
    #[inline]
    pub(super) fn new(value: T) -> Self {
        UnsafeCell(std::cell::UnsafeCell::new(value))
    }

    #[inline]
    pub(super) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    #[inline]
    pub(super) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

/// Lets another thread go on, between two looks at a lock bit.
pub(super) struct Spin(u32);

impl Spin {
    pub(super) fn new() -> Self {
        Spin(0)
    }

    #[cold]
    pub(super) fn wait(&mut self) {
        #[cfg(tokio_deferred_loom)]
        loom::thread::yield_now();
        // The bit is held for a few instructions; if it takes longer, its
        // holder was put off the processor and needs it.
        #[cfg(not(tokio_deferred_loom))]
        if self.0 < 32 {
            std::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
        self.0 = self.0.saturating_add(1);
    }
}
