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

/// An atomic pointer that its owner has in a register.
///
/// The standard one is passed through memory, also by value.
#[cfg(not(tokio_deferred_loom))]
pub(super) struct Word(std::cell::UnsafeCell<*mut ()>);
#[cfg(tokio_deferred_loom)]
pub(super) struct Word(AtomicPtr<()>);

// SAFETY: all access by `&self` is atomic; what is pointed to is the user's.
#[cfg(not(tokio_deferred_loom))]
unsafe impl Send for Word {}
// SAFETY: as above.
#[cfg(not(tokio_deferred_loom))]
unsafe impl Sync for Word {}

impl Word {
    #[inline]
    pub(super) fn new(pointer: *mut ()) -> Self {
        Word(pointer.into())
    }

    #[inline]
    fn atomic(&self) -> &AtomicPtr<()> {
        // SAFETY: it is valid as long as `self`, and by `&self` only used here.
        #[cfg(not(tokio_deferred_loom))]
        return unsafe { AtomicPtr::from_ptr(self.0.get()) };
        #[cfg(tokio_deferred_loom)]
        &self.0
    }

    #[inline]
    pub(super) fn load(&self, order: Ordering) -> *mut () {
        self.atomic().load(order)
    }

    /// Puts `new` in if it is still `old`.
    pub(super) fn replace(&self, old: *mut (), new: *mut ()) -> bool {
        // ORDERING: AcqRel: Release for who loads it, Acquire for what another
        // thread may have stored before.
        self.atomic()
            .compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// Reads it, which nobody else can reach: without an atomic load, which
    /// would keep the compiler from seeing through it.
    #[inline]
    pub(super) fn sole(&mut self) -> *mut () {
        #[cfg(not(tokio_deferred_loom))]
        return *self.0.get_mut();
        #[cfg(tokio_deferred_loom)]
        self.0.with_mut(|pointer| *pointer)
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
