//! A chain whose result is not in it, for the handles that refer to it.

use super::after_stage::Calls;
use super::block::{ChainPtr, Transition};
use super::consumer::Consumer;
use super::info::ChainInfo;
use super::link;
use super::run::run;
use super::state::{FIRED, GONE, REF, RUNNING, State};
use crate::failure::Failure;
use std::mem::ManuallyDrop;
use std::panic::Location;

/// A chain at rest whose result is elsewhere: in the Deferred that owns this.
/// It is kept for the handles and pauses that refer to it.
pub(crate) struct Anchor(ChainPtr);

// SAFETY: as for Consumer; it has no value at all.
unsafe impl Send for Anchor {}
// SAFETY: as above.
unsafe impl Sync for Anchor {}

impl Anchor {
    pub(super) fn new(chain: ChainPtr) -> Self {
        Anchor(chain)
    }

    pub(super) fn into_ptr(self) -> ChainPtr {
        ManuallyDrop::new(self).0
    }

    /// Looks at somebody else's.
    pub(super) fn borrowed(chain: ChainPtr) -> ManuallyDrop<Self> {
        ManuallyDrop::new(Anchor(chain))
    }

    pub(crate) fn make(made: &'static Location<'static>) -> Self {
        let chain = ChainPtr::new::<()>(FIRED | REF, ChainInfo::new(made));
        if let Some(watch) = chain.block().info.watch() {
            watch.fired();
        }
        Anchor(chain)
    }

    /// Whether a pause holds it up, or the thread that dropped the last one
    /// has not let it go to rest yet.
    pub(crate) fn is_held(&self) -> bool {
        !self.0.load().is_at_rest()
    }

    /// Notes that its result is nowhere any more.
    pub(super) fn set_gone(&self) {
        self.0.update(|s| Transition::To(s.0 | GONE));
    }

    pub(super) fn is_gone(&self) -> bool {
        self.0.load().has(GONE)
    }

    /// Puts a result back, so that what holds the chain up holds it up.
    pub(crate) fn put_back<T>(self, value: Result<T, Failure>) -> Consumer<T> {
        let chain = self.into_ptr();
        if chain.load().has(GONE) {
            chain.clear(GONE);
        }
        chain.block().slot.with_mut(|slot| {
            // SAFETY: the slot is empty, and nobody looks at it before a
            // record follows: an unpause finds none (4, 6).
            unsafe { (*slot).put(value) }
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

    /// Looks at the chain as at one that has its result.
    pub(crate) fn as_consumer(&self) -> ManuallyDrop<Consumer<()>> {
        ManuallyDrop::new(Consumer::new(self.0))
    }
}

impl Drop for Anchor {
    fn drop(&mut self) {
        self.0.release(1, 0);
    }
}
