//! Holding up a local chain.

use super::LocalDeferred;
use super::confined::Confined;
use crate::chain::Pause;
use std::fmt;

/// A pause of a local Deferred; dropping it unpauses. As
/// [`Pause`], on the thread of its Deferred.
///
/// # Examples
///
/// ```
/// use tokio_deferred::local::LocalDeferred;
///
/// let mut d = LocalDeferred::succeed(1);
/// let pause = d.pause();
/// let d = d.map(|n| n + 1);
/// assert!(!d.is_fired());
/// drop(pause); // the stage runs here
/// assert_eq!(d.try_result().unwrap().unwrap(), 2);
/// ```
#[must_use = "a LocalPause that is dropped at once holds nothing up"]
pub struct LocalPause {
    inner: Confined<Pause>,
}

impl LocalPause {
    /// Undoes the pause, as dropping it does.
    pub fn unpause(self) {
        self.inner.into_inner().unpause();
    }
}

impl fmt::Debug for LocalPause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalPause").finish_non_exhaustive()
    }
}

impl<T: 'static> LocalDeferred<T> {
    /// Holds up the stages until the [`LocalPause`] is dropped; as
    /// [`Deferred::pause`](crate::Deferred::pause).
    ///
    /// # Panics
    ///
    /// If there are more than a million pauses at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let mut d = LocalDeferred::succeed(1);
    /// let pause = d.pause();
    /// let d = d.map(|n| n + 1);
    /// assert!(!d.is_fired());
    /// pause.unpause();
    /// assert!(d.is_fired());
    /// ```
    pub fn pause(&mut self) -> LocalPause {
        LocalPause {
            inner: Confined::new(self.inner.pause()),
        }
    }
}
