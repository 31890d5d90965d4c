//! A result that is reached by its owner alone.

use crate::failure::Failure;

/// A result beside a chain. Through a shared reference nothing of the value can
/// be reached, so it may be shared without being `Sync`.
pub(crate) struct Unshared<T>(Result<T, Failure>);

// SAFETY: by `&self` one learns which of the two it is, which nobody can change
// meanwhile: that takes `self`.
unsafe impl<T: Send> Sync for Unshared<T> {}

impl<T> Unshared<T> {
    #[inline]
    pub(crate) fn new(result: Result<T, Failure>) -> Self {
        Unshared(result)
    }

    #[inline]
    pub(crate) fn into_inner(self) -> Result<T, Failure> {
        self.0
    }

    pub(crate) fn is_ok(&self) -> bool {
        self.0.is_ok()
    }
}
