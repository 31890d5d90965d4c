//! Async fns as functions of the callback style.

use super::coroutine::Resumed;
use super::from_future::{Where, from_fallible};
use crate::chain::Deferred;
use crate::failure::BoxError;
use std::panic::Location;
use tokio::runtime::Handle;

/// Turns an async fn of one argument into a function that returns a Deferred:
/// Twisted's `inlineCallbacks`.
///
/// The function has the type of the callback-style function it replaces, so its
/// callers stay as they are. Each call starts the async fn at once, as
/// [`Deferred::from_coroutine`] does. Where no runtime is current at a call
/// that has to wait, the one is used that was current when this function was
/// called.
///
/// For any number of arguments, and for methods, there is the attribute
/// [`#[inline_callbacks]`](macro@crate::inline_callbacks).
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, DeferredError, inline_callbacks, testing};
///
/// async fn double(d: Deferred<i32>) -> Result<i32, DeferredError> {
///     Ok(d.await? * 2)
/// }
///
/// let double = inline_callbacks(double);
/// let d: Deferred<i32> = double(Deferred::succeed(21));
/// assert_eq!(testing::success_of(d), 42);
/// ```
#[doc(alias = "inlineCallbacks")]
#[track_caller]
pub fn inline_callbacks<A, T, E, Fut>(f: impl Fn(A) -> Fut) -> impl Fn(A) -> Deferred<T>
where
    Fut: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Into<BoxError>,
{
    let made = Location::caller();
    let remembered = Handle::try_current().ok();
    move |argument| {
        let called = std::panic::AssertUnwindSafe(|| f(argument));
        match std::panic::catch_unwind(called) {
            Ok(future) => from_fallible(
                future,
                Where::Current(remembered.as_ref()),
                Resumed::ByTask,
                made,
            ),
            Err(payload) => {
                Deferred::ready(Err(crate::failure::Failure::panicked(payload, made)), made)
            }
        }
    }
}

/// The value of a `Result` type, however it is spelled; for the attribute.
#[diagnostic::on_unimplemented(
    message = "a coroutine returns a `Result`, not `{Self}`",
    label = "this is no `Result`",
    note = "write `-> Result<{Self}, Failure>`, and `Ok(..)` at the end"
)]
pub trait CoroutineResult {
    /// The type of the value.
    type Value;
}

impl<T, E> CoroutineResult for Result<T, E> {
    type Value = T;
}

/// Clones a handle that may stand behind references; for the attribute.
pub fn clone_handle(handle: &Handle) -> Handle {
    handle.clone()
}
