//! A failure as a standard error.

use super::{Failure, Trace};
use std::error::Error;
use std::fmt;

/// What awaiting a [`Deferred`](crate::Deferred) fails with: its [`Failure`],
/// as a `std::error::Error`.
///
/// `?` turns it into `anyhow::Error`, `Box<dyn Error>`, a `thiserror` enum with
/// `#[from]`, or back into the [`Failure`] it was, which keeps its identity and
/// its trace. Its `source()` is the error that the failure carries, so
/// downcasting along the sources finds it; `Display` is that error's text.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, DeferredError};
/// use std::fmt::Error as FmtError;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let error: DeferredError = Deferred::<()>::fail(FmtError).await.unwrap_err();
/// assert_eq!(error.downcast_ref::<FmtError>(), Some(&FmtError));
/// # }
/// ```
#[derive(Clone)]
pub struct DeferredError(Failure);

impl DeferredError {
    /// Returns the failure.
    pub fn failure(&self) -> &Failure {
        &self.0
    }

    /// Returns the failure, to send it on down a chain.
    pub fn into_failure(self) -> Failure {
        self.0
    }

    /// Returns the error, or the first of its sources, that is an `E`.
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.0.check::<E>()
    }

    /// Returns whether the error, or one of its sources, is an `E`.
    pub fn is<E: Error + 'static>(&self) -> bool {
        self.0.is::<E>()
    }

    /// Returns whether the failure is a [`Cancelled`](crate::Cancelled).
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Returns whether the failure is a [`TimedOut`](crate::TimedOut).
    pub fn is_timed_out(&self) -> bool {
        self.0.is_timed_out()
    }

    /// Returns whether the failure is a panic that was caught.
    pub fn is_panic(&self) -> bool {
        self.0.is_panic()
    }

    /// Returns whether the failure is a
    /// [`ResolverDropped`](crate::ResolverDropped).
    pub fn is_resolver_dropped(&self) -> bool {
        self.0.is_resolver_dropped()
    }

    /// Returns the path the failure took up to now.
    pub fn trace(&self) -> Trace {
        self.0.trace()
    }
}

impl From<Failure> for DeferredError {
    fn from(failure: Failure) -> Self {
        DeferredError(failure)
    }
}

impl Error for DeferredError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.0.error())
    }
}

impl fmt::Display for DeferredError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for DeferredError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
