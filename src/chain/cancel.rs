//! Asking for a result no more.

use super::Deferred;
use crate::core::{CancelRequest, Handle};
use crate::failure::{BoxError, DeferredError};
use futures::future::FusedFuture;
use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

fn request(reason: Option<BoxError>, at: &'static Location<'static>) -> CancelRequest {
    CancelRequest {
        reason,
        quiet: false,
        at,
    }
}

impl<T: Send + 'static> Deferred<T> {
    /// Cancels the operation behind this Deferred: Twisted's `cancel`.
    ///
    /// - Without a result: the canceller runs, on this thread, and its result is
    ///   the Deferred's; without a canceller the Deferred fails with
    ///   [`Cancelled`](crate::Cancelled). Stages run as at any fire.
    /// - Waiting for a Deferred that a stage returned: that one is cancelled
    ///   instead, and so on inwards.
    /// - With a result, or while a stage runs: nothing happens.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let (resolver, d) = Deferred::<i32>::new();
    /// d.cancel();
    /// assert!(resolver.is_cancelled());
    /// resolver.callback(1); // swallowed
    /// assert!(testing::failure_of(d).is_cancelled());
    /// ```
    #[track_caller]
    pub fn cancel(&self) {
        self.send_cancel(request(None, Location::caller()));
    }

    /// Cancels, and says why: `reason` is the `source()` of the
    /// [`Cancelled`](crate::Cancelled) that comes of it.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    /// use std::error::Error;
    ///
    /// let (_resolver, d) = Deferred::<()>::new();
    /// d.cancel_with("the user went away");
    /// let failure = testing::failure_of(d);
    /// assert!(failure.is_cancelled());
    /// assert_eq!(failure.source().unwrap().to_string(), "the user went away");
    /// ```
    #[track_caller]
    pub fn cancel_with(&self, reason: impl Into<BoxError>) {
        self.send_cancel(request(Some(reason.into()), Location::caller()));
    }

    pub(crate) fn send_cancel(&self, request: CancelRequest) -> bool {
        // A Deferred with its result in itself has nothing to cancel.
        match self.repr.consumer() {
            Some(consumer) => consumer.cancel(request),
            None => {
                request.give_up();
                false
            }
        }
    }

    /// Returns a handle that cancels this Deferred, whatever is added to it
    /// and whoever has it.
    ///
    /// # Panics
    ///
    /// If there are more than 268,435,455 handles of one Deferred at once;
    /// cloning a handle does so, too.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let (_resolver, mut d) = Deferred::<()>::new();
    /// let handle = d.cancel_handle();
    /// let d = d.map(|()| 1);
    /// handle.cancel();
    /// assert!(testing::failure_of(d).is_cancelled());
    /// ```
    pub fn cancel_handle(&mut self) -> CancelHandle {
        CancelHandle(self.core_handle())
    }

    pub(crate) fn core_handle(&mut self) -> Handle {
        self.repr.handle()
    }

    /// Returns a handle, unless the result is there and nothing is left to
    /// cancel.
    pub(crate) fn pending_handle(&self) -> Option<Handle> {
        let consumer = self.repr.consumer()?;
        (!consumer.is_at_rest()).then(|| consumer.handle())
    }

    /// Makes dropping cancel, instead of detach.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::Deferred;
    ///
    /// let (resolver, d) = Deferred::<()>::new();
    /// drop(d.cancel_on_drop());
    /// assert!(resolver.is_cancelled());
    /// ```
    pub fn cancel_on_drop(self) -> CancelOnDrop<T> {
        CancelOnDrop(Some(self))
    }
}

/// Cancels a Deferred from elsewhere; see [`Deferred::cancel_handle`].
///
/// Its clones cancel the same Deferred. It keeps no result alive and is no
/// handler of a failure; dropping it does nothing.
///
/// # Examples
///
/// ```
/// use std::thread;
/// use tokio_deferred::{Deferred, testing};
///
/// let (_resolver, mut d) = Deferred::<()>::new();
/// let handle = d.cancel_handle();
/// thread::spawn(move || handle.cancel()).join().unwrap();
/// assert!(testing::failure_of(d).is_cancelled());
/// ```
#[derive(Clone)]
pub struct CancelHandle(Handle);

impl CancelHandle {
    /// Cancels, as [`Deferred::cancel`] does.
    #[track_caller]
    pub fn cancel(&self) {
        self.0.cancel(request(None, Location::caller()));
    }

    /// Cancels and says why, as [`Deferred::cancel_with`] does.
    #[track_caller]
    pub fn cancel_with(&self, reason: impl Into<BoxError>) {
        self.0
            .cancel(request(Some(reason.into()), Location::caller()));
    }
}

impl fmt::Debug for CancelHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelHandle").finish_non_exhaustive()
    }
}

/// A Deferred that is cancelled when it is dropped, as futures are.
///
/// It is a future with the Deferred's output. The failure that the drop's
/// cancel makes is not reported as unhandled.
///
/// # Examples
///
/// ```
/// use tokio_deferred::Deferred;
///
/// let (resolver, d) = Deferred::<()>::new();
/// drop(d.cancel_on_drop());
/// assert!(resolver.is_cancelled());
/// ```
#[must_use = "a CancelOnDrop that is dropped at once cancels at once"]
pub struct CancelOnDrop<T>(Option<Deferred<T>>)
where
    // Its drop cancels, which only a Deferred that could be made can do.
    T: Send + 'static;

impl<T: Send + 'static> CancelOnDrop<T> {
    /// Returns the Deferred, which is no longer cancelled by a drop.
    pub fn into_inner(mut self) -> Deferred<T> {
        self.0.take().expect("taken only by value")
    }

    /// Returns a reference to the Deferred.
    pub fn get_ref(&self) -> &Deferred<T> {
        self.0.as_ref().expect("taken only by value")
    }

    fn inner(&mut self) -> &mut Deferred<T> {
        self.0.as_mut().expect("taken only by value")
    }
}

impl<T: Send + 'static> Future for CancelOnDrop<T> {
    type Output = Result<T, DeferredError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(self.inner()).poll(cx)
    }
}

impl<T: Send + 'static> FusedFuture for CancelOnDrop<T> {
    fn is_terminated(&self) -> bool {
        self.get_ref().is_terminated()
    }
}

impl<T: Send + 'static> Drop for CancelOnDrop<T> {
    fn drop(&mut self) {
        if let Some(d) = self.0.take() {
            d.send_cancel(CancelRequest::unwanted(Location::caller()));
        }
    }
}

impl<T: Send + 'static> fmt::Debug for CancelOnDrop<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CancelOnDrop").field(self.get_ref()).finish()
    }
}
