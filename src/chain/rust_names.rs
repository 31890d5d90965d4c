//! The stages under the names that `Result` and the futures crate have for
//! them. They are eager, as all stages: added, they run, awaited or not.

use super::stages::{Errback, Map};
use super::{Deferred, Outcome, Recovery};
use crate::failure::{BoxError, Failure};
use std::marker::PhantomData;
use std::panic::Location;

/// # Stages, under Rust's names
///
/// With an extension trait of the futures crate in scope, these come first; the
/// trait's own methods would be lazy, and never run where they are dropped.
impl<T: Send + 'static> Deferred<T> {
    /// Adds a function that runs on a value and may fail or return another
    /// Deferred: [`add_callback`](Deferred::add_callback).
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let d = Deferred::succeed("7").and_then(|s| Ok(s.parse::<i32>()?));
    /// assert_eq!(testing::success_of(d), 7);
    /// ```
    #[inline]
    #[track_caller]
    pub fn and_then<R: Outcome>(
        self,
        f: impl FnOnce(T) -> R + Send + 'static,
    ) -> Deferred<R::Output> {
        self.add_callback(f)
    }

    /// Adds a function that runs on a failure and may recover:
    /// [`add_errback`](Deferred::add_errback).
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let d = Deferred::<i32>::fail("no number").or_else(|_failure| Ok(0));
    /// assert_eq!(testing::success_of(d), 0);
    /// ```
    #[inline]
    #[track_caller]
    pub fn or_else<R: Recovery<T>>(
        self,
        f: impl FnOnce(Failure) -> R + Send + 'static,
    ) -> Deferred<T> {
        self.add_errback(f)
    }

    /// Adds a function from failure to error; a value passes it by.
    ///
    /// The error that it returns is raised at the line of this call. A [`Failure`]
    /// that it returns stays what it is.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io;
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let d = Deferred::<i32>::fail("no number")
    ///     .map_err(|failure| io::Error::other(failure.to_string()));
    /// assert!(testing::failure_of(d).is::<io::Error>());
    /// ```
    #[inline]
    #[track_caller]
    pub fn map_err<E: Into<BoxError>>(
        self,
        f: impl FnOnce(Failure) -> E + Send + 'static,
    ) -> Deferred<T> {
        with_error_of(self, f, Location::caller())
    }

    /// Adds a function that looks at a value, which then passes on; a failure
    /// passes it by.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let (tx, rx) = mpsc::channel();
    /// let d = Deferred::succeed(7).inspect(move |n| tx.send(*n).unwrap());
    /// assert_eq!(rx.recv().unwrap(), 7);
    /// assert_eq!(testing::success_of(d), 7);
    /// ```
    #[inline]
    #[track_caller]
    pub fn inspect(self, f: impl FnOnce(&T) + Send + 'static) -> Deferred<T> {
        with_look_of(self, f, Location::caller())
    }

    /// Adds a function that looks at a failure, which then passes on as
    /// unhandled as it was: for errbacks that only log.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let (tx, rx) = mpsc::channel();
    /// let d = Deferred::<()>::fail("out").inspect_err(move |f| tx.send(f.to_string()).unwrap());
    /// assert_eq!(rx.recv().unwrap(), "out");
    /// assert_eq!(testing::failure_of(d).to_string(), "out");
    /// ```
    #[inline]
    #[track_caller]
    pub fn inspect_err(self, f: impl FnOnce(&Failure) + Send + 'static) -> Deferred<T> {
        self.inspect_failure(f)
    }
}

// Functions of their own, because the stages have the name of the user's one.

fn with_error_of<T, E, F>(d: Deferred<T>, f: F, at: &'static Location<'static>) -> Deferred<T>
where
    T: Send + 'static,
    E: Into<BoxError>,
    F: FnOnce(Failure) -> E + Send + 'static,
{
    let errback = move |failure| Err::<T, _>(Failure::from_box(f(failure).into(), at));
    d.stage(Errback::<_, _, F>(errback, PhantomData), at)
}

fn with_look_of<T, F>(d: Deferred<T>, f: F, at: &'static Location<'static>) -> Deferred<T>
where
    T: Send + 'static,
    F: FnOnce(&T) + Send + 'static,
{
    let look = move |value: T| {
        f(&value);
        value
    };
    d.stage(Map::<_, _, F>(look, PhantomData), at)
}
