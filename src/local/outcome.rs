//! What a callback of a local chain may return.

use super::confined::Unmark;
use super::{LocalDeferred, OnThread};
use crate::chain::{Deferred, Outcome, StageResult, sealed::Sealed};
use crate::failure::Failure;
use std::panic::Location;

/// What a callback of a [`LocalDeferred`] may return: a `Result<U, Failure>`, a
/// [`LocalDeferred<U>`], a [`Deferred<U>`] with `U: Send`, or nothing.
///
/// A callback that returns a Deferred of either kind makes its chain wait: the
/// stages behind it run on that Deferred's result, on the chain's own thread.
/// The result of a [`Deferred`] that has none yet comes by the thread's loop,
/// as with [`Deferred::into_local`].
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use tokio_deferred::{Deferred, local::LocalDeferred};
///
/// let d = LocalDeferred::succeed(Rc::new(20))
///     .add_callback(|n| Ok(*n + 1)) // Result<i32, Failure>
///     .add_callback(|n| LocalDeferred::succeed(Rc::new(n))) // LocalDeferred<Rc<i32>>
///     .add_callback(|n| Deferred::succeed(*n * 2)) // Deferred<i32>
///     .add_callback(|n| assert_eq!(n, 42)); // ()
/// assert!(d.try_result().unwrap().is_ok());
/// ```
#[diagnostic::on_unimplemented(
    message = "a callback cannot return `{Self}`",
    label = "returns neither a `Result<_, Failure>`, nor a `LocalDeferred<_>` or `Deferred<_>`, nor `()`",
    note = "for a plain value, return `Ok(value)`, or use `map` in place of `add_callback`",
    note = "for a future, return `LocalDeferred::from_coroutine(future)`",
    note = "for a `Result` with another error, use `?` and `Ok(..)`, or `.or_fail()` from `OrFail`",
    note = "for a `LocalDeferred<LocalDeferred<_>>`, add `.flatten()`",
    note = "for a callback that only panics, name a type: `|_| -> Result<(), Failure> {{ panic!() }}`"
)]
pub trait LocalOutcome: Sealed + 'static {
    /// The type of the value.
    type Output: 'static;

    /// The Deferred that it is; if it is none, one made at the place given.
    #[doc(hidden)]
    fn into_confined(
        self,
        made: &'static Location<'static>,
        right: Unmark,
    ) -> Deferred<OnThread<Self::Output>>;

    #[doc(hidden)]
    fn into_confined_result(self, right: Unmark) -> StageResult<OnThread<Self::Output>>;
}

impl<U: 'static> LocalOutcome for Result<U, Failure> {
    type Output = U;

    #[inline]
    fn into_confined(self, made: &'static Location<'static>, _: Unmark) -> Deferred<OnThread<U>> {
        self.map(OnThread::new).into_deferred(made)
    }

    #[inline]
    fn into_confined_result(self, _: Unmark) -> StageResult<OnThread<U>> {
        self.map(OnThread::new).into_stage_result()
    }
}

impl<U: 'static> LocalOutcome for LocalDeferred<U> {
    type Output = U;

    #[inline]
    fn into_confined(self, _: &'static Location<'static>, _: Unmark) -> Deferred<OnThread<U>> {
        self.into_confined_deferred()
    }

    #[inline]
    fn into_confined_result(self, _: Unmark) -> StageResult<OnThread<U>> {
        self.into_confined_deferred().into_stage_result()
    }
}

impl<U: Send + 'static> LocalOutcome for Deferred<U> {
    type Output = U;

    fn into_confined(self, _: &'static Location<'static>, _: Unmark) -> Deferred<OnThread<U>> {
        self.into_local().into_confined_deferred()
    }

    fn into_confined_result(self, right: Unmark) -> StageResult<OnThread<U>> {
        self.into_local().into_confined_result(right)
    }
}

impl LocalOutcome for () {
    type Output = ();

    #[inline]
    fn into_confined(
        self,
        made: &'static Location<'static>,
        right: Unmark,
    ) -> Deferred<OnThread<()>> {
        Ok(self).into_confined(made, right)
    }

    #[inline]
    fn into_confined_result(self, right: Unmark) -> StageResult<OnThread<()>> {
        Ok(self).into_confined_result(right)
    }
}

impl<U> Sealed for LocalDeferred<U> {}
impl<R> Sealed for OnThread<R> {}

/// So the core's stages run callbacks of local chains as any others.
#[diagnostic::do_not_recommend]
impl<R: LocalOutcome> Outcome for OnThread<R> {
    type Output = OnThread<R::Output>;

    #[inline]
    fn into_deferred(self, made: &'static Location<'static>) -> Deferred<Self::Output> {
        self.into_inner().into_confined(made, Unmark::new())
    }

    #[inline]
    fn into_stage_result(self) -> StageResult<Self::Output> {
        self.into_inner().into_confined_result(Unmark::new())
    }
}
