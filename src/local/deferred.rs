//! The local Deferred, and how it is awaited.

use super::confined::Confined;
use super::{LocalResolver, OnThread, coroutine};
use crate::chain::{Deferred, hide_from_sendable};
use crate::failure::{DeferredError, Failure};
use futures::future::FusedFuture;
use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A [`Deferred`] that stays on the thread where it was made: neither its
/// value, nor its callbacks, nor what they capture need be `Send`.
///
/// Same names and same semantics as [`Deferred`], with one difference: *every*
/// stage runs on this thread, and so do its canceller and every drop of a
/// value or of a callback. Neither half can be sent to another thread, which
/// the compiler checks. A result from another thread comes by
/// [`Deferred::into_local`], or by awaiting a [`Deferred`] in a local
/// coroutine ([`from_coroutine`](LocalDeferred::from_coroutine)).
///
/// # Examples
///
/// ```
/// use std::cell::RefCell;
/// use std::rc::Rc;
/// use tokio_deferred::local::LocalDeferred;
///
/// let log = Rc::new(RefCell::new(Vec::new()));
/// let (resolver, d) = LocalDeferred::new();
/// let seen = log.clone();
/// let d = d.map(move |line: Rc<str>| seen.borrow_mut().push(line));
/// resolver.callback(Rc::from("hello")); // the stage runs here
/// assert_eq!(log.borrow().len(), 1);
/// assert!(d.is_fired());
/// ```
#[must_use = "await it, return it, or end it with log_errors() or detach()"]
pub struct LocalDeferred<T> {
    pub(super) inner: Confined<Deferred<OnThread<T>>>,
}

impl<T> LocalDeferred<T> {
    #[inline]
    pub(super) fn wrap(inner: Deferred<OnThread<T>>) -> Self {
        let inner = Confined::new(inner);
        LocalDeferred { inner }
    }

    #[inline]
    pub(super) fn into_confined_deferred(self) -> Deferred<OnThread<T>> {
        self.inner.into_inner()
    }
}

impl<T: 'static> LocalDeferred<T> {
    /// Makes a Deferred without a result, and the [`LocalResolver`] that gives
    /// it one; as [`Deferred::new`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let (resolver, d) = LocalDeferred::new();
    /// resolver.callback(Rc::new(1));
    /// assert_eq!(*d.try_result().unwrap().unwrap(), 1);
    /// ```
    #[allow(clippy::new_ret_no_self)] // Two halves of one thing, as channels have.
    #[inline]
    #[track_caller]
    pub fn new() -> (LocalResolver<T>, LocalDeferred<T>) {
        let (resolver, inner) = Deferred::new();
        (LocalResolver::wrap(resolver), LocalDeferred::wrap(inner))
    }

    #[inline]
    pub(super) fn ready(result: Result<T, Failure>, made: &'static Location<'static>) -> Self {
        LocalDeferred::wrap(Deferred::ready(result.map(OnThread::new), made))
    }

    /// Returns whether a result is there to take; as [`Deferred::is_fired`].
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let (resolver, d) = LocalDeferred::new();
    /// assert!(!d.is_fired());
    /// resolver.callback(1);
    /// assert!(d.is_fired());
    /// ```
    #[doc(alias = "called")]
    #[must_use]
    pub fn is_fired(&self) -> bool {
        self.inner.is_fired()
    }

    /// Takes the result, if it is there.
    ///
    /// # Errors
    ///
    /// The Deferred, if there is none to take.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let (resolver, d) = LocalDeferred::new();
    /// let d = d.try_result().unwrap_err();
    /// resolver.callback(5);
    /// assert_eq!(d.try_result().unwrap().unwrap(), 5);
    /// ```
    pub fn try_result(self) -> Result<Result<T, Failure>, LocalDeferred<T>> {
        match self.inner.into_inner().try_result() {
            Ok(result) => Ok(result.map(OnThread::into_inner)),
            Err(inner) => Err(LocalDeferred::wrap(inner)),
        }
    }
}

impl<T: 'static> Future for LocalDeferred<T> {
    type Output = Result<T, DeferredError>;

    /// Awaiting needs no runtime: who fires the Deferred wakes the task, or
    /// resumes the local coroutine at once.
    ///
    /// # Panics
    ///
    /// When polled again after it gave its result.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        poll_confined(&mut *self.inner, cx)
    }
}

/// Polls what awaits a local chain.
pub(super) fn poll_confined<T, D>(d: &mut D, cx: &mut Context<'_>) -> Poll<Result<T, DeferredError>>
where
    D: Future<Output = Result<OnThread<T>, DeferredError>> + Unpin,
{
    // [await list]
    let _hidden = hide_from_sendable();
    let direct = coroutine::waker_of_fires(cx.waker());
    let mut cx = Context::from_waker(direct.as_ref().unwrap_or(cx.waker()));
    Pin::new(d).poll(&mut cx).map_ok(OnThread::into_inner)
}

impl<T: 'static> FusedFuture for LocalDeferred<T> {
    /// Returns whether an await through `&mut` took the result.
    fn is_terminated(&self) -> bool {
        self.inner.is_terminated()
    }
}

impl<T> fmt::Debug for LocalDeferred<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalDeferred").field(&*self.inner).finish()
    }
}
