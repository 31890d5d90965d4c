//! A failure whose error's type is known.

use super::Failure;
use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

/// A [`Failure`] that was found to hold an `E`; it derefs to that error.
///
/// Made by [`Failure::trap`]. `?` on a `Trapped` that is returned as an error
/// raises the failure again, as it was.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Failure, TimedOut};
/// use std::time::Duration;
///
/// let failure = Failure::new(TimedOut::new(Duration::from_secs(3)));
/// let timed_out = failure.trap::<TimedOut>().unwrap();
/// assert_eq!(timed_out.after.as_secs(), 3);
/// assert!(timed_out.into_failure().is_timed_out());
/// ```
pub struct Trapped<E> {
    failure: Failure,
    // The E is inside the failure, shared with its clones: borrowed, never
    // owned, so no bound on E is needed for Send and Sync.
    kind: PhantomData<fn() -> E>,
}

impl<E: Error + 'static> Trapped<E> {
    pub(super) fn new(failure: Failure) -> Result<Self, Failure> {
        if failure.is::<E>() {
            let kind = PhantomData;
            Ok(Trapped { failure, kind })
        } else {
            Err(failure)
        }
    }
}

impl<E> Trapped<E> {
    /// Returns the failure.
    pub fn failure(&self) -> &Failure {
        &self.failure
    }

    /// Returns the failure, to raise it again.
    pub fn into_failure(self) -> Failure {
        self.failure
    }
}

impl<E: Error + 'static> Trapped<E> {
    /// Returns the error itself, if the failure has no clones and the `E` is not
    /// a source of another error, as [`Failure::downcast`] does.
    ///
    /// # Errors
    ///
    /// This, unchanged.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io;
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let d = Deferred::<io::Error>::fail(io::Error::other("disk full"))
    ///     .add_errback(|failure| Ok(failure.trap::<io::Error>()?.into_inner()?));
    /// assert_eq!(testing::success_of(d).to_string(), "disk full");
    /// ```
    pub fn into_inner(self) -> Result<E, Trapped<E>> {
        let kind = PhantomData;
        let inner = self.failure.downcast::<E>();
        inner.map_err(|failure| Trapped { failure, kind })
    }
}

impl<E: Error + 'static> Deref for Trapped<E> {
    type Target = E;

    fn deref(&self) -> &E {
        let found = self.failure.check::<E>();
        found.expect("a failure's error never changes, and it was found before")
    }
}

impl<E> From<Trapped<E>> for Failure {
    fn from(trapped: Trapped<E>) -> Self {
        trapped.failure
    }
}

impl<E: Error + 'static> fmt::Display for Trapped<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl<E> fmt::Debug for Trapped<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trapped").field(&self.failure).finish()
    }
}
