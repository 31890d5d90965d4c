//! One local result for any number of consumers.

use super::confined::Confined;
use super::{LocalDeferred, OnThread};
use crate::primitive::SharedDeferred;
use std::fmt;

/// The result of a local Deferred, for any number of consumers, late ones
/// included; as [`SharedDeferred`].
///
/// Made by [`LocalDeferred::share`]; its clones share the same result.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use tokio_deferred::local::LocalDeferred;
///
/// let (resolver, d) = LocalDeferred::new();
/// let page = d.share();
/// let (a, b) = (page.subscribe(), page.subscribe());
/// let text: Rc<str> = Rc::from("one page");
/// resolver.callback(text.clone());
/// let [a, b] = [a, b].map(|d| d.try_result().unwrap().unwrap());
/// assert!(Rc::ptr_eq(&a, &text) && Rc::ptr_eq(&b, &text));
/// ```
pub struct LocalSharedDeferred<T> {
    inner: Confined<SharedDeferred<OnThread<T>>>,
}

impl<T: Clone + 'static> LocalDeferred<T> {
    /// Makes the result available to any number of consumers; as
    /// [`Deferred::share`](crate::Deferred::share).
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let (resolver, d) = LocalDeferred::<String>::new();
    /// let shared = d.share();
    /// let (a, b) = (shared.subscribe(), shared.subscribe());
    /// a.cancel();
    /// assert!(!resolver.is_cancelled());
    /// b.cancel();
    /// assert!(resolver.is_cancelled());
    /// # for d in [a, b] { d.add_errback(|_| Ok(String::new())).detach(); }
    /// ```
    #[track_caller]
    pub fn share(self) -> LocalSharedDeferred<T> {
        LocalSharedDeferred {
            inner: Confined::new(self.inner.into_inner().share()),
        }
    }
}

impl<T: Clone + 'static> LocalSharedDeferred<T> {
    /// Returns a Deferred of its own with the result, which has it at once if
    /// it is there.
    #[track_caller]
    pub fn subscribe(&self) -> LocalDeferred<T> {
        LocalDeferred::wrap(self.inner.subscribe())
    }
}

impl<T> Clone for LocalSharedDeferred<T> {
    fn clone(&self) -> Self {
        LocalSharedDeferred {
            inner: self.inner.clone(),
        }
    }
}

impl<T> fmt::Debug for LocalSharedDeferred<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalSharedDeferred")
            .field(&*self.inner)
            .finish()
    }
}
