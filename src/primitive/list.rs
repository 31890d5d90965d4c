//! Several Deferreds as one, with all of Twisted's ways to put them together.

use super::group::{Combine, Options, collect};
use super::race::FirstValue;
use crate::chain::Deferred;
use crate::failure::{DeferredError, Failure};
use std::fmt;
use std::panic::Location;

/// Every result, be it a value or a failure.
pub(super) struct Results;

impl<T: Send + 'static> Combine<T> for Results {
    type Output = Vec<Result<T, DeferredError>>;

    fn all(
        results: impl ExactSizeIterator<Item = Result<T, Failure>>,
        _: &'static Location<'static>,
    ) -> Result<Self::Output, Failure> {
        let results = results.map(|result| result.map_err(DeferredError::from));
        Ok(results.collect())
    }

    fn results(output: Self::Output) -> impl Iterator<Item = (usize, Result<T, Failure>)> {
        let results = output.into_iter();
        let results = results.map(|result| result.map_err(DeferredError::into_failure));
        results.enumerate()
    }
}

/// Several Deferreds, to be waited for as one: Twisted's `DeferredList`.
///
/// The modes are set first; then [`into_deferred`](DeferredList::into_deferred),
/// [`fire_on_one_callback`](DeferredList::fire_on_one_callback) or an `.await`
/// puts the children together. A list consumes its children: what a child comes
/// to goes to the list alone.
///
/// - *Results* come in the order of the children, whatever the order in which
///   they fire.
/// - *Cancelling* the list's Deferred while it has no result cancels each child
///   in order, and does nothing else: the list fires through its children.
///   Dropping it cancels nothing.
/// - *Failures* that get into the list's result are not reported. Those that do
///   not are reported as unhandled from here, unless
///   [`consume_errors`](DeferredList::consume_errors) asks otherwise: they come
///   after the list has fired, or came before the value it fired with, or the
///   list's Deferred was dropped with no stage on it. What comes of a cancel of
///   the list or of [`cancel_rest`](DeferredList::cancel_rest) is never
///   reported.
///
/// Time and memory a child do not depend on how many there are; a child that
/// has its result takes no memory but its place. Lists in lists take stack for
/// each level, which the links of a chain do not.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, DeferredList};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let (resolver, late) = Deferred::new();
/// let list = DeferredList::new([late, Deferred::fail("no luck")]);
/// std::thread::spawn(move || resolver.callback("late"));
/// let results = list.await.unwrap();
/// assert_eq!(*results[0].as_ref().unwrap(), "late");
/// assert_eq!(results[1].as_ref().unwrap_err().error().to_string(), "no luck");
/// # }
/// ```
#[must_use = "a DeferredList does nothing until it is awaited or made a Deferred"]
pub struct DeferredList<T> {
    children: Vec<Deferred<T>>,
    options: Options,
    made: &'static Location<'static>,
}

impl<T: Send + 'static> DeferredList<T> {
    /// Makes a list of Deferreds.
    ///
    /// For Tokio tasks that run already, `handles.map(Deferred::from)` gives
    /// the children; a task that panicked or was aborted is a failure in its
    /// place.
    #[track_caller]
    pub fn new(deferreds: impl IntoIterator<Item = Deferred<T>>) -> Self {
        let made = Location::caller();
        DeferredList::of(deferreds.into_iter().collect(), made)
    }

    pub(super) fn of(children: Vec<Deferred<T>>, made: &'static Location<'static>) -> Self {
        DeferredList {
            children,
            options: Options::default(),
            made,
        }
    }

    /// Sets whether the first failure fails the list, at once, with
    /// [`FirstError`](crate::FirstError): Twisted's `fireOnOneErrback`.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, DeferredList, FirstError, testing};
    ///
    /// let (_pending, child) = Deferred::<()>::new();
    /// let list = DeferredList::new([child, Deferred::fail("no luck")])
    ///     .fire_on_one_errback(true)
    ///     .into_deferred();
    /// let failure = testing::failure_of(list);
    /// assert_eq!(failure.check::<FirstError>().unwrap().index, 1);
    /// # drop(_pending);
    /// ```
    #[doc(alias = "fireOnOneErrback")]
    pub fn fire_on_one_errback(mut self, yes: bool) -> Self {
        self.options.fire_on_one_errback = yes;
        self
    }

    /// Sets whether failures that do not get into the list's result are
    /// dropped, in place of being reported: Twisted's `consumeErrors`.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, DeferredList, testing};
    ///
    /// let reports = testing::capture_unhandled(|| {
    ///     let (resolver, late) = Deferred::<i32>::new();
    ///     let first = DeferredList::new([late, Deferred::succeed(1)])
    ///         .consume_errors(true)
    ///         .fire_on_one_callback();
    ///     assert_eq!(testing::success_of(first), (1, 1));
    ///     resolver.errback("nobody waits for this any more");
    /// });
    /// assert!(reports.is_empty());
    /// ```
    #[doc(alias = "consumeErrors")]
    pub fn consume_errors(mut self, yes: bool) -> Self {
        self.options.consume_errors = yes;
        self
    }

    /// Sets whether a list that fires early, with the first failure or the
    /// first value, cancels the children that have no result: in order, before
    /// it fires.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, DeferredList, testing};
    ///
    /// let (resolver, child) = Deferred::<()>::new();
    /// let list = DeferredList::new([child, Deferred::fail("no luck")])
    ///     .fire_on_one_errback(true)
    ///     .cancel_rest(true)
    ///     .into_deferred();
    /// assert!(resolver.is_cancelled());
    /// assert!(testing::failure_of(list).is::<tokio_deferred::FirstError>());
    /// ```
    pub fn cancel_rest(mut self, yes: bool) -> Self {
        self.options.cancel_rest = yes;
        self
    }

    /// Puts the children together: their results, when all have one.
    ///
    /// A list of none fires at once.
    ///
    /// # Errors
    ///
    /// The Deferred fails only with
    /// [`fire_on_one_errback`](DeferredList::fire_on_one_errback).
    pub fn into_deferred(self) -> Deferred<Vec<Result<T, DeferredError>>> {
        collect::<T, Results>(self.children, self.options, self.made)
    }

    /// Puts the children together: the first value, and the place of the child
    /// that had it: Twisted's `fireOnOneCallback`.
    ///
    /// # Errors
    ///
    /// If all fail, or there are none, the Deferred fails with
    /// [`FailureGroup`](crate::FailureGroup); with
    /// [`fire_on_one_errback`](DeferredList::fire_on_one_errback) it fails with
    /// the first failure.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, DeferredList, testing};
    ///
    /// let (_pending, child) = Deferred::new();
    /// let first = DeferredList::new([child, Deferred::succeed("here")]).fire_on_one_callback();
    /// assert_eq!(testing::success_of(first), (1, "here"));
    /// # _pending.callback("");
    /// ```
    #[doc(alias = "fireOnOneCallback")]
    pub fn fire_on_one_callback(self) -> Deferred<(usize, T)> {
        collect::<T, FirstValue>(self.children, self.options, self.made)
    }
}

impl<T: Send + 'static> IntoFuture for DeferredList<T> {
    type Output = Result<Vec<Result<T, DeferredError>>, DeferredError>;
    type IntoFuture = Deferred<Vec<Result<T, DeferredError>>>;

    /// As [`into_deferred`](DeferredList::into_deferred).
    fn into_future(self) -> Self::IntoFuture {
        self.into_deferred()
    }
}

impl<T> fmt::Debug for DeferredList<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeferredList")
            .field("children", &self.children.len())
            .field("options", &self.options)
            .field("made", &format_args!("{}", self.made))
            .finish()
    }
}
