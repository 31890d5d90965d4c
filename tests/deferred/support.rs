//! What several of the modules need.

use std::sync::{Arc, Mutex};
use tokio_deferred::Resolver;

/// What happened, in order.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn add(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// A place for something that a callback needs and that is known later.
pub(crate) struct Later<T>(Arc<Mutex<Option<T>>>);

impl<T> Clone for Later<T> {
    fn clone(&self) -> Self {
        Later(self.0.clone())
    }
}

impl<T> Later<T> {
    pub(crate) fn new() -> Self {
        Later(Arc::new(Mutex::new(None)))
    }

    pub(crate) fn put(&self, value: T) {
        let old = self.0.lock().unwrap().replace(value);
        assert!(old.is_none(), "something was there already");
    }

    pub(crate) fn take(&self) -> T {
        self.0.lock().unwrap().take().expect("something is there")
    }

    pub(crate) fn try_take(&self) -> Option<T> {
        self.0.lock().unwrap().take()
    }
}

/// Fires on another thread, and waits until that is over.
pub(crate) fn fire_elsewhere<T: Send + 'static>(
    resolver: Resolver<T>,
    value: T,
) -> std::thread::ThreadId {
    std::thread::spawn(move || {
        resolver.callback(value);
        std::thread::current().id()
    })
    .join()
    .unwrap()
}

/// Calls something when it is dropped.
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
