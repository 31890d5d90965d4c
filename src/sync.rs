//! Atomics, cells, locks and threads: the standard ones, or, under the model
//! checker, its own. Everything that a model watches comes from here.

#[cfg(tokio_deferred_loom)]
pub(crate) use loom::{
    cell::UnsafeCell,
    sync::{
        Condvar, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering},
    },
};
#[cfg(not(tokio_deferred_loom))]
pub(crate) use std::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering},
};

#[cfg(not(tokio_deferred_loom))]
pub(crate) use real::AtomicU64;
#[cfg(not(tokio_deferred_loom))]
pub(crate) use std::thread;

#[cfg(tokio_deferred_loom)]
pub(crate) use loom::thread;

/// As [`AtomicU64`], for what is a hint only: the model checker does not watch it.
pub(crate) use real::AtomicU64 as HintU64;

/// The 64-bit atomic of the target, or one with a lock inside where the target
/// has none. The model checker's does not work in statics.
mod real {
    #[cfg(not(target_has_atomic = "64"))]
    pub(crate) use portable_atomic::AtomicU64;
    #[cfg(target_has_atomic = "64")]
    pub(crate) use std::sync::atomic::AtomicU64;
}

/// Locks `mutex`, whether or not a thread panicked while it held it.
///
/// No lock of this crate is held across code that can leave its data half
/// changed, so a poisoned lock says nothing.
#[cfg(not(tokio_deferred_loom))]
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The same, of a mutex that the model checker watches, or of a standard one.
#[cfg(tokio_deferred_loom)]
pub(crate) fn lock<M: Lock + ?Sized>(mutex: &M) -> M::Guard<'_> {
    mutex.lock_any()
}

#[cfg(tokio_deferred_loom)]
pub(crate) trait Lock {
    type Guard<'a>
    where
        Self: 'a;

    fn lock_any(&self) -> Self::Guard<'_>;
}

#[cfg(tokio_deferred_loom)]
impl<T: ?Sized> Lock for Mutex<T> {
    type Guard<'a>
        = MutexGuard<'a, T>
    where
        T: 'a;

    fn lock_any(&self) -> MutexGuard<'_, T> {
        self.lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(tokio_deferred_loom)]
impl<T: ?Sized> Lock for std::sync::Mutex<T> {
    type Guard<'a>
        = std::sync::MutexGuard<'a, T>
    where
        T: 'a;

    fn lock_any(&self) -> std::sync::MutexGuard<'_, T> {
        self.lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

// Where the compiler knows the mutex's type, it looks through these by itself.
#[cfg(tokio_deferred_loom)]
macro_rules! lock_through {
    ($($pointer:ident),+) => {$(
        impl<M: Lock> Lock for std::sync::$pointer<M> {
            type Guard<'a>
                = M::Guard<'a>
            where
                M: 'a;

            fn lock_any(&self) -> M::Guard<'_> {
                (**self).lock_any()
            }
        }
    )+};
}

#[cfg(tokio_deferred_loom)]
lock_through!(Arc, LazyLock);

/// The standard cell with the model checker's way of asking for the pointer.
#[cfg(not(tokio_deferred_loom))]
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(tokio_deferred_loom))]
impl<T> UnsafeCell<T> {
    #[inline]
    pub(crate) fn new(value: T) -> Self {
        UnsafeCell(std::cell::UnsafeCell::new(value))
    }

    #[inline]
    pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    #[inline]
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

/// Makes a `thread_local!`, which the model checker keeps for each of its threads.
macro_rules! watched_thread_local {
    ($(#[$attribute:meta])* static $name:ident: $type:ty = $value:expr;) => {
        #[cfg(not(tokio_deferred_loom))]
        thread_local! {
            $(#[$attribute])*
            static $name: $type = const { $value };
        }
        #[cfg(tokio_deferred_loom)]
        loom::thread_local! {
            static $name: $type = $value;
        }
    };
}

/// Lets another thread go on, between two looks at a bit that it holds for a few
/// instructions.
pub(crate) struct Spin(u32);

impl Spin {
    pub(crate) fn new() -> Self {
        Spin(0)
    }

    #[cold]
    pub(crate) fn wait(&mut self) {
        #[cfg(tokio_deferred_loom)]
        loom::thread::yield_now();
        // If it takes longer, the other thread was put off the processor, and
        // needs it.
        #[cfg(not(tokio_deferred_loom))]
        if self.0 < 32 {
            std::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
        self.0 = self.0.saturating_add(1);
    }
}

/// Numbers from 1 up, no two the same. At one a nanosecond they last 584 years.
pub(crate) struct Numbers(real::AtomicU64);

impl Numbers {
    pub(crate) const fn new() -> Self {
        Numbers(real::AtomicU64::new(1))
    }

    pub(crate) fn next(&self) -> u64 {
        // ORDERING: only that no two are the same matters.
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}
