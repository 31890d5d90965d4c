//! Several local Deferreds as one.

use super::confined::Confined;
use super::{LocalDeferred, OnThread};
use crate::chain::Deferred;
use crate::failure::DeferredError;
use crate::primitive::{self, DeferredList};
use std::fmt;

/// The children as the primitives take them.
fn confined<T>(
    deferreds: impl IntoIterator<Item = LocalDeferred<T>>,
) -> impl Iterator<Item = Deferred<OnThread<T>>> {
    let deferreds = deferreds.into_iter();
    deferreds.map(LocalDeferred::into_confined_deferred)
}

/// A group's Deferred, whose value has the children's values inside.
fn local<A: Send + 'static, B: 'static>(
    d: Deferred<A>,
    values: impl FnOnce(A) -> B + Send + 'static,
) -> LocalDeferred<B> {
    LocalDeferred::wrap(d.map(|value| OnThread::new(values(value))))
}

/// Waits for the values of all of several local Deferreds; as
/// [`gather_results`](crate::gather_results).
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use tokio_deferred::local::{self, LocalDeferred};
///
/// let all = local::gather_results([1, 2].map(|n| LocalDeferred::succeed(Rc::new(n))));
/// assert_eq!(all.try_result().unwrap().unwrap(), [1, 2].map(Rc::new));
/// ```
#[doc(alias = "gatherResults")]
#[doc(alias = "join_all")]
#[track_caller]
pub fn gather_results<T: 'static>(
    deferreds: impl IntoIterator<Item = LocalDeferred<T>>,
) -> LocalDeferred<Vec<T>> {
    local(primitive::gather_results(confined(deferreds)), |values| {
        values.into_iter().map(OnThread::into_inner).collect()
    })
}

/// Waits for the first value of several local Deferreds, and cancels the
/// others; as [`race`](crate::race).
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use tokio_deferred::local::{self, LocalDeferred};
///
/// let (slow, a) = LocalDeferred::new();
/// let (quick, b) = LocalDeferred::new();
/// let first = local::race([a, b]);
/// quick.callback(Rc::new("b"));
/// assert!(slow.is_cancelled());
/// assert_eq!(first.try_result().unwrap().unwrap(), (1, Rc::new("b")));
/// ```
#[track_caller]
pub fn race<T: 'static>(
    deferreds: impl IntoIterator<Item = LocalDeferred<T>>,
) -> LocalDeferred<(usize, T)> {
    local(primitive::race(confined(deferreds)), first_value)
}

fn first_value<T>((index, value): (usize, OnThread<T>)) -> (usize, T) {
    (index, value.into_inner())
}

/// Several local Deferreds, to be waited for as one; as
/// [`DeferredList`], with the same options.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use tokio_deferred::local::{LocalDeferred, LocalDeferredList};
///
/// let (resolver, late) = LocalDeferred::new();
/// let list = LocalDeferredList::new([late, LocalDeferred::fail("no luck")]).into_deferred();
/// resolver.callback(Rc::new("late"));
/// let results = list.try_result().unwrap().unwrap();
/// assert_eq!(**results[0].as_ref().unwrap(), "late");
/// assert_eq!(results[1].as_ref().unwrap_err().failure().to_string(), "no luck");
/// ```
#[must_use = "a LocalDeferredList does nothing until it is awaited or made a Deferred"]
pub struct LocalDeferredList<T> {
    inner: Confined<DeferredList<OnThread<T>>>,
}

impl<T: 'static> LocalDeferredList<T> {
    /// Makes a list of local Deferreds.
    #[track_caller]
    pub fn new(deferreds: impl IntoIterator<Item = LocalDeferred<T>>) -> Self {
        LocalDeferredList::wrap(DeferredList::new(confined(deferreds)))
    }

    fn wrap(inner: DeferredList<OnThread<T>>) -> Self {
        let inner = Confined::new(inner);
        LocalDeferredList { inner }
    }

    /// Sets whether the first failure fails the list, at once; as
    /// [`DeferredList::fire_on_one_errback`](crate::DeferredList::fire_on_one_errback).
    #[doc(alias = "fireOnOneErrback")]
    pub fn fire_on_one_errback(self, yes: bool) -> Self {
        LocalDeferredList::wrap(self.inner.into_inner().fire_on_one_errback(yes))
    }

    /// Sets whether failures that do not get into the list's result are
    /// dropped, in place of being reported; as
    /// [`DeferredList::consume_errors`](crate::DeferredList::consume_errors).
    #[doc(alias = "consumeErrors")]
    pub fn consume_errors(self, yes: bool) -> Self {
        LocalDeferredList::wrap(self.inner.into_inner().consume_errors(yes))
    }

    /// Sets whether a list that fires early cancels the children that have no
    /// result; as
    /// [`DeferredList::cancel_rest`](crate::DeferredList::cancel_rest).
    pub fn cancel_rest(self, yes: bool) -> Self {
        LocalDeferredList::wrap(self.inner.into_inner().cancel_rest(yes))
    }

    /// Puts the children together: their results, when all have one.
    ///
    /// # Errors
    ///
    /// The Deferred fails only with
    /// [`fire_on_one_errback`](LocalDeferredList::fire_on_one_errback).
    pub fn into_deferred(self) -> LocalDeferred<Vec<Result<T, DeferredError>>> {
        local(self.inner.into_inner().into_deferred(), |results| {
            let results = results.into_iter();
            results
                .map(|result| result.map(OnThread::into_inner))
                .collect()
        })
    }

    /// Puts the children together: the first value, and the place of the child
    /// that had it; as
    /// [`DeferredList::fire_on_one_callback`](crate::DeferredList::fire_on_one_callback).
    ///
    /// # Errors
    ///
    /// If all fail, or there are none, the Deferred fails with
    /// [`FailureGroup`](crate::FailureGroup).
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::local::{LocalDeferred, LocalDeferredList};
    ///
    /// let (_pending, child) = LocalDeferred::new();
    /// let first = LocalDeferredList::new([child, LocalDeferred::succeed("here")]);
    /// let first = first.fire_on_one_callback();
    /// assert_eq!(first.try_result().unwrap().unwrap(), (1, "here"));
    /// # _pending.callback("");
    /// ```
    #[doc(alias = "fireOnOneCallback")]
    pub fn fire_on_one_callback(self) -> LocalDeferred<(usize, T)> {
        local(self.inner.into_inner().fire_on_one_callback(), first_value)
    }
}

impl<T: 'static> IntoFuture for LocalDeferredList<T> {
    type Output = Result<Vec<Result<T, DeferredError>>, DeferredError>;
    type IntoFuture = LocalDeferred<Vec<Result<T, DeferredError>>>;

    /// As [`into_deferred`](LocalDeferredList::into_deferred).
    fn into_future(self) -> Self::IntoFuture {
        self.into_deferred()
    }
}

impl<T> fmt::Debug for LocalDeferredList<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalDeferredList")
            .field(&*self.inner)
            .finish()
    }
}
