//! Ends of chains, and names for them.

use super::{Deferred, Resolver};
use crate::core::DueRun;
use crate::failure::{catch_and_log, report};

/// # Ending, and names
impl<T: Send + 'static> Deferred<T> {
    /// Ends this chain by firing `resolver` with its result: Twisted's
    /// `chainDeferred`.
    ///
    /// Cancelling the target does not cancel this one; what comes after it is
    /// swallowed. A chain of any length uses no more stack than one link.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let (resolver, d) = Deferred::new();
    /// Deferred::succeed(3).chain_deferred(resolver);
    /// assert_eq!(testing::success_of(d), 3);
    /// ```
    #[doc(alias = "chainDeferred")]
    pub fn chain_deferred(self, resolver: Resolver<T>) {
        match self.into_result() {
            Ok(result) => resolver.fire(result),
            Err(consumer) => consumer.fire_into(resolver.into_producer()),
        }
    }

    /// Ends this chain: a failure is reported as unhandled as soon as it comes,
    /// a value is dropped.
    ///
    /// The same as dropping the Deferred, said aloud; Twisted's
    /// `addErrback(log.err)`.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let reports = testing::capture_unhandled(|| {
    ///     Deferred::<()>::fail("out of paper").log_errors();
    /// });
    /// assert_eq!(reports[0].failure().to_string(), "out of paper");
    /// ```
    #[doc(alias = "logError")]
    pub fn log_errors(self) {
        let (made, label) = (self.made(), self.label_of());
        self.end(move |result| {
            if let Err(failure) = result {
                report(failure, made, label);
            }
        });
    }

    /// Lets this chain go on by itself, and says that this is meant: the same as
    /// dropping the Deferred.
    ///
    /// Its stages still run. A failure that nobody handled is reported;
    /// [`log_errors`](Deferred::log_errors) says that this is what is wanted.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use tokio_deferred::Deferred;
    ///
    /// let (tx, rx) = mpsc::channel();
    /// let (resolver, d) = Deferred::new();
    /// d.map(move |n: i32| tx.send(n).unwrap()).detach();
    /// resolver.callback(1);
    /// assert_eq!(rx.recv().unwrap(), 1);
    /// ```
    #[doc(alias = "forget")]
    pub fn detach(self) {
        drop(self);
    }

    /// Ends this chain with a function that takes the result, and may return the
    /// run of another chain that it fired. Its panics are caught, and only said
    /// through `tracing`: it is no user's code.
    pub(crate) fn end<R: Into<DueRun>>(
        self,
        f: impl FnOnce(Result<T, crate::Failure>) -> R + Send + 'static,
    ) {
        let repr = match self.repr.into_pending() {
            Ok(pending) => return pending.finish(f),
            Err(repr) => repr,
        };
        match repr.into_result() {
            Ok(result) => catch_and_log("the end of a chain", || drop(f(result).into())),
            Err(consumer) => consumer.finish(f),
        }
    }

    /// Ends this chain: its result is dropped, and a failure is not reported.
    pub(super) fn discard(self) {
        match self.into_result() {
            Ok(result) => catch_and_log("the drop of a value", || drop(result)),
            Err(consumer) => consumer.discard(),
        }
    }

    /// Names this Deferred, in reports of unhandled failures, in traces, and in
    /// `debug::pending`. A later name replaces it.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let reports = testing::capture_unhandled(|| {
    ///     drop(Deferred::<()>::fail("lost").label("the poem"));
    /// });
    /// assert_eq!(reports[0].label(), Some("the poem"));
    /// ```
    pub fn label(mut self, name: &'static str) -> Deferred<T> {
        self.repr.set_label(name);
        self
    }
}
