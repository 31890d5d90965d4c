//! The half that fires.

use super::fire_once::FireOnce;
use super::{Deferred, SharedResolver};
use crate::core::{Delegate, DueRun, Producer, Resolver};
use crate::failure::{BoxError, Failure, catch_and_log};
use std::fmt;
use std::future::poll_fn;
use std::panic::Location;
use std::sync::Arc;

/// An object that cancels what will fire a Deferred.
pub(crate) type Cancelling = Arc<dyn Delegate>;

/// Drops a result that came too late.
#[cold]
pub(super) fn swallow<T>(late: Result<T, Failure>) {
    catch_and_log("the drop of a value", || drop(late));
}

impl<T: Send + 'static> Resolver<T> {
    /// Fires the Deferred with a value: Twisted's `callback`.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let (resolver, d) = Deferred::new();
    /// resolver.callback(1);
    /// assert_eq!(testing::success_of(d), 1);
    /// ```
    #[inline(always)]
    pub fn callback(self, value: T) {
        self.fire(Ok(value));
    }

    /// Fires the Deferred with a failure, raised at the caller's line:
    /// Twisted's `errback`.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let (resolver, d) = Deferred::<i32>::new();
    /// resolver.errback("out of paper");
    /// assert_eq!(testing::failure_of(d).to_string(), "out of paper");
    /// ```
    #[track_caller]
    pub fn errback(self, error: impl Into<BoxError>) {
        let failure = Failure::from_box(error.into(), Location::caller());
        self.fire(Err(failure));
    }

    /// Fires the Deferred with either.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let (resolver, d) = Deferred::new();
    /// resolver.resolve("42".parse::<i32>());
    /// assert_eq!(testing::success_of(d), 42);
    /// ```
    #[track_caller]
    pub fn resolve<E: Into<BoxError>>(self, result: Result<T, E>) {
        match result {
            Ok(value) => self.callback(value),
            Err(error) => self.errback(error),
        }
    }

    #[inline(always)]
    pub(crate) fn fire(self, result: Result<T, Failure>) {
        if let Err(late) = self.try_fire(result) {
            swallow(late);
        }
    }

    /// Fires the Deferred at the end of another, which is to go on with its
    /// run.
    pub(crate) fn fire_for(self, result: Result<T, Failure>) -> DueRun {
        match self.try_fire_for(result) {
            Ok(due) => due,
            Err(late) => {
                swallow(late);
                DueRun::NONE
            }
        }
    }

    /// The same.
    ///
    /// # Errors
    ///
    /// The result, if the Deferred was cancelled before.
    pub(crate) fn try_fire_for(
        self,
        result: Result<T, Failure>,
    ) -> Result<DueRun, Result<T, Failure>> {
        self.producer.fire_for(result, false)
    }

    /// The same, if somebody can see it.
    ///
    /// # Errors
    ///
    /// The value, if nobody can.
    pub(crate) fn try_callback_for(self, value: T) -> Result<DueRun, T> {
        match self.producer.fire_for(Ok(value), true) {
            Ok(due) => Ok(due),
            Err(Ok(value)) => Err(value),
            Err(Err(_)) => unreachable!("a value was passed"),
        }
    }

    /// Fires the Deferred.
    ///
    /// # Errors
    ///
    /// The result, if the Deferred was cancelled before.
    #[inline(always)]
    pub(crate) fn try_fire(self, result: Result<T, Failure>) -> Result<(), Result<T, Failure>> {
        self.producer.fire(result, false)
    }

    /// Fires the Deferred with a value, if somebody can see it.
    ///
    /// # Errors
    ///
    /// The value, if nobody can ever see it: the Deferred was cancelled, or
    /// dropped with no stage on it.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::Deferred;
    ///
    /// let (resolver, d) = Deferred::new();
    /// drop(d);
    /// assert_eq!(resolver.try_callback("keep me"), Err("keep me"));
    /// ```
    pub fn try_callback(self, value: T) -> Result<(), T> {
        match self.producer.fire(Ok(value), true) {
            Ok(()) => Ok(()),
            Err(Ok(value)) => Err(value),
            Err(Err(_)) => unreachable!("a value was passed"),
        }
    }

    /// Fires the Deferred with what `d` ends with.
    ///
    /// As [`Deferred::chain_deferred`], from this side: if the Deferred is
    /// cancelled meanwhile, `d` is not, and its result is swallowed.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let (resolver, d) = Deferred::new();
    /// let (source, other) = Deferred::new();
    /// resolver.fire_from(other);
    /// source.callback(1);
    /// assert_eq!(testing::success_of(d), 1);
    /// ```
    pub fn fire_from(self, d: Deferred<T>) {
        d.chain_deferred(self);
    }

    pub(super) fn into_producer(self) -> Producer<T> {
        self.producer
    }

    /// Returns whether the Deferred was cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::thread;
    /// use tokio_deferred::Deferred;
    ///
    /// let (resolver, d) = Deferred::<()>::new();
    /// let worker = thread::spawn(move || {
    ///     while !resolver.is_cancelled() {
    ///         thread::yield_now(); // some work
    ///     }
    /// });
    /// d.cancel();
    /// worker.join().unwrap();
    /// # drop(d.add_errback(|_| Ok(())));
    /// ```
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.producer.is_cancelled()
    }

    /// Completes when the Deferred is cancelled; never, if it never is.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if it is dropped before; the next call starts anew.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::Deferred;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let (mut resolver, d) = Deferred::<()>::new();
    /// let worker = tokio::spawn(async move { resolver.cancelled().await });
    /// d.cancel();
    /// worker.await.unwrap();
    /// # drop(d.add_errback(|_| Ok(())));
    /// # }
    /// ```
    pub async fn cancelled(&mut self) {
        poll_fn(|cx| self.producer.poll_cancelled(cx)).await;
    }

    /// Adds a function that a cancel calls before the canceller, to stop the
    /// operation once its own handle is known.
    ///
    /// It runs on the thread that cancels; at once, on this one, if the
    /// Deferred was cancelled already. It is dropped when the Deferred fires.
    /// Several run in the order added. A panic in one is the Deferred's
    /// failure.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use tokio_deferred::Deferred;
    ///
    /// let (stop, stopped) = mpsc::channel();
    /// let (mut resolver, d) = Deferred::<()>::new();
    /// resolver.on_cancel(move || stop.send(()).unwrap());
    /// d.cancel();
    /// stopped.recv().unwrap();
    /// # drop(d.add_errback(|_| Ok(())));
    /// ```
    pub fn on_cancel(&mut self, f: impl FnOnce() + Send + 'static) {
        self.producer.on_cancel(Box::new(f));
    }

    /// Returns whether somebody may still see the result: false after a
    /// cancel, and after the Deferred was dropped with no stage on it.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::Deferred;
    ///
    /// let (resolver, d) = Deferred::<()>::new();
    /// assert!(resolver.is_observed());
    /// drop(d);
    /// assert!(!resolver.is_observed());
    /// # resolver.callback(());
    /// ```
    #[must_use]
    pub fn is_observed(&self) -> bool {
        self.producer.is_seen()
    }

    /// Makes the resolver fit for several places, of which the first to call
    /// fires the Deferred.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let (resolver, d) = Deferred::new();
    /// let shared = resolver.shared();
    /// let also = shared.clone();
    /// assert!(shared.callback("first"));
    /// assert!(!also.callback("second"));
    /// assert_eq!(testing::success_of(d), "first");
    /// ```
    pub fn shared(self) -> SharedResolver<T> {
        SharedResolver::new(self)
    }

    /// Turns the resolver into a function of a `Result`, for APIs that call back
    /// once.
    ///
    /// It allocates nothing. An error is raised, as its trace says, at the line
    /// that called `into_fn`. Dropped uncalled, the function fails the Deferred
    /// with [`ResolverDropped`](crate::ResolverDropped).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io;
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// fn read(on_done: impl FnOnce(io::Result<Vec<u8>>) + Send + 'static) {
    ///     on_done(Ok(vec![1, 2, 3]));
    /// }
    ///
    /// let d = Deferred::from_callback(|resolver| read(resolver.into_fn()));
    /// assert_eq!(testing::success_of(d), [1, 2, 3]);
    /// ```
    #[track_caller]
    pub fn into_fn<E>(self) -> impl FnOnce(Result<T, E>) + Send + 'static
    where
        E: Into<BoxError> + 'static,
    {
        let at = Location::caller();
        move |result: Result<T, E>| self.fire(raised(result, at))
    }

    /// Turns the resolver into a function that may be called again, for APIs
    /// whose callback is an `FnMut`. The first call fires the Deferred; each
    /// call returns whether it did.
    ///
    /// It allocates nothing. What a later call brings is dropped, and an error
    /// is not reported. Dropped uncalled, the function fails the Deferred with
    /// [`ResolverDropped`](crate::ResolverDropped).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io;
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let (resolver, d) = Deferred::new();
    /// let mut on_event = resolver.into_fn_mut::<io::Error>();
    /// assert!(on_event(Ok("first")));
    /// assert!(!on_event(Ok("second")));
    /// assert_eq!(testing::success_of(d), "first");
    /// ```
    #[track_caller]
    pub fn into_fn_mut<E>(self) -> impl FnMut(Result<T, E>) -> bool + Send + 'static
    where
        E: Into<BoxError> + 'static,
    {
        let at = Location::caller();
        let mut first = Some(self);
        move |result: Result<T, E>| {
            let result = raised(result, at);
            let late = match first.take() {
                Some(resolver) => resolver.try_fire(result),
                None => Err(result),
            };
            late.map_err(swallow).is_ok()
        }
    }

    /// Splits into two functions, for APIs that take one callback for success
    /// and one for errors. The first call wins; a second does nothing.
    ///
    /// If both are dropped uncalled, the Deferred fails with
    /// [`ResolverDropped`](crate::ResolverDropped). An error is raised, as its
    /// trace says, at the line that called `into_callbacks`.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let (resolver, d) = Deferred::new();
    /// let (ok, err) = resolver.into_callbacks();
    /// ok(1);
    /// err("too late");
    /// assert_eq!(testing::success_of(d), 1);
    /// ```
    #[track_caller]
    pub fn into_callbacks<E>(
        self,
    ) -> (
        impl FnOnce(T) + Send + 'static,
        impl FnOnce(E) + Send + 'static,
    )
    where
        E: Into<BoxError> + 'static,
    {
        let at = Location::caller();
        let first = Arc::new(FireOnce::new(self));
        let second = first.clone();
        let ok = move |value| first.fire(Ok(value));
        let err = move |error: E| second.fire(raised(Err(error), at));
        (ok, err)
    }
}

/// The result of a callback, its error raised at the line that made the
/// callback: a closure does not know the line that calls it.
fn raised<T, E: Into<BoxError>>(
    result: Result<T, E>,
    at: &'static Location<'static>,
) -> Result<T, Failure> {
    result.map_err(|error| Failure::from_box(error.into(), at))
}

impl<T> fmt::Debug for Resolver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver")
            .field("made", &format_args!("{}", self.producer.made()))
            .field("cancelled", &self.producer.is_cancelled())
            .finish()
    }
}

impl<T> std::panic::UnwindSafe for Resolver<T> {}
impl<T> std::panic::RefUnwindSafe for Resolver<T> {}
