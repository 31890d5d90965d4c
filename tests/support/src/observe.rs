//! What several of the modules need.

use std::sync::{Arc, Mutex};
use tokio_deferred::Resolver;

/// What happened, in order.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub fn add(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// A place for something that a callback needs and that is known later.
pub struct Later<T>(Arc<Mutex<Option<T>>>);

impl<T> Clone for Later<T> {
    fn clone(&self) -> Self {
        Later(self.0.clone())
    }
}

impl<T> Default for Later<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Later<T> {
    pub fn new() -> Self {
        Later(Arc::new(Mutex::new(None)))
    }

    pub fn put(&self, value: T) {
        let old = self.0.lock().unwrap().replace(value);
        assert!(old.is_none(), "something was there already");
    }

    pub fn take(&self) -> T {
        self.0.lock().unwrap().take().expect("something is there")
    }

    pub fn try_take(&self) -> Option<T> {
        self.0.lock().unwrap().take()
    }
}

/// Fires on another thread, and waits until that is over.
pub fn fire_elsewhere<T: Send + 'static>(resolver: Resolver<T>, value: T) -> std::thread::ThreadId {
    std::thread::spawn(move || {
        resolver.callback(value);
        std::thread::current().id()
    })
    .join()
    .unwrap()
}

/// Calls something when it is dropped.
pub struct OnDrop<F: FnMut()>(pub F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
