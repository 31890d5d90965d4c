//! What stands behind the APIs: a device that holds the callback of the one
//! operation that runs, until a test answers it.

use crate::Refused;
use std::sync::{Arc, Mutex, PoisonError};

/// What an API keeps of an operation that it has started. Clones are the same
/// device.
#[derive(Debug)]
pub struct Device<C>(Arc<Mutex<State<C>>>);

#[derive(Debug)]
struct State<C> {
    callback: Option<C>,
    stops: usize,
}

/// What a test does to a device.
pub trait Answer {
    /// Calls back, from this thread.
    fn answer(&self, result: Result<u32, Refused>);

    /// Calls back twice, with different values. False if the API cannot.
    fn answer_twice(&self) -> bool {
        false
    }

    /// Loses the callback. False if the API cannot.
    fn lose(&self) -> bool;

    /// How often an operation was stopped, or `None` if the API cannot stop any.
    fn stops(&self) -> Option<usize> {
        None
    }
}

impl<C> Device<C> {
    /// Keeps the callback of an operation.
    pub fn begin(&self, callback: C) {
        self.with(|state| state.callback = Some(callback));
    }

    /// Takes the callback out, to call or to drop it.
    pub fn take(&self) -> Option<C> {
        self.with(|state| state.callback.take())
    }

    /// Ends the operation, if it still runs: its callback is dropped uncalled.
    pub fn stop(&self) {
        let stopped = self.with(|state| {
            let callback = state.callback.take();
            state.stops += usize::from(callback.is_some());
            callback
        });
        drop(stopped);
    }

    /// How many operations [`stop`](Device::stop) has ended.
    pub fn stops(&self) -> usize {
        self.with(|state| state.stops)
    }

    fn with<R>(&self, f: impl FnOnce(&mut State<C>) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<C> Clone for Device<C> {
    fn clone(&self) -> Self {
        Device(self.0.clone())
    }
}

impl<C> Default for Device<C> {
    fn default() -> Self {
        Device(Arc::new(Mutex::new(State {
            callback: None,
            stops: 0,
        })))
    }
}
