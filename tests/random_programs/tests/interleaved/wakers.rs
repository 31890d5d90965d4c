//! Wakers that count.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

/// How many there are.
pub(crate) const WAKERS: usize = 4;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Default)]
pub(crate) struct Wakers([Arc<Count>; WAKERS]);

impl Wakers {
    pub(crate) fn waker(&self, number: usize) -> Waker {
        self.0[number].clone().into()
    }

    /// How often that one was woken.
    pub(crate) fn woken(&self, number: usize) -> usize {
        self.0[number].0.load(Ordering::SeqCst)
    }
}
