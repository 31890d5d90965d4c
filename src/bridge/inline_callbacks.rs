//! Async fns as functions of the callback style.

use super::coroutine::Where;
use super::from_future::from_fallible;
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
/// For any number of arguments there is the macro of the same name.
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
            Ok(future) => from_fallible(future, Where::Current(remembered.as_ref()), made),
            Err(payload) => {
                Deferred::ready(Err(crate::failure::Failure::panicked(payload, made)), made)
            }
        }
    }
}

/// The value of a `Result` type, however it is spelled; for the macro.
#[doc(hidden)]
pub trait CoroutineResult {
    type Value;
}

impl<T, E> CoroutineResult for Result<T, E> {
    type Value = T;
}

/// Defines functions that return a Deferred from `async fn`s of any number of
/// arguments: Twisted's `@inlineCallbacks`.
///
/// `async fn f(a: A, b: B) -> Result<T, E> { .. }` becomes
/// `fn f(a: A, b: B) -> Deferred<T>`, with its documentation, attributes and
/// visibility. The body starts at the call, as with
/// [`Deferred::from_coroutine`](crate::Deferred::from_coroutine).
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, DeferredError, inline_callbacks, testing};
///
/// inline_callbacks! {
///     /// Adds what two Deferreds come to.
///     pub async fn add(a: Deferred<i32>, b: Deferred<i32>) -> Result<i32, DeferredError> {
///         Ok(a.await? + b.await?)
///     }
/// }
///
/// let d: Deferred<i32> = add(Deferred::succeed(1), Deferred::succeed(2));
/// assert_eq!(testing::success_of(d), 3);
/// ```
#[macro_export]
macro_rules! inline_callbacks {
    () => {};
    (
        $(#[$attribute:meta])*
        $visibility:vis async fn $name:ident (
            $($argument:ident : $type:ty),* $(,)?
        ) -> $result:ty $body:block
        $($rest:tt)*
    ) => {
        $(#[$attribute])*
        #[track_caller]
        $visibility fn $name(
            $($argument: $type),*
        ) -> $crate::Deferred<<$result as $crate::CoroutineResult>::Value> {
            $crate::Deferred::from_coroutine(async move {
                // The body sees its arguments as an async fn's would, and its
                // `?` and `return` have the type that was written.
                let result: $result = async move $body.await;
                result
            })
        }
        $crate::inline_callbacks! { $($rest)* }
    };
    ($($other:tt)+) => {
        ::core::compile_error!(
            "inline_callbacks! defines functions from `async fn name(argument: Type, ..) -> Result<T, E> { .. }`, \
             without `self`, generics or `where`"
        );
    };
}
