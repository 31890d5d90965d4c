//! Holding up a chain.

use super::Deferred;
use crate::core::PauseGuard;
use std::fmt;

/// A pause of a Deferred; dropping it is Twisted's `unpause`.
///
/// Pauses nest: the stages go on when the last one is dropped, on the thread
/// that drops it. A pause outlives its Deferred, so a paused one can be handed
/// on. It is no handler: a failure that it holds up is reported, if at all,
/// after it.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, testing};
///
/// let mut d = Deferred::succeed(1);
/// let pause = d.pause();
/// let d = d.map(|n| n + 1);
/// testing::assert_no_result(&d);
/// drop(pause); // the stage runs here
/// assert_eq!(testing::success_of(d), 2);
/// ```
#[must_use = "a Pause that is dropped at once holds nothing up"]
pub struct Pause {
    _guard: PauseGuard,
}

impl Pause {
    /// Undoes the pause, as dropping it does.
    pub fn unpause(self) {}
}

impl fmt::Debug for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pause").finish_non_exhaustive()
    }
}

/// # Holding up
impl<T: Send + 'static> Deferred<T> {
    /// Holds up the stages until the [`Pause`] is dropped: Twisted's `pause`.
    ///
    /// It takes effect at once, behind the stage that is running. Fires,
    /// cancels and the results of returned Deferreds still arrive; no stage and
    /// no await gets them before the last pause is gone.
    ///
    /// # Panics
    ///
    /// If there are more than a million pauses at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let mut d = Deferred::succeed(1);
    /// let pause = d.pause();
    /// let d = d.map(|n| n + 1);
    /// testing::assert_no_result(&d);
    /// drop(pause); // the stage runs here
    /// assert_eq!(testing::success_of(d), 2);
    /// ```
    pub fn pause(&mut self) -> Pause {
        let _guard = self.repr.pause();
        Pause { _guard }
    }
}
