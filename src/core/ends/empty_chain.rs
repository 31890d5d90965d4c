//! A chain that is fired and holds no result: what handles and pauses refer to
//! while the Deferred that owns them has no value to keep in a chain.

use super::after_stage::Calls;
use super::block::{ChainPtr, Transition};
use super::consumer::Consumer;
use super::info::ChainInfo;
use super::link;
use super::run::run;
use super::state::{FIRED, REF, RUNNING, State};
use crate::failure::Failure;
use std::mem::ManuallyDrop;
use std::panic::Location;

/// A chain that is fired, has no record to run, and whose slot is empty. Its
/// owner has the rights of the owner of its [`Consumer`].
pub(crate) struct EmptyChain(ChainPtr);

// SAFETY: only the atomic state and the chain's info are used; there is no
// value.
unsafe impl Send for EmptyChain {}
// SAFETY: as above.
unsafe impl Sync for EmptyChain {}

impl EmptyChain {
    /// Makes one, with one reference, at rest.
    pub(crate) fn new(made: &'static Location<'static>) -> Self {
        let chain = ChainPtr::new::<()>(FIRED | REF, ChainInfo::new(made));
        if let Some(watch) = chain.block().info.watch() {
            watch.fired();
        }
        EmptyChain(chain)
    }

    /// Takes over a chain whose result was taken out of it.
    pub(super) fn from_ptr(chain: ChainPtr) -> Self {
        EmptyChain(chain)
    }

    pub(super) fn into_ptr(self) -> ChainPtr {
        ManuallyDrop::new(self).0
    }

    pub(super) fn info(&self) -> &ChainInfo {
        &self.0.block().info
    }

    /// Whether no pause holds the chain up, and the thread that dropped the last
    /// pause has left it.
    pub(super) fn is_at_rest(&self) -> bool {
        self.0.load().is_at_rest()
    }

    /// Puts a result in, which the pauses of the chain then hold up.
    pub(crate) fn put<T>(self, result: Result<T, Failure>) -> Consumer<T> {
        let chain = self.into_ptr();
        chain.block().slot.with_mut(|slot| {
            // SAFETY: the slot is empty, and no runner reads it before a
            // record follows: an unpause finds none (4, 6).
            unsafe { (*slot).put(result) }
        });
        Consumer::new(chain)
    }

    /// Makes the chain, at rest and not paused, wait for `inner`.
    pub(crate) fn wait_for<T>(self, inner: Consumer<T>) -> Consumer<T> {
        let chain = self.into_ptr();
        chain.update(|s| Transition::To(State(s.0 | RUNNING).with_ref().0));
        // SAFETY: at rest, so that we may run it (9); the slot is empty. The
        // reference added is the run's.
        unsafe {
            let mut calls = Calls::new();
            if let Some(next) = link::wait(chain, inner.into_ptr(), &mut calls) {
                run(next);
            }
            calls.make();
        }
        Consumer::new(chain)
    }
}

impl Drop for EmptyChain {
    fn drop(&mut self) {
        self.0.release(1, 0);
    }
}
