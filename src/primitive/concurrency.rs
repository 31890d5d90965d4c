//! A map over many items that has a bounded number under way.
//!
//! Who may do what:
//!
//! 1. `parts`, the iterator and the function, are in their place, or *out*: one
//!    thread is starting children. Only that thread calls the user's code, so
//!    items are started one after the other, in order. Without room for one
//!    more it puts the parts back, under the lock under which `active` is
//!    counted, so no child that ends is overlooked.
//! 2. A child that ends makes room, and starts the next ones if the parts are
//!    in their place. Children that are ready at once are dealt with in a loop:
//!    any number of them needs no more stack than one.
//! 3. After the last item, a panic of the iterator, or the end of the group
//!    (see [`Group`]), the parts are dropped and never come back.

use super::gather::Values;
use super::group::{AtCancel, Combine, Group, Options};
use super::list::Results;
use crate::chain::{Deferred, Outcome};
use crate::core::{CancelRequest, CurrentSpan, DueRun};
use crate::failure::{DeferredError, Failure, catch_and_log};
use crate::sync::lock;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Arc, Mutex};

/// Calls `f` with each item of `items`, and waits for what it returns, with at
/// most `limit` under way at any time.
///
/// Items are taken from the iterator one by one, when there is room: the first
/// `limit` before this map's Deferred is returned, each later one on the thread
/// that ends one of those under way. Results come in the order of the items.
///
/// # Panics
///
/// If `limit` is 0.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tokio_deferred::{Deferred, map_with_concurrency};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// let fetch = |n: u64| Deferred::from_infallible(async move {
///     tokio::time::sleep(Duration::from_millis(100 - n)).await;
///     n * n
/// });
/// let squares = map_with_concurrency(1..=20, 4, fetch).gather();
/// assert_eq!(squares.await.unwrap()[..4], [1, 4, 9, 16]);
/// # }
/// ```
#[doc(alias = "buffered")]
#[doc(alias = "for_each_concurrent")]
#[doc(alias = "Coiterate")]
#[track_caller]
pub fn map_with_concurrency<I, F, R>(items: I, limit: usize, f: F) -> ConcurrentMap<I::IntoIter, F>
where
    I: IntoIterator,
    I::IntoIter: Send + 'static,
    F: FnMut(I::Item) -> R + Send + 'static,
    R: Outcome,
{
    assert!(
        limit > 0,
        "a map that may have nothing under way never ends"
    );
    ConcurrentMap {
        parts: (items.into_iter(), f),
        limit,
        options: Options {
            at_cancel: AtCancel::Fail,
            ..Options::default()
        },
        made: Location::caller(),
    }
}

/// A map over many items, about to be started; see [`map_with_concurrency`].
///
/// The function, and the iterator, are called in the `tracing` span in which the
/// map was started, whoever ends the item before.
///
/// A panic of the function is the failure of its item. A panic of the iterator
/// fails the whole.
///
/// Cancelling the map's Deferred while it has no result starts no more items,
/// cancels those under way, in order, and fails it with
/// [`Cancelled`](crate::Cancelled). Failures that do not get into the result
/// are reported as those of a [`DeferredList`](crate::DeferredList) are.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, map_with_concurrency, testing};
///
/// let map = map_with_concurrency(["1", "two", "3"], 2, |text| {
///     Deferred::succeed(text).add_callback(|text| Ok(text.parse::<i32>()?))
/// });
/// let results = testing::success_of(map.consume_errors(true).into_deferred());
/// let values: Vec<_> = results.into_iter().map(Result::ok).collect();
/// assert_eq!(values, [Some(1), None, Some(3)]);
/// ```
#[must_use = "a ConcurrentMap does nothing until it is awaited or made a Deferred"]
pub struct ConcurrentMap<I, F> {
    parts: (I, F),
    limit: usize,
    options: Options,
    made: &'static Location<'static>,
}

impl<I, F, R> ConcurrentMap<I, F>
where
    I: Iterator + Send + 'static,
    F: FnMut(I::Item) -> R + Send + 'static,
    R: Outcome,
{
    /// Sets whether the first failure ends the map: no more items are started,
    /// and it fails at once with [`FirstError`](crate::FirstError).
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, FirstError, map_with_concurrency, testing};
    ///
    /// let mut items = 0..;
    /// let odd = map_with_concurrency(items.by_ref().take(1_000).collect::<Vec<_>>(), 2, |n| {
    ///     if n < 3 { Deferred::succeed(n) } else { Deferred::fail("too much") }
    /// });
    /// let failure = testing::failure_of(odd.fire_on_one_errback(true).into_deferred());
    /// assert_eq!(failure.check::<FirstError>().unwrap().index, 3);
    /// ```
    pub fn fire_on_one_errback(mut self, yes: bool) -> Self {
        self.options.fire_on_one_errback = yes;
        self
    }

    /// Sets whether failures that do not get into the result are dropped, in
    /// place of being reported.
    pub fn consume_errors(mut self, yes: bool) -> Self {
        self.options.consume_errors = yes;
        self
    }

    /// Sets whether the first failure, if it ends the map, cancels what is
    /// under way.
    pub fn cancel_rest(mut self, yes: bool) -> Self {
        self.options.cancel_rest = yes;
        self
    }

    /// Starts the map: the results, when all have one.
    ///
    /// # Errors
    ///
    /// The Deferred fails if it is cancelled, if the iterator panics, and with
    /// [`fire_on_one_errback`](ConcurrentMap::fire_on_one_errback).
    pub fn into_deferred(self) -> Deferred<Vec<Result<R::Output, DeferredError>>> {
        self.start::<Results, R>()
    }

    /// Starts the map: the values, if all succeed. The first failure ends it,
    /// as [`fire_on_one_errback`](ConcurrentMap::fire_on_one_errback) says.
    pub fn gather(self) -> Deferred<Vec<R::Output>> {
        self.fire_on_one_errback(true).start::<Values, R>()
    }
}

impl<I, F> ConcurrentMap<I, F> {
    fn start<M, R>(self) -> Deferred<M::Output>
    where
        I: Iterator + Send + 'static,
        F: FnMut(I::Item) -> R + Send + 'static,
        R: Outcome,
        M: Combine<R::Output>,
    {
        let (group, d) = Group::<R::Output, M>::open(self.options, self.made);
        let work = Arc::new(Work {
            group,
            source: Mutex::new(Source {
                parts: Some(self.parts),
                active: 0,
            }),
            limit: self.limit,
            made: self.made,
            span: CurrentSpan::capture(),
        });
        drop(work.start_next());
        d
    }
}

/// A map that was started.
struct Work<I, F, T: Send + 'static, M: Combine<T>> {
    group: Arc<Group<T, M>>,
    source: Mutex<Source<(I, F)>>,
    limit: usize,
    made: &'static Location<'static>,
    /// The one in which the map was started.
    span: CurrentSpan,
}

struct Source<P> {
    parts: Option<P>,
    active: usize,
}

impl<I, F, T, M, R> Work<I, F, T, M>
where
    I: Iterator + Send + 'static,
    F: FnMut(I::Item) -> R + Send + 'static,
    T: Send + 'static,
    M: Combine<T>,
    R: Outcome<Output = T>,
{
    /// Starts children as long as there is room. Each is started in the span of
    /// the map, whoever makes room for it.
    fn start_next(self: &Arc<Self>) -> DueRun {
        let Some(parts) = lock(&self.source).parts.take() else {
            return DueRun::NONE;
        };
        self.span.in_scope(|| self.start_from(parts))
    }

    fn start_from(self: &Arc<Self>, mut parts: (I, F)) -> DueRun {
        loop {
            let is_over = self.group.is_over();
            if !is_over {
                let mut source = lock(&self.source);
                if source.active == self.limit {
                    source.parts = Some(parts);
                    return DueRun::NONE;
                }
                source.active += 1;
            }
            if is_over || !self.start_one(&mut parts) {
                // Both are the user's, and may panic.
                catch_and_log("the drop of an iterator", || drop(parts.0));
                catch_and_log("the drop of a function", || drop(parts.1));
                return self.group.close();
            }
        }
    }

    /// Starts the next child. False if there is none.
    fn start_one(self: &Arc<Self>, (items, f): &mut (I, F)) -> bool {
        let item = match catch_unwind(AssertUnwindSafe(|| items.next())) {
            Ok(Some(item)) => item,
            Ok(None) => return false,
            Err(payload) => {
                drop(self.group.fail(Failure::panicked(payload, self.made)));
                return false;
            }
        };
        let mut child = Deferred::came_of(|| f(item), self.made);
        let home = child.take_return_to();
        let (index, is_unwanted) = self.group.enter(child.pending_handle(), home);
        if is_unwanted {
            child.send_cancel(CancelRequest::unwanted(self.made));
        }
        match child.try_result() {
            Ok(result) => drop(self.end_one(index, result)),
            Err(child) => {
                let work = self.clone();
                child.end(move |result| {
                    let due = work.end_one(index, result);
                    // Either fires the group, which happens once.
                    due.or(work.start_next())
                });
            }
        }
        true
    }

    fn end_one(&self, index: usize, result: Result<T, Failure>) -> DueRun {
        lock(&self.source).active -= 1;
        self.group.report(index, result)
    }
}

impl<I, F, R> IntoFuture for ConcurrentMap<I, F>
where
    I: Iterator + Send + 'static,
    F: FnMut(I::Item) -> R + Send + 'static,
    R: Outcome,
{
    type Output = Result<Vec<Result<R::Output, DeferredError>>, DeferredError>;
    type IntoFuture = Deferred<Vec<Result<R::Output, DeferredError>>>;

    /// As [`into_deferred`](ConcurrentMap::into_deferred).
    fn into_future(self) -> Self::IntoFuture {
        self.into_deferred()
    }
}

impl<I, F> fmt::Debug for ConcurrentMap<I, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConcurrentMap")
            .field("limit", &self.limit)
            .field("options", &self.options)
            .field("made", &format_args!("{}", self.made))
            .finish_non_exhaustive()
    }
}
