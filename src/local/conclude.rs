//! Ends of local chains, and names for them.

use super::{LocalDeferred, LocalResolver};

impl<T: 'static> LocalDeferred<T> {
    /// Ends this chain by firing `resolver` with its result; as
    /// [`Deferred::chain_deferred`](crate::Deferred::chain_deferred).
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let (resolver, d) = LocalDeferred::new();
    /// LocalDeferred::succeed(3).chain_deferred(resolver);
    /// assert_eq!(d.try_result().unwrap().unwrap(), 3);
    /// ```
    #[doc(alias = "chainDeferred")]
    pub fn chain_deferred(self, resolver: LocalResolver<T>) {
        self.inner
            .into_inner()
            .chain_deferred(resolver.into_confined_resolver());
    }

    /// Ends this chain: a failure is reported as unhandled as soon as it
    /// comes, a value is dropped. As
    /// [`Deferred::log_errors`](crate::Deferred::log_errors).
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{local::LocalDeferred, testing};
    ///
    /// let reports = testing::capture_unhandled(|| {
    ///     LocalDeferred::<()>::fail("out of paper").log_errors();
    /// });
    /// assert_eq!(reports[0].failure().to_string(), "out of paper");
    /// ```
    pub fn log_errors(self) {
        self.inner.into_inner().log_errors();
    }

    /// Lets the chain go on by itself: its stages still run, and a failure
    /// that they end with is reported as unhandled.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::Cell;
    /// use std::rc::Rc;
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let seen = Rc::new(Cell::new(0));
    /// let (resolver, d) = LocalDeferred::new();
    /// d.map({ let seen = seen.clone(); move |n| seen.set(n) }).detach();
    /// resolver.callback(7);
    /// assert_eq!(seen.get(), 7);
    /// ```
    #[doc(alias = "forget")]
    pub fn detach(self) {
        self.inner.into_inner().detach();
    }

    /// Names this Deferred, in reports, traces and `debug::pending`; as
    /// [`Deferred::label`](crate::Deferred::label).
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{local::LocalDeferred, testing};
    ///
    /// let reports = testing::capture_unhandled(|| {
    ///     LocalDeferred::<()>::fail("lost").label("the poem").detach();
    /// });
    /// assert_eq!(reports[0].label(), Some("the poem"));
    /// ```
    pub fn label(self, name: &'static str) -> LocalDeferred<T> {
        LocalDeferred::wrap(self.inner.into_inner().label(name))
    }
}
