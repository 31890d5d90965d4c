//! The half that fires.

use super::Deferred;
use crate::core::{Delegate, DueRun, Producer};
use crate::failure::{BoxError, Failure, catch_and_log};
use crate::sync::lock;
use std::fmt;
use std::future::poll_fn;
use std::panic::Location;
use std::sync::{Arc, Mutex};

/// An object that cancels what will fire a Deferred.
pub(crate) type Cancelling = Arc<dyn Delegate>;

/// The half of a Deferred that fires it.
///
/// Firing consumes it, so a Deferred cannot be fired twice. It runs the stages
/// on this thread, before it returns; no panic of theirs comes out of it. It
/// may be sent to, and fired from, any thread, with or without a runtime.
///
/// After the Deferred was cancelled, a fire is swallowed: the value is dropped,
/// and a failure is not reported.
///
/// Dropped unfired, it fails its Deferred with
/// [`ResolverDropped`](crate::ResolverDropped), which names the place where the
/// pair was made. (Where such drops nest more than 32 deep, because dropped
/// callbacks own resolvers, the inner ones come when the outermost is over.)
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, testing};
///
/// let (resolver, d) = Deferred::<i32>::new();
/// drop(resolver);
/// assert!(testing::failure_of(d).is_resolver_dropped());
/// ```
#[must_use = "a Resolver that is dropped fails its Deferred with ResolverDropped"]
pub struct Resolver<T> {
    producer: Producer<T>,
}

impl<T> Resolver<T> {
    #[inline]
    pub(super) fn new(producer: Producer<T>) -> Self {
        Resolver { producer }
    }
}

/// Drops a result that came too late.
#[cold]
fn swallow<T>(late: Result<T, Failure>) {
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
        if let Err(late) = self.producer.fire(result, false) {
            swallow(late);
        }
    }

    /// Fires the Deferred at the end of another, which is to go on with its
    /// run.
    pub(crate) fn fire_for(self, result: Result<T, Failure>) -> DueRun {
        match self.producer.fire_for(result, false) {
            Ok(due) => due,
            Err(late) => {
                swallow(late);
                DueRun::NONE
            }
        }
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
    pub fn is_observed(&self) -> bool {
        self.producer.is_seen()
    }

    /// Splits into two functions, for APIs that take one callback for success
    /// and one for errors. The first call wins; a second does nothing.
    ///
    /// If both are dropped uncalled, the Deferred fails with
    /// [`ResolverDropped`](crate::ResolverDropped).
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let (resolver, d) = Deferred::new();
    /// let (ok, err) = resolver.into_callbacks();
    /// ok(1);
    /// err("too late".into());
    /// assert_eq!(testing::success_of(d), 1);
    /// ```
    pub fn into_callbacks(self) -> (impl FnOnce(T) + Send, impl FnOnce(BoxError) + Send) {
        let first = Arc::new(Mutex::new(Some(self)));
        let second = first.clone();
        let ok = move |value| {
            let resolver = lock(&first).take();
            if let Some(resolver) = resolver {
                resolver.callback(value);
            }
        };
        let err = move |error: BoxError| {
            let resolver = lock(&second).take();
            if let Some(resolver) = resolver {
                resolver.errback(error);
            }
        };
        (ok, err)
    }
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
