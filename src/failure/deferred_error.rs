//! A failure as a standard error.

use super::{Failure, PlaceKind, Trace, Trapped};
use std::any::Any;
use std::error::Error;
use std::fmt;

/// What awaiting a [`Deferred`](crate::Deferred) fails with: its [`Failure`],
/// as a `std::error::Error`.
///
/// `?` turns it into `anyhow::Error`, `Box<dyn Error>`, a `thiserror` enum with
/// `#[from]`, or back into the [`Failure`] it was, which keeps its identity and
/// its trace. It has the methods of a `Failure`, so that code which looks at an
/// error need not change when a callback becomes an async fn.
///
/// Its `source()` is the error that the failure carries: whoever walks along the
/// sources, as `anyhow` does, finds the error itself and prints its text once.
/// `Display` therefore says what this level knows: which Deferred failed. `{:#}`
/// is for people: the error and its sources, in one line.
///
/// # Examples
///
/// ```
/// use std::error::Error;
/// use std::io;
/// use tokio_deferred::{Deferred, DeferredError};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let full = Deferred::<()>::fail(io::Error::other("disk full"));
/// let error: DeferredError = full.await.unwrap_err();
/// assert!(error.is::<io::Error>());
/// assert!(error.to_string().starts_with("the Deferred made at "));
/// assert_eq!(error.source().unwrap().to_string(), "disk full");
/// assert_eq!(format!("{error:#}"), "disk full");
///
/// let disk: io::Error = error.downcast().unwrap();
/// assert_eq!(disk.to_string(), "disk full");
/// # }
/// ```
#[derive(Clone)]
pub struct DeferredError(Failure);

impl DeferredError {
    /// Returns the failure.
    #[must_use]
    pub fn failure(&self) -> &Failure {
        &self.0
    }

    /// Returns the failure, to send it on down a chain.
    #[must_use]
    pub fn into_failure(self) -> Failure {
        self.0
    }

    /// Returns the error that the failure carries.
    #[must_use]
    pub fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        self.0.error()
    }

    /// Returns whether the error, or one of its sources, is an `E`.
    #[must_use]
    pub fn is<E: Error + 'static>(&self) -> bool {
        self.0.is::<E>()
    }

    /// Returns the error, or the first of its sources, that is an `E`.
    #[must_use]
    pub fn check<E: Error + 'static>(&self) -> Option<&E> {
        self.0.check::<E>()
    }

    /// Returns the error, or the first of its sources, that is an `E`.
    #[must_use]
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.0.check::<E>()
    }

    /// Returns the error itself, if it is an `E` and the failure has no clones,
    /// as [`Failure::downcast`] does.
    ///
    /// # Errors
    ///
    /// This error, unchanged.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io;
    /// use tokio_deferred::Deferred;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let error = Deferred::<()>::fail(io::Error::other("disk full")).await.unwrap_err();
    /// let error = error.downcast::<std::fmt::Error>().unwrap_err();
    /// let disk: io::Error = error.downcast().unwrap();
    /// assert_eq!(disk.to_string(), "disk full");
    /// # }
    /// ```
    pub fn downcast<E: Error + 'static>(self) -> Result<E, DeferredError> {
        self.0.downcast().map_err(DeferredError)
    }

    /// Returns the `E` that [`check`](DeferredError::check) finds, or this error,
    /// so that `?` sends it on.
    ///
    /// # Errors
    ///
    /// This error, unchanged, if neither the error nor a source is an `E`.
    pub fn trap<E: Error + 'static>(self) -> Result<Trapped<E>, DeferredError> {
        self.0.trap().map_err(DeferredError)
    }

    /// Returns whether the failure is a [`Cancelled`](crate::Cancelled), as
    /// [`Failure::is_cancelled`] says.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Returns whether the failure is a [`TimedOut`](crate::TimedOut), as
    /// [`Failure::is_timed_out`] says.
    #[must_use]
    pub fn is_timed_out(&self) -> bool {
        self.0.is_timed_out()
    }

    /// Returns whether the failure is a panic that was caught.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        self.0.is_panic()
    }

    /// Returns whether the failure is a
    /// [`ResolverDropped`](crate::ResolverDropped).
    #[must_use]
    pub fn is_resolver_dropped(&self) -> bool {
        self.0.is_resolver_dropped()
    }

    /// Returns the payload of the panic, as [`Failure::into_panic`] does.
    ///
    /// # Errors
    ///
    /// This error, if it is no panic or the payload was taken before.
    pub fn into_panic(self) -> Result<Box<dyn Any + Send>, DeferredError> {
        self.0.into_panic().map_err(DeferredError)
    }

    /// Returns the path the failure took up to now.
    #[must_use]
    pub fn trace(&self) -> Trace {
        self.0.trace()
    }
}

impl From<Failure> for DeferredError {
    fn from(failure: Failure) -> Self {
        DeferredError(failure)
    }
}

impl<E> From<Trapped<E>> for DeferredError {
    fn from(trapped: Trapped<E>) -> Self {
        DeferredError(trapped.into_failure())
    }
}

impl Error for DeferredError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.0.error())
    }
}

impl fmt::Display for DeferredError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return write!(f, "{:#}", self.0);
        }
        let place = self.0.last_place();
        match (place.kind(), place.label()) {
            (PlaceKind::Awaited, None) => {
                write!(f, "the Deferred made at {} failed", place.at())
            }
            (PlaceKind::Awaited, Some(label)) => {
                write!(f, "the Deferred made at {} ({label}) failed", place.at())
            }
            _ => write!(f, "a Deferred failed, at {}", place.at()),
        }
    }
}

impl fmt::Debug for DeferredError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
