//! A guard for tests in which nothing may be lost.

use crate::debug;
use crate::failure::audit;
use crate::sync::lock;
use std::sync::{Mutex, MutexGuard};
use std::thread;

/// One strict test at a time: what they collect is one for all threads.
static ONE: Mutex<()> = Mutex::new(());

/// Makes a test fail if, while this guard lives, on any thread, a failure went
/// unhandled, a [`Resolver`](crate::Resolver) was dropped without firing, or a
/// Deferred was made that still has no result at the end.
///
/// Where `capture_unhandled` is about one thread and one sort of loss, this is
/// about all of them. It turns [debugging](debug::set_debugging) on while it
/// lives. Reports are made as ever, too; those that
/// [`capture_unhandled`](super::capture_unhandled) collected are no loss.
///
/// A second strict test waits until the first is over. Other tests of the same
/// process count, so strict tests belong into a test binary of their own, or
/// all tests of a binary are strict.
///
/// # Panics
///
/// The drop panics, and lists what was lost; not if the thread panics already.
///
/// # Examples
///
/// ```should_panic
/// use tokio_deferred::{Deferred, testing::Strict};
///
/// let _strict = Strict::new();
/// let (resolver, reply) = Deferred::<u32>::new();
/// std::thread::spawn(move || drop(resolver)).join().unwrap();
/// # let _ = reply.add_errback(|_| Ok(0));
/// // The drop of the guard panics: "the resolver of the Deferred made at .."
/// ```
#[must_use = "a Strict that is dropped at once checks nothing"]
#[derive(Debug)]
pub struct Strict {
    first_id: u64,
    was_debugging: bool,
    _one: MutexGuard<'static, ()>,
}

impl Strict {
    /// Begins to watch.
    #[allow(clippy::new_without_default)] // It does something.
    pub fn new() -> Self {
        let _one = lock(&ONE);
        let was_debugging = debug::set_debugging(true);
        audit::start();
        Strict {
            first_id: debug::first_id_from_now(),
            was_debugging,
            _one,
        }
    }

    /// Returns what was lost up to now, and the Deferreds that have no result:
    /// a line, or a few, for each.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing::Strict};
    ///
    /// let strict = Strict::new();
    /// let (resolver, reply) = Deferred::new();
    /// assert!(strict.losses()[0].contains("without a result"));
    /// resolver.callback(1);
    /// assert!(strict.losses().is_empty());
    /// # drop(reply);
    /// ```
    pub fn losses(&self) -> Vec<String> {
        let mut losses = audit::found();
        let pending = debug::pending_since(self.first_id);
        if !pending.is_empty() {
            losses.push(pending.to_string());
        }
        losses
    }
}

impl Drop for Strict {
    fn drop(&mut self) {
        let losses = self.losses();
        audit::stop();
        debug::set_debugging(self.was_debugging);
        if !losses.is_empty() && !thread::panicking() {
            panic!("a strict test lost something:\n{}", losses.join("\n"));
        }
    }
}
