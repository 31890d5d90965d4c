//! A chain whose result is not in it, for the handles that refer to it.

use super::block::{Block, Next, Ptr};
use super::link;
use super::run::run;
use super::shim::{AtomicPtr, Ordering, sole};
use super::state::{FIRED, REF, RUNNING, State};
use super::tail::Tail;
use crate::failure::Failure;
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::ptr;

/// A chain at rest whose result is elsewhere: in the Deferred that owns this.
/// It is kept for the handles and pauses that refer to it.
pub(crate) struct Anchor(Ptr);

// SAFETY: as for Tail; it has no value at all.
unsafe impl Send for Anchor {}
// SAFETY: as above.
unsafe impl Sync for Anchor {}

impl Anchor {
    pub(super) fn new(chain: Ptr) -> Self {
        Anchor(chain)
    }

    pub(crate) fn make(made: &'static Location<'static>) -> Self {
        let chain = Ptr::new::<()>(FIRED | REF, made);
        if let Some(watch) = chain.block().meta.watch() {
            watch.fired();
        }
        Anchor(chain)
    }

    /// Whether a pause holds it up, or the thread that dropped the last one
    /// has not let it go to rest yet.
    pub(crate) fn is_held(&self) -> bool {
        !self.0.load().is_at_rest()
    }

    /// Puts the result back, so that what holds the chain up holds it up.
    pub(crate) fn put_back<T>(self, value: Result<T, Failure>) -> Tail<T> {
        let chain = ManuallyDrop::new(self).0;
        chain.block().slot.with_mut(|slot| {
            // SAFETY: the slot is empty, and nobody looks at it before a
            // record follows: an unpause finds none (4, 6).
            unsafe { (*slot).put(value) }
        });
        Tail::new(chain)
    }

    /// Makes the chain, at rest and not paused, wait for `inner`.
    pub(crate) fn wait_for<T>(self, inner: Tail<T>) -> Tail<T> {
        let chain = ManuallyDrop::new(self).0;
        chain.update(|s| Next::To(State(s.0 | RUNNING).with_ref().0));
        // SAFETY: at rest, so that we may run it (9); the slot is empty. The
        // reference added is the run's.
        unsafe {
            if let Some(next) = link::wait(chain, inner.into_ptr()) {
                run(next);
            }
        }
        Tail::new(chain)
    }

    /// Looks at the chain as at one that has its result.
    pub(crate) fn as_tail(&self) -> ManuallyDrop<Tail<()>> {
        ManuallyDrop::new(Tail::new(self.0))
    }
}

impl Drop for Anchor {
    fn drop(&mut self) {
        self.0.release(1, 0);
    }
}

/// An anchor that is made when somebody first asks for it.
pub(super) struct LazyAnchor(AtomicPtr<Block>);

impl LazyAnchor {
    #[inline]
    pub(super) fn new(anchor: Option<Anchor>) -> Self {
        LazyAnchor(AtomicPtr::new(match anchor {
            Some(anchor) => ManuallyDrop::new(anchor).0.into_raw(),
            None => ptr::null_mut(),
        }))
    }

    #[inline]
    pub(super) fn get(&self) -> Option<ManuallyDrop<Anchor>> {
        // ORDERING: Acquire: the block was made before its pointer was stored.
        let raw = self.0.load(Ordering::Acquire);
        Ptr::from_raw(raw).map(|chain| ManuallyDrop::new(Anchor(chain)))
    }

    pub(super) fn get_or_make(&self, made: &'static Location<'static>) -> ManuallyDrop<Anchor> {
        if let Some(anchor) = self.get() {
            return anchor;
        }
        let fresh = Anchor::make(made);
        // ORDERING: AcqRel: Release for who loads it, Acquire for what another
        // thread may have stored before.
        let stored = self.0.compare_exchange(
            ptr::null_mut(),
            fresh.0.into_raw(),
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        match stored {
            Ok(_) => ManuallyDrop::new(fresh),
            // `fresh` is dropped: somebody was faster.
            Err(_) => self.get().expect("an anchor that was made stays"),
        }
    }

    #[inline]
    pub(super) fn take(&mut self) -> Option<Anchor> {
        let chain = Ptr::from_raw(sole(&mut self.0))?;
        self.0 = AtomicPtr::new(ptr::null_mut());
        Some(Anchor(chain))
    }

    #[inline]
    pub(super) fn is_none(&mut self) -> bool {
        sole(&mut self.0).is_null()
    }
}
