//! Ways to make a local Deferred without a loop.

use super::{LocalDeferred, LocalOutcome, LocalResolver, OnThread};
use crate::chain::Deferred;
use crate::failure::{BoxError, Failure};

impl<T: 'static> LocalDeferred<T> {
    /// Makes a Deferred whose cancelling calls `canceller`; as
    /// [`Deferred::with_canceller`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let partial = Rc::new(7);
    /// let (_resolver, d) = LocalDeferred::with_canceller(move || Some(Ok(partial)));
    /// d.cancel();
    /// assert_eq!(*d.try_result().unwrap().unwrap(), 7);
    /// ```
    #[track_caller]
    pub fn with_canceller(
        canceller: impl FnOnce() -> Option<Result<T, Failure>> + 'static,
    ) -> (LocalResolver<T>, LocalDeferred<T>) {
        let canceller = OnThread::new(canceller);
        let (resolver, inner) = Deferred::with_canceller(move || {
            let answer = canceller.into_inner()();
            answer.map(|result| result.map(OnThread::new))
        });
        (LocalResolver::wrap(resolver), LocalDeferred::wrap(inner))
    }

    /// Makes a Deferred that has its value; as [`Deferred::succeed`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let d = LocalDeferred::succeed(Rc::new(1)).map(|n| *n + 1);
    /// assert_eq!(d.try_result().unwrap().unwrap(), 2);
    /// ```
    #[inline]
    #[track_caller]
    pub fn succeed(value: T) -> Self {
        LocalDeferred::wrap(Deferred::succeed(OnThread::new(value)))
    }

    /// Makes a Deferred that has failed; as [`Deferred::fail`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let d = LocalDeferred::<Rc<i32>>::fail("out of paper");
    /// assert_eq!(d.try_result().unwrap().unwrap_err().to_string(), "out of paper");
    /// ```
    #[track_caller]
    pub fn fail(error: impl Into<BoxError>) -> Self {
        LocalDeferred::wrap(Deferred::fail(error))
    }

    /// Calls `f`, and returns what came of it as a Deferred, whatever it
    /// returns; as [`Deferred::maybe`].
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let d = LocalDeferred::maybe(|| Ok("8".parse::<i32>()?));
    /// assert_eq!(d.try_result().unwrap().unwrap(), 8);
    /// ```
    #[doc(alias = "maybeDeferred")]
    #[track_caller]
    pub fn maybe<R: LocalOutcome<Output = T>>(f: impl FnOnce() -> R) -> Self {
        LocalDeferred::wrap(Deferred::maybe(|| OnThread::new(f())))
    }
}
