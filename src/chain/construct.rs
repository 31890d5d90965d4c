//! Ways to make a Deferred without a runtime.

use super::resolver::Cancelling;
use super::{Deferred, Outcome, Resolver};
use crate::core::{Consumer, EmptyChain, GiveBack, OnCancel, ReturnTo, WATCH, pair, pair_with};
use crate::failure::{BoxError, Failure};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};

/// # Making
impl<T: Send + 'static> Deferred<T> {
    /// Makes a Deferred without a result, and the [`Resolver`] that gives it
    /// one: Twisted's `Deferred()`.
    ///
    /// Cancelled, it fails with [`Cancelled`](crate::Cancelled), and the
    /// resolver is told so.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::Deferred;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let (resolver, d) = Deferred::new();
    /// std::thread::spawn(move || resolver.callback("from another thread"));
    /// assert_eq!(d.await.unwrap(), "from another thread");
    /// # }
    /// ```
    #[allow(clippy::new_ret_no_self)] // Two halves of one thing, as channels have.
    #[inline]
    #[track_caller]
    pub fn new() -> (Resolver<T>, Deferred<T>) {
        let made = Location::caller();
        let (producer, consumer) = pair(made);
        (Resolver::new(producer), Deferred::in_chain(consumer))
    }

    /// Makes a Deferred whose cancelling calls `canceller`: Twisted's
    /// `Deferred(canceller)`.
    ///
    /// The canceller runs on the thread that cancels, at most once, and only
    /// if there is no result yet. What a canceller in Twisted does by firing its
    /// argument, this one returns; `None` is the default, a failure with
    /// [`Cancelled`](crate::Cancelled). A panic in it is the Deferred's
    /// failure. It is dropped when the Deferred fires.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let (_resolver, d) = Deferred::with_canceller(|| Some(Ok("what there was")));
    /// d.cancel();
    /// assert_eq!(testing::success_of(d), "what there was");
    /// ```
    #[track_caller]
    pub fn with_canceller(
        canceller: impl FnOnce() -> Option<Result<T, Failure>> + Send + 'static,
    ) -> (Resolver<T>, Deferred<T>) {
        let made = Location::caller();
        let (producer, consumer) = pair_with(made, OnCancel::Once(Box::new(canceller)));
        (Resolver::new(producer), Deferred::in_chain(consumer))
    }

    /// Makes `canceller` what a cancel calls, unless the Deferred is fired.
    pub(super) fn with_late_canceller(self, canceller: impl FnOnce() + Send + 'static) -> Self {
        let mut consumer = self.into_consumer();
        consumer.set_canceller(canceller);
        Deferred::in_chain(consumer)
    }

    /// As [`new`](Deferred::new), made at the place given.
    pub(crate) fn unfired(made: &'static Location<'static>) -> (Resolver<T>, Deferred<T>) {
        let (producer, consumer) = pair(made);
        (Resolver::new(producer), Deferred::in_chain(consumer))
    }

    /// Makes a Deferred whose cancelling, each time while it has no result, is
    /// passed on to `delegate` and does nothing else.
    pub(crate) fn with_delegate(
        made: &'static Location<'static>,
        delegate: Cancelling,
    ) -> (Resolver<T>, Deferred<T>) {
        let (producer, consumer) = pair_with(made, OnCancel::Every(delegate));
        (Resolver::new(producer), Deferred::in_chain(consumer))
    }

    /// Makes a Deferred that has its value: Twisted's `succeed`.
    ///
    /// It allocates nothing, and neither do stages that return values.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// assert_eq!(testing::success_of(Deferred::succeed(1)), 1);
    /// ```
    #[inline]
    #[track_caller]
    pub fn succeed(value: T) -> Self {
        Deferred::ready(Ok(value), Location::caller())
    }

    /// Makes a Deferred that has failed: Twisted's `fail`.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let d = Deferred::<i32>::fail("out of paper");
    /// assert_eq!(testing::failure_of(d).to_string(), "out of paper");
    /// ```
    #[track_caller]
    pub fn fail(error: impl Into<BoxError>) -> Self {
        let made = Location::caller();
        Deferred::ready(Err(Failure::from_box(error.into(), made)), made)
    }

    #[inline]
    pub(crate) fn ready(result: Result<T, Failure>, made: &'static Location<'static>) -> Self {
        if WATCH.is_on() {
            // What is watched has a chain to be seen.
            return Deferred::in_chain(EmptyChain::new(made).put(result));
        }
        Deferred::fired(result, made)
    }

    /// Makes the value go back to `home` if it is dropped with no stage added
    /// from here on.
    pub(crate) fn return_to(self, home: impl ReturnTo<T>) -> Self {
        let mut consumer = self.into_consumer();
        consumer.set_return_to(home);
        Deferred::in_chain(consumer)
    }

    /// Adds what passes a value on as it is, and no code of the user's sees it:
    /// if nobody takes the value behind that, it still goes back.
    pub(crate) fn pass_through(mut self, add: impl FnOnce(Self) -> Self) -> Self {
        let home = self.take_return_to();
        let d = add(self);
        match home {
            Some(home) => d.return_to(home),
            None => d,
        }
    }

    /// Takes away where the value goes back to, if it has such a place.
    #[inline]
    pub(crate) fn take_return_to(&mut self) -> Option<GiveBack<T>> {
        self.repr.with_consumer(Consumer::take_return_to).flatten()
    }

    /// Calls `f`, and returns what came of it as a Deferred, whatever it
    /// returns: Twisted's `maybeDeferred` and `execute`.
    ///
    /// A panic in it is the Deferred's failure.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let d = Deferred::maybe(|| Ok("8".parse::<i32>()?));
    /// assert_eq!(testing::success_of(d), 8);
    /// ```
    #[doc(alias = "maybeDeferred")]
    #[doc(alias = "execute")]
    #[track_caller]
    pub fn maybe<R: Outcome<Output = T>>(f: impl FnOnce() -> R) -> Self {
        Deferred::came_of(f, Location::caller())
    }

    /// Calls `f`; what it returns, or its panic, as a Deferred made at `made`.
    pub(crate) fn came_of<R: Outcome<Output = T>>(
        f: impl FnOnce() -> R,
        made: &'static Location<'static>,
    ) -> Self {
        match catch_unwind(AssertUnwindSafe(|| f().into_deferred(made))) {
            Ok(d) => d,
            Err(payload) => Deferred::ready(Err(Failure::panicked(payload, made)), made),
        }
    }
}
