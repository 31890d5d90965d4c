//! One resolver that several places may fire.
//!
//! Rules:
//!
//! - \[first taker\] Whoever takes the resolver out, under the lock, fires it or
//!   drops it. Everybody else finds nothing.
//! - \[no lock over a fire\] The lock is released before the resolver is used, so
//!   that stages may call back into this object.

use super::Resolver;
use super::resolver::swallow;
use crate::failure::Failure;
use crate::sync::{Mutex, lock};

/// A resolver in a shared place, until the first taker.
///
/// Dropped with the resolver in it, it drops that, which fails the Deferred
/// with [`ResolverDropped`](crate::ResolverDropped).
pub(crate) struct FireOnce<T>(Mutex<Option<Resolver<T>>>);

impl<T: Send + 'static> FireOnce<T> {
    pub(crate) fn new(resolver: Resolver<T>) -> Self {
        FireOnce(Mutex::new(Some(resolver)))
    }

    /// Makes a place for a resolver that does not exist yet.
    pub(crate) fn empty() -> Self {
        FireOnce(Mutex::new(None))
    }

    /// Puts the resolver in, before anybody could fire it.
    pub(crate) fn put(&self, resolver: Resolver<T>) {
        let old = lock(&self.0).replace(resolver);
        debug_assert!(old.is_none(), "a place for one resolver");
    }

    /// Takes the resolver out, if it is there.
    pub(crate) fn take(&self) -> Option<Resolver<T>> {
        lock(&self.0).take()
    }

    /// Fires the Deferred, if this call is the first; else drops the result.
    pub(crate) fn fire(&self, result: Result<T, Failure>) {
        if let Err(late) = self.try_fire(result) {
            swallow(late);
        }
    }

    /// Fires the Deferred.
    ///
    /// # Errors
    ///
    /// The result, if the resolver was taken before, or the Deferred was
    /// cancelled.
    pub(crate) fn try_fire(&self, result: Result<T, Failure>) -> Result<(), Result<T, Failure>> {
        match self.take() {
            Some(resolver) => resolver.try_fire(result),
            None => Err(result),
        }
    }

    /// Does something with the resolver in its place, under the lock: nothing
    /// that runs code of a user.
    pub(crate) fn peek<R>(&self, f: impl FnOnce(&mut Resolver<T>) -> R) -> Option<R> {
        lock(&self.0).as_mut().map(f)
    }
}
