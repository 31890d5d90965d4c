//! A resolver for several places: the first call wins, and says so.

use super::Resolver;
use super::fire_once::FireOnce;
use super::resolver::swallow;
use crate::failure::{BoxError, Failure};
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

/// A [`Resolver`] that several places may fire: the first call wins.
///
/// Made by [`Resolver::shared`]. Its clones fire the same Deferred, from any
/// thread, so that it replaces an `Arc<Mutex<Option<Resolver<T>>>>`. It suits
/// APIs with a callback for each outcome, and those that may call back twice.
///
/// - A call that wins fires as [`Resolver::callback`] does: on this thread, and
///   under no lock, so that a stage may use the same `SharedResolver`.
/// - A later call, and a call after the Deferred was cancelled, does nothing but
///   drop what it was given, and returns `false`.
/// - When the last clone is dropped and no call was made, the Deferred fails
///   with [`ResolverDropped`](crate::ResolverDropped).
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, testing};
///
/// let (resolver, d) = Deferred::new();
/// let on_reply = resolver.shared();
/// let on_error = on_reply.clone();
/// assert!(on_reply.callback(7));
/// assert!(!on_error.errback("the connection was lost")); // too late
/// assert_eq!(testing::success_of(d), 7);
/// ```
#[must_use = "when the last SharedResolver is dropped uncalled, the Deferred fails with ResolverDropped"]
pub struct SharedResolver<T>(Arc<FireOnce<T>>);

impl<T: Send + 'static> SharedResolver<T> {
    pub(super) fn new(resolver: Resolver<T>) -> Self {
        SharedResolver(Arc::new(FireOnce::new(resolver)))
    }

    /// Fires the Deferred with a value, and returns whether this call was the
    /// one that fired it.
    ///
    /// [`try_callback`](SharedResolver::try_callback) gives a value that comes
    /// too late back.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let (resolver, d) = Deferred::new();
    /// let shared = resolver.shared();
    /// assert!(shared.callback(1));
    /// assert!(!shared.callback(2));
    /// assert_eq!(testing::success_of(d), 1);
    /// ```
    pub fn callback(&self, value: T) -> bool {
        self.fire(Ok(value))
    }

    /// Fires the Deferred with a failure, raised at the caller's line, and
    /// returns whether this call was the one that fired it.
    ///
    /// An error that comes too late is dropped, and not reported.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let (resolver, d) = Deferred::<i32>::new();
    /// let shared = resolver.shared();
    /// assert!(shared.errback("out of paper"));
    /// assert!(!shared.errback("out of ink"));
    /// assert_eq!(testing::failure_of(d).to_string(), "out of paper");
    /// ```
    #[track_caller]
    pub fn errback(&self, error: impl Into<BoxError>) -> bool {
        self.fire(Err(Failure::from_box(error.into(), Location::caller())))
    }

    /// Fires the Deferred with either, and returns whether this call was the
    /// one that fired it.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let (resolver, d) = Deferred::new();
    /// let shared = resolver.shared();
    /// assert!(shared.resolve("42".parse::<i32>()));
    /// assert!(!shared.resolve("seven".parse::<i32>()));
    /// assert_eq!(testing::success_of(d), 42);
    /// ```
    #[track_caller]
    pub fn resolve<E: Into<BoxError>>(&self, result: Result<T, E>) -> bool {
        match result {
            Ok(value) => self.callback(value),
            Err(error) => self.errback(error),
        }
    }

    fn fire(&self, result: Result<T, Failure>) -> bool {
        self.0.try_fire(result).map_err(swallow).is_ok()
    }

    /// Fires the Deferred with a value, if this call is the first and somebody
    /// can see the value.
    ///
    /// # Errors
    ///
    /// The value, if a call was made before, or if nobody can ever see it: the
    /// Deferred was cancelled, or dropped with no stage on it.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::Deferred;
    ///
    /// let (resolver, d) = Deferred::new();
    /// let shared = resolver.shared();
    /// shared.try_callback("first").unwrap();
    /// assert_eq!(shared.try_callback("second"), Err("second"));
    /// # drop(d);
    /// ```
    pub fn try_callback(&self, value: T) -> Result<(), T> {
        match self.take() {
            Some(resolver) => resolver.try_callback(value),
            None => Err(value),
        }
    }

    /// Takes the resolver out, which counts as the first call: the taker fires
    /// it, or drops it.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let (resolver, d) = Deferred::new();
    /// let shared = resolver.shared();
    /// let resolver = shared.take().unwrap();
    /// assert!(!shared.callback(1));
    /// resolver.callback(2);
    /// assert_eq!(testing::success_of(d), 2);
    /// ```
    #[must_use = "a Resolver that is dropped fails its Deferred with ResolverDropped"]
    pub fn take(&self) -> Option<Resolver<T>> {
        self.0.take()
    }

    /// Returns whether the Deferred was cancelled before the first call.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::Deferred;
    ///
    /// let (resolver, d) = Deferred::<()>::new();
    /// let shared = resolver.shared();
    /// assert!(!shared.is_cancelled());
    /// d.cancel();
    /// assert!(shared.is_cancelled());
    /// # drop(d.add_errback(|_| Ok(())));
    /// ```
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.peek(|resolver| resolver.is_cancelled()) == Some(true)
    }

    /// Returns whether a call may still matter: no call was made, and somebody
    /// may still see the result.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::Deferred;
    ///
    /// let (resolver, d) = Deferred::new();
    /// let shared = resolver.shared();
    /// assert!(shared.is_observed());
    /// shared.callback(1);
    /// assert!(!shared.is_observed());
    /// # drop(d);
    /// ```
    #[must_use]
    pub fn is_observed(&self) -> bool {
        self.0.peek(|resolver| resolver.is_observed()) == Some(true)
    }
}

impl<T> Clone for SharedResolver<T> {
    fn clone(&self) -> Self {
        SharedResolver(self.0.clone())
    }
}

impl<T> fmt::Debug for SharedResolver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedResolver").finish_non_exhaustive()
    }
}

impl<T> std::panic::UnwindSafe for SharedResolver<T> {}
impl<T> std::panic::RefUnwindSafe for SharedResolver<T> {}
