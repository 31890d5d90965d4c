//! The half of a local Deferred that fires.

use super::confined::Confined;
use super::{LocalDeferred, OnThread};
use crate::chain::Resolver;
use crate::failure::BoxError;
use std::fmt;

/// The half of a [`LocalDeferred`] that fires it; as [`Resolver`], on the
/// thread where the pair was made.
///
/// Firing consumes it, and runs the stages before it returns. Dropped unfired,
/// it fails its Deferred with [`ResolverDropped`](crate::ResolverDropped).
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use tokio_deferred::local::LocalDeferred;
///
/// let (resolver, d) = LocalDeferred::<Rc<i32>>::new();
/// drop(resolver);
/// assert!(d.try_result().unwrap().unwrap_err().is_resolver_dropped());
/// ```
#[must_use = "a LocalResolver that is dropped fails its Deferred with ResolverDropped"]
pub struct LocalResolver<T> {
    inner: Confined<Resolver<OnThread<T>>>,
}

impl<T> LocalResolver<T> {
    #[inline]
    pub(super) fn wrap(inner: Resolver<OnThread<T>>) -> Self {
        let inner = Confined::new(inner);
        LocalResolver { inner }
    }

    pub(super) fn into_confined_resolver(self) -> Resolver<OnThread<T>> {
        self.inner.into_inner()
    }
}

impl<T: 'static> LocalResolver<T> {
    /// Fires the Deferred with a value; as [`Resolver::callback`].
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
    #[inline]
    pub fn callback(self, value: T) {
        self.inner.into_inner().callback(OnThread::new(value));
    }

    /// Fires the Deferred with a failure, raised at the caller's line; as
    /// [`Resolver::errback`].
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let (resolver, d) = LocalDeferred::<i32>::new();
    /// resolver.errback("out of paper");
    /// assert_eq!(d.try_result().unwrap().unwrap_err().to_string(), "out of paper");
    /// ```
    #[track_caller]
    pub fn errback(self, error: impl Into<BoxError>) {
        self.inner.into_inner().errback(error);
    }

    /// Fires the Deferred with either; as [`Resolver::resolve`].
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let (resolver, d) = LocalDeferred::new();
    /// resolver.resolve("42".parse::<i32>());
    /// assert_eq!(d.try_result().unwrap().unwrap(), 42);
    /// ```
    #[track_caller]
    pub fn resolve<E: Into<BoxError>>(self, result: Result<T, E>) {
        self.inner.into_inner().resolve(result.map(OnThread::new));
    }

    /// Fires the Deferred with a value, if somebody can see it; as
    /// [`Resolver::try_callback`].
    ///
    /// # Errors
    ///
    /// The value, if nobody can ever see it: the Deferred was cancelled, or
    /// dropped with no stage on it.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let (resolver, d) = LocalDeferred::new();
    /// d.detach();
    /// assert_eq!(resolver.try_callback("keep me"), Err("keep me"));
    /// ```
    pub fn try_callback(self, value: T) -> Result<(), T> {
        let unseen = self.inner.into_inner().try_callback(OnThread::new(value));
        unseen.map_err(OnThread::into_inner)
    }

    /// Fires the Deferred with what `d` ends with; as [`Resolver::fire_from`].
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let (resolver, d) = LocalDeferred::new();
    /// let (source, other) = LocalDeferred::new();
    /// resolver.fire_from(other);
    /// source.callback(1);
    /// assert_eq!(d.try_result().unwrap().unwrap(), 1);
    /// ```
    pub fn fire_from(self, d: LocalDeferred<T>) {
        d.chain_deferred(self);
    }

    /// Returns whether the Deferred was cancelled; as
    /// [`Resolver::is_cancelled`].
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let (resolver, d) = LocalDeferred::<()>::new();
    /// d.cancel();
    /// assert!(resolver.is_cancelled());
    /// # d.add_errback(|_| Ok(())).detach();
    /// ```
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.inner.is_cancelled()
    }

    /// Completes when the Deferred is cancelled; never, if it never is. As
    /// [`Resolver::cancelled`].
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if it is dropped before; the next call starts anew.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::FutureExt;
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let (mut resolver, d) = LocalDeferred::<()>::new();
    /// assert!(resolver.cancelled().now_or_never().is_none());
    /// d.cancel();
    /// assert!(resolver.cancelled().now_or_never().is_some());
    /// # d.add_errback(|_| Ok(())).detach();
    /// ```
    pub async fn cancelled(&mut self) {
        self.inner.cancelled().await;
    }

    /// Adds a function that a cancel calls before the canceller; as
    /// [`Resolver::on_cancel`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::Cell;
    /// use std::rc::Rc;
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let stopped = Rc::new(Cell::new(false));
    /// let (mut resolver, d) = LocalDeferred::<()>::new();
    /// let flag = stopped.clone();
    /// resolver.on_cancel(move || flag.set(true));
    /// d.cancel();
    /// assert!(stopped.get());
    /// # d.add_errback(|_| Ok(())).detach();
    /// ```
    pub fn on_cancel(&mut self, f: impl FnOnce() + 'static) {
        let f = OnThread::new(f);
        self.inner.on_cancel(move || f.into_inner()());
    }

    /// Returns whether somebody may still see the result; as
    /// [`Resolver::is_observed`].
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let (resolver, d) = LocalDeferred::<()>::new();
    /// assert!(resolver.is_observed());
    /// d.detach();
    /// assert!(!resolver.is_observed());
    /// # resolver.callback(());
    /// ```
    #[must_use]
    pub fn is_observed(&self) -> bool {
        self.inner.is_observed()
    }
}

impl<T> fmt::Debug for LocalResolver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalResolver").field(&*self.inner).finish()
    }
}
