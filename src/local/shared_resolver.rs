//! A local resolver for several places, and resolvers as functions.

use super::confined::Confined;
use super::{LocalResolver, OnThread};
use crate::chain::SharedResolver;
use crate::failure::BoxError;
use std::fmt;

/// A [`LocalResolver`] that several places may fire: the first call wins, and
/// says so. As [`SharedResolver`], on one thread.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use tokio_deferred::local::LocalDeferred;
///
/// let (resolver, d) = LocalDeferred::new();
/// let on_reply = resolver.shared();
/// let on_error = on_reply.clone();
/// assert!(on_reply.callback(Rc::new(7)));
/// assert!(!on_error.errback("the connection was lost")); // too late
/// assert_eq!(*d.try_result().unwrap().unwrap(), 7);
/// ```
#[must_use = "when the last LocalSharedResolver is dropped uncalled, the Deferred fails with ResolverDropped"]
pub struct LocalSharedResolver<T> {
    inner: Confined<SharedResolver<OnThread<T>>>,
}

impl<T: 'static> LocalSharedResolver<T> {
    /// Fires the Deferred with a value, and returns whether this call was the
    /// one that fired it.
    pub fn callback(&self, value: T) -> bool {
        self.inner.callback(OnThread::new(value))
    }

    /// Fires the Deferred with a failure, raised at the caller's line, and
    /// returns whether this call was the one that fired it.
    #[track_caller]
    pub fn errback(&self, error: impl Into<BoxError>) -> bool {
        self.inner.errback(error)
    }

    /// Fires the Deferred with either, and returns whether this call was the
    /// one that fired it.
    #[track_caller]
    pub fn resolve<E: Into<BoxError>>(&self, result: Result<T, E>) -> bool {
        self.inner.resolve(result.map(OnThread::new))
    }

    /// Takes the resolver out, if no call was made before.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let (resolver, d) = LocalDeferred::new();
    /// let shared = resolver.shared();
    /// let resolver = shared.take().unwrap();
    /// assert!(!shared.callback(1) && shared.take().is_none());
    /// resolver.callback(2);
    /// assert_eq!(d.try_result().unwrap().unwrap(), 2);
    /// ```
    pub fn take(&self) -> Option<LocalResolver<T>> {
        self.inner.take().map(LocalResolver::wrap)
    }

    /// Returns whether the Deferred was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.inner.is_cancelled()
    }

    /// Returns whether a call may still bring a result that somebody sees.
    #[must_use]
    pub fn is_observed(&self) -> bool {
        self.inner.is_observed()
    }
}

impl<T> Clone for LocalSharedResolver<T> {
    fn clone(&self) -> Self {
        LocalSharedResolver {
            inner: self.inner.clone(),
        }
    }
}

impl<T> fmt::Debug for LocalSharedResolver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSharedResolver")
            .finish_non_exhaustive()
    }
}

impl<T: 'static> LocalResolver<T> {
    /// Makes it fire from several places; as
    /// [`Resolver::shared`](crate::Resolver::shared).
    pub fn shared(self) -> LocalSharedResolver<T> {
        let inner = Confined::new(self.into_confined_resolver().shared());
        LocalSharedResolver { inner }
    }

    /// Makes a function of it, for APIs that call back with a `Result`; as
    /// [`Resolver::into_fn`](crate::Resolver::into_fn).
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let (resolver, d) = LocalDeferred::new();
    /// let done = resolver.into_fn();
    /// done("7".parse::<i32>());
    /// assert_eq!(d.try_result().unwrap().unwrap(), 7);
    /// ```
    #[track_caller]
    pub fn into_fn<E>(self) -> impl FnOnce(Result<T, E>) + 'static
    where
        E: Into<BoxError> + 'static,
    {
        let f = Confined::new(self.into_confined_resolver().into_fn());
        move |result: Result<T, E>| f.into_inner()(result.map(OnThread::new))
    }

    /// Makes a function of it that may be called more than once: the first
    /// call wins, and says so. As
    /// [`Resolver::into_fn_mut`](crate::Resolver::into_fn_mut).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::num::ParseIntError;
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let (resolver, d) = LocalDeferred::new();
    /// let mut done = resolver.into_fn_mut::<ParseIntError>();
    /// assert!(done("7".parse::<i32>()));
    /// assert!(!done("8".parse()));
    /// assert_eq!(d.try_result().unwrap().unwrap(), 7);
    /// ```
    #[track_caller]
    pub fn into_fn_mut<E>(self) -> impl FnMut(Result<T, E>) -> bool + 'static
    where
        E: Into<BoxError> + 'static,
    {
        let mut f = Confined::new(self.into_confined_resolver().into_fn_mut());
        move |result: Result<T, E>| (*f)(result.map(OnThread::new))
    }

    /// Splits into two functions, for APIs that take one callback for success
    /// and one for errors; as
    /// [`Resolver::into_callbacks`](crate::Resolver::into_callbacks).
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let (resolver, d) = LocalDeferred::new();
    /// let (ok, err) = resolver.into_callbacks::<&str>();
    /// ok(1);
    /// err("too late");
    /// assert_eq!(d.try_result().unwrap().unwrap(), 1);
    /// ```
    #[track_caller]
    pub fn into_callbacks<E>(self) -> (impl FnOnce(T) + 'static, impl FnOnce(E) + 'static)
    where
        E: Into<BoxError> + 'static,
    {
        let (ok, err) = self.into_confined_resolver().into_callbacks();
        let (ok, err) = (Confined::new(ok), Confined::new(err));
        let ok = move |value: T| ok.into_inner()(OnThread::new(value));
        let err = move |error: E| err.into_inner()(error);
        (ok, err)
    }
}
