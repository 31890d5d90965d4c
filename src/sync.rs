//! Locks: the standard ones, or the model checker's.

#[cfg(not(tokio_deferred_loom))]
pub(crate) use crate::failure::lock;
#[cfg(not(tokio_deferred_loom))]
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU64, AtomicUsize},
};

#[cfg(not(tokio_deferred_loom))]
pub(crate) use std::thread;

#[cfg(tokio_deferred_loom)]
pub(crate) use loom::thread;

#[cfg(tokio_deferred_loom)]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU64, AtomicUsize},
};

#[cfg(tokio_deferred_loom)]
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
