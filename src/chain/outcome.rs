//! What a callback may return.

use super::Deferred;
use crate::core::{Site, Step, with_trace};
use crate::failure::{Failure, Name};
use std::panic::Location;

/// What a callback may return: a `Result<U, Failure>`, a [`Deferred<U>`], or
/// nothing.
///
/// A callback that returns a Deferred makes its chain wait: the stages behind
/// it run on that Deferred's result. There are exactly these three
/// implementations, so `|n| Ok(n + 1)` and `?` need no annotations; for a
/// plain value there is [`Deferred::map`].
///
/// A callback that uses `?` returns a `Result`, so it cannot end with a Deferred.
/// It takes two stages: one that ends with `Ok(..)`, and one that returns the
/// Deferred.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, testing};
///
/// let d = Deferred::succeed(20)
///     .add_callback(|n| Ok(n + 1)) // Result<i32, Failure>
///     .add_callback(|n| Deferred::succeed(n * 2)) // Deferred<i32>
///     .add_callback(|n| assert_eq!(n, 42)); // ()
/// testing::success_of(d);
/// ```
#[diagnostic::on_unimplemented(
    message = "a callback cannot return `{Self}`",
    label = "returns neither a `Result<_, Failure>`, nor a `Deferred<_>`, nor `()`",
    note = "for a plain value, return `Ok(value)`, or use `map` in place of `add_callback`",
    note = "for a `Result` with another error, use `?` and `Ok(..)`, or `.or_fail()` from `OrFail`",
    note = "for a future, return `Deferred::from_coroutine(future)`",
    note = "for a `Deferred<Deferred<_>>`, add `.flatten()`",
    note = "for a callback that only panics, name a type: `|_| -> Result<(), Failure> {{ panic!() }}`"
)]
pub trait Outcome: sealed::Sealed {
    /// The type of the value.
    type Output: Send + 'static;

    /// The Deferred that it is; if it is none, one made at the place given.
    #[doc(hidden)]
    fn into_deferred(self, made: &'static Location<'static>) -> Deferred<Self::Output>;

    #[doc(hidden)]
    fn into_stage_result(self) -> StageResult<Self::Output>;
}

/// What an errback of a `Deferred<T>` may return: an [`Outcome`] whose value is a
/// `T`, because a value passes an errback by.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, Failure, Recovery, testing};
///
/// /// Adds `recover` and says so.
/// fn recovered<R: Recovery<i32>>(
///     d: Deferred<i32>,
///     recover: impl FnOnce(Failure) -> R + Send + 'static,
/// ) -> Deferred<i32> {
///     d.inspect_err(|failure| println!("recovering from {failure}")).add_errback(recover)
/// }
///
/// let d = recovered(Deferred::fail("no number"), |_| Ok(0));
/// assert_eq!(testing::success_of(d), 0);
/// ```
#[diagnostic::on_unimplemented(
    message = "an errback of a `Deferred<{T}>` cannot return `{Self}`",
    label = "returns neither a `Result<{T}, Failure>`, nor a `Deferred<{T}>`",
    note = "for an errback that only looks at the failure, as logging does, use `inspect_err`",
    note = "to recover with a value, return `Ok(value)`; to send the failure on, `Err(failure)`",
    note = "for a future, return `Deferred::from_coroutine(future)`",
    note = "where the callback and the errback come to another type, use `add_callbacks` or `add_both`"
)]
pub trait Recovery<T>: Outcome<Output = T> {}

#[diagnostic::do_not_recommend]
impl<T, R: Outcome<Output = T>> Recovery<T> for R {}

/// What a callback came to, for the chain it is on.
#[doc(hidden)]
#[allow(missing_debug_implementations)] // It cannot be named from outside.
pub struct StageResult<T>(Step<T>);

impl<U: Send + 'static> Outcome for Result<U, Failure> {
    type Output = U;

    #[inline]
    fn into_deferred(self, made: &'static Location<'static>) -> Deferred<U> {
        Deferred::fired(self, made)
    }

    #[inline(always)]
    fn into_stage_result(self) -> StageResult<U> {
        StageResult(Step::Done(self))
    }
}

impl<U: Send + 'static> Outcome for Deferred<U> {
    type Output = U;

    #[inline]
    fn into_deferred(self, _: &'static Location<'static>) -> Deferred<U> {
        self
    }

    #[inline(always)]
    fn into_stage_result(self) -> StageResult<U> {
        StageResult(self.into_step())
    }
}

impl Outcome for () {
    type Output = ();

    #[inline]
    fn into_deferred(self, made: &'static Location<'static>) -> Deferred<()> {
        Deferred::fired(Ok(()), made)
    }

    #[inline(always)]
    fn into_stage_result(self) -> StageResult<()> {
        StageResult(Step::Done(Ok(())))
    }
}

/// What became of a callback, its failure's trace brought up to date.
#[inline(always)]
pub(super) fn step_of<R: Outcome>(outcome: R, site: Site<'_>, name: Name) -> Step<R::Output> {
    match outcome.into_stage_result().0 {
        Step::Done(Err(failure)) => Step::Done(Err(with_trace(failure, site, name))),
        step => step,
    }
}

pub(crate) mod sealed {
    use super::{Deferred, Failure};

    pub trait Sealed {}
    impl<U> Sealed for Result<U, Failure> {}
    impl<U> Sealed for Deferred<U> {}
    impl Sealed for () {}
}
