//! Asking for a local result no more.

use super::confined::Confined;
use super::deferred::poll_confined;
use super::{LocalDeferred, OnThread};
use crate::chain::{CancelHandle, CancelOnDrop};
use crate::failure::{BoxError, DeferredError};
use futures::future::FusedFuture;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

impl<T: 'static> LocalDeferred<T> {
    /// Cancels the operation behind this Deferred; as
    /// [`Deferred::cancel`](crate::Deferred::cancel).
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let (resolver, d) = LocalDeferred::<i32>::new();
    /// assert!(d.cancel()); // somebody was asked
    /// assert!(resolver.is_cancelled());
    /// assert!(d.try_result().unwrap().unwrap_err().is_cancelled());
    /// ```
    #[track_caller]
    pub fn cancel(&self) -> bool {
        self.inner.cancel()
    }

    /// Cancels, and says why; as
    /// [`Deferred::cancel_with`](crate::Deferred::cancel_with).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::error::Error;
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let (_resolver, d) = LocalDeferred::<()>::new();
    /// d.cancel_with("the user went away");
    /// let failure = d.try_result().unwrap().unwrap_err();
    /// assert_eq!(failure.source().unwrap().to_string(), "the user went away");
    /// ```
    #[track_caller]
    pub fn cancel_with(&self, reason: impl Into<BoxError>) -> bool {
        self.inner.cancel_with(reason)
    }

    /// Returns a handle that cancels this Deferred, whatever is added to it;
    /// as [`Deferred::cancel_handle`](crate::Deferred::cancel_handle).
    ///
    /// The handle stays on this thread, too.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let (_resolver, mut d) = LocalDeferred::<()>::new();
    /// let handle = d.cancel_handle();
    /// let d = d.map(|()| 1);
    /// handle.cancel();
    /// assert!(d.try_result().unwrap().unwrap_err().is_cancelled());
    /// ```
    pub fn cancel_handle(&mut self) -> LocalCancelHandle {
        LocalCancelHandle {
            inner: Confined::new(self.inner.cancel_handle()),
        }
    }

    /// Protects the operation from cancels of the Deferred that this returns;
    /// as [`Deferred::shield`](crate::Deferred::shield).
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let (commit, d) = LocalDeferred::<()>::new();
    /// let d = d.shield();
    /// d.cancel();
    /// assert!(d.try_result().unwrap().unwrap_err().is_cancelled());
    /// assert!(!commit.is_cancelled());
    /// # commit.callback(());
    /// ```
    #[track_caller]
    pub fn shield(self) -> LocalDeferred<T> {
        LocalDeferred::wrap(self.inner.into_inner().shield())
    }

    /// Cancels, and waits for the result that comes of it: the one of the
    /// operation, if it answers the cancel with one. As
    /// [`Deferred::cancel_and_wait`](crate::Deferred::cancel_and_wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::FutureExt;
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let (_resolver, d) = LocalDeferred::with_canceller(|| Some(Ok("closed")));
    /// let ended = d.cancel_and_wait().now_or_never();
    /// assert_eq!(ended.unwrap().unwrap(), "closed");
    /// ```
    #[track_caller]
    pub fn cancel_and_wait(
        self,
    ) -> impl Future<Output = Result<T, DeferredError>> + Unpin + use<T> {
        self.cancel();
        self
    }

    /// Makes dropping cancel, instead of detach.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let (resolver, d) = LocalDeferred::<()>::new();
    /// drop(d.cancel_on_drop());
    /// assert!(resolver.is_cancelled());
    /// ```
    pub fn cancel_on_drop(self) -> LocalCancelOnDrop<T> {
        LocalCancelOnDrop {
            inner: Confined::new(self.inner.into_inner().cancel_on_drop()),
        }
    }
}

/// Cancels a local Deferred from elsewhere on its thread; see
/// [`LocalDeferred::cancel_handle`].
///
/// Its clones cancel the same Deferred. It keeps no result alive and is no
/// handler of a failure; dropping it does nothing.
///
/// # Examples
///
/// ```
/// use tokio_deferred::local::LocalDeferred;
///
/// let (_resolver, mut d) = LocalDeferred::<()>::new();
/// let handle = d.cancel_handle();
/// handle.cancel();
/// assert!(d.try_result().unwrap().unwrap_err().is_cancelled());
/// ```
#[derive(Clone)]
pub struct LocalCancelHandle {
    inner: Confined<CancelHandle>,
}

impl LocalCancelHandle {
    /// Cancels, as [`LocalDeferred::cancel`] does.
    #[track_caller]
    pub fn cancel(&self) -> bool {
        self.inner.cancel()
    }

    /// Cancels and says why, as [`LocalDeferred::cancel_with`] does.
    #[track_caller]
    pub fn cancel_with(&self, reason: impl Into<BoxError>) -> bool {
        self.inner.cancel_with(reason)
    }
}

impl LocalCancelHandle {
    /// Returns whether there is nothing to cancel at the moment; as
    /// [`CancelHandle::is_finished`](crate::CancelHandle::is_finished).
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let (resolver, mut d) = LocalDeferred::new();
    /// let handle = d.cancel_handle();
    /// assert!(!handle.is_finished());
    /// resolver.callback(1);
    /// assert!(handle.is_finished() && !handle.cancel());
    /// # d.detach();
    /// ```
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.inner.is_finished()
    }
}

impl fmt::Debug for LocalCancelHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalCancelHandle").finish_non_exhaustive()
    }
}

/// A local Deferred that is cancelled when it is dropped, as futures are.
///
/// It is a future with the Deferred's output. The failure that the drop's
/// cancel makes is not reported as unhandled.
///
/// # Examples
///
/// ```
/// use tokio_deferred::local::LocalDeferred;
///
/// let (resolver, d) = LocalDeferred::<()>::new();
/// drop(d.cancel_on_drop());
/// assert!(resolver.is_cancelled());
/// ```
#[must_use = "a LocalCancelOnDrop that is dropped at once cancels at once"]
pub struct LocalCancelOnDrop<T: 'static> {
    inner: Confined<CancelOnDrop<OnThread<T>>>,
}

impl<T: 'static> LocalCancelOnDrop<T> {
    /// Returns the Deferred, which is no longer cancelled by a drop.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let (resolver, d) = LocalDeferred::<()>::new();
    /// let d = d.cancel_on_drop().into_inner();
    /// assert!(!resolver.is_cancelled());
    /// # resolver.callback(());
    /// # d.detach();
    /// ```
    pub fn into_inner(self) -> LocalDeferred<T> {
        LocalDeferred::wrap(self.inner.into_inner().into_inner())
    }
}

impl<T: 'static> Future for LocalCancelOnDrop<T> {
    type Output = Result<T, DeferredError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        poll_confined(&mut *self.inner, cx)
    }
}

impl<T: 'static> FusedFuture for LocalCancelOnDrop<T> {
    fn is_terminated(&self) -> bool {
        self.inner.is_terminated()
    }
}

impl<T: 'static> fmt::Debug for LocalCancelOnDrop<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalCancelOnDrop")
            .field(&*self.inner)
            .finish()
    }
}
