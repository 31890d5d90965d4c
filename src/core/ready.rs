//! A result that is in no chain, and what becomes of one that nobody takes.

use super::anchor::{Anchor, LazyAnchor};
use super::tail::Tail;
use crate::failure::{Failure, report};
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::ptr;

/// A result, and what is left of its chain if somebody else has a part in it.
pub(crate) type Taken<T> = (Result<T, Failure>, Option<Anchor>);

/// A result, and where its chain, of which nothing is left, was made.
pub(super) type Plain<T> = (Result<T, Failure>, &'static Location<'static>);

/// A result beside a chain: with the chain that it was in, if somebody else has
/// a part in that. Dropped, it is given up.
///
/// Through a shared reference nothing of the value can be reached, so it may be
/// shared without being `Sync`.
pub(crate) struct Ready<T> {
    result: ManuallyDrop<Result<T, Failure>>,
    anchor: LazyAnchor,
    made: &'static Location<'static>,
}

// SAFETY: by `&self` one learns which of the two the result is, which nobody
// can change meanwhile: that takes `self`.
unsafe impl<T: Send> Sync for Ready<T> {}

impl<T> Ready<T> {
    #[inline]
    pub(crate) fn new(
        result: Result<T, Failure>,
        anchor: Option<Anchor>,
        made: &'static Location<'static>,
    ) -> Self {
        Ready {
            result: ManuallyDrop::new(result),
            anchor: LazyAnchor::new(anchor),
            made,
        }
    }

    #[inline]
    pub(crate) fn made(&self) -> &'static Location<'static> {
        self.made
    }

    pub(crate) fn is_ok(&self) -> bool {
        self.result.is_ok()
    }

    /// Whether nothing holds it up: no pause, nor the thread that dropped the
    /// last one.
    pub(crate) fn is_free(&self) -> bool {
        !self.anchor.get().is_some_and(|anchor| anchor.is_held())
    }

    /// Takes the result, and where it was made, if there is no anchor: the
    /// usual case.
    ///
    /// # Safety
    ///
    /// If there is one, this is not used again, nor dropped.
    #[inline(always)]
    pub(super) unsafe fn take_plain(&mut self) -> Option<Plain<T>> {
        if !self.anchor.is_none() {
            return None;
        }
        // SAFETY: the caller forgets this, and without an anchor the result is
        // all that there is to drop.
        Some((unsafe { ptr::read(&*self.result) }, self.made))
    }

    /// As `take_plain`, by value.
    ///
    /// # Errors
    ///
    /// This, if there is an anchor.
    #[inline(always)]
    pub(crate) fn into_plain(self) -> Result<Plain<T>, Self> {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: it is dropped and used again only if there is none.
        match unsafe { this.take_plain() } {
            Some(plain) => Ok(plain),
            None => Err(ManuallyDrop::into_inner(this)),
        }
    }

    /// Returns the result as that of its anchor, in which what holds it up
    /// holds it up.
    #[cold]
    #[inline(never)]
    pub(crate) fn into_chain(self) -> Tail<T> {
        let made = self.made;
        let (result, anchor) = self.into_parts();
        anchor
            .unwrap_or_else(|| Anchor::make(made))
            .put_back(result)
    }

    /// Returns the result and the anchor; or, if that holds it up, the chain.
    #[cold]
    #[inline(never)]
    pub(crate) fn try_into_parts(self) -> Result<Taken<T>, Tail<T>> {
        if self.is_free() {
            Ok(self.into_parts())
        } else {
            Err(self.into_chain())
        }
    }

    /// Returns the result, and the anchor.
    pub(crate) fn into_parts(self) -> Taken<T> {
        let mut this = ManuallyDrop::new(self);
        let anchor = this.anchor.take();
        // SAFETY: `this` is forgotten, and what is left of it owns nothing.
        (unsafe { ptr::read(&*this.result) }, anchor)
    }

    /// Puts another result in its place, and drops this one.
    pub(crate) fn with<U>(self, result: Result<U, Failure>) -> Ready<U> {
        let made = self.made;
        let (_, anchor) = self.into_parts();
        Ready::new(result, anchor, made)
    }

    /// The anchor, which stays; made if there was none.
    pub(crate) fn anchor(&self) -> ManuallyDrop<Anchor> {
        self.anchor.get_or_make(self.made)
    }

    /// The anchor, if there is one.
    pub(crate) fn known_anchor(&self) -> Option<ManuallyDrop<Anchor>> {
        self.anchor.get()
    }

    /// Drops what there is.
    #[cold]
    #[inline(never)]
    fn let_go(
        result: Result<T, Failure>,
        anchor: Option<Anchor>,
        made: &'static Location<'static>,
    ) {
        match anchor {
            // Its report, if it comes to one, comes after the unpause.
            Some(anchor) if anchor.is_held() => drop(anchor.put_back(result)),
            anchor => give_up(result, || {
                let label = anchor.as_ref().and_then(|anchor| anchor.as_tail().label());
                (made, label)
            }),
        }
    }
}

impl<T> Drop for Ready<T> {
    #[inline]
    fn drop(&mut self) {
        let anchor = self.anchor.take();
        // SAFETY: this is the drop, and the field is not used again.
        let result = unsafe { ptr::read(&*self.result) };
        if std::mem::needs_drop::<T>() || result.is_err() || anchor.is_some() {
            Self::let_go(result, anchor, self.made);
        }
    }
}

/// Drops a result that nobody will take; a failure is reported, the panic of a
/// value's drop as well.
#[inline]
pub(super) fn give_up<T>(
    value: Result<T, Failure>,
    whose: impl Fn() -> (&'static Location<'static>, Option<&'static str>),
) {
    let failure = match value {
        Ok(value) => match catch_unwind(AssertUnwindSafe(|| drop(value))) {
            Ok(()) => return,
            Err(payload) => Failure::panicked(payload, whose().0),
        },
        Err(failure) => failure,
    };
    let (made, label) = whose();
    report(failure, made, label);
}
