//! Loops.

use crate::chain::Deferred;
use crate::failure::Failure;
use std::ops::ControlFlow;

/// Calls `f` again and again, each time with the state that the last call
/// continued with, until one breaks; that value is the Deferred's.
///
/// `f` returns a [`ControlFlow`], a `Result` of one, or a [`Deferred`] of one:
/// then the next call waits for it. However many calls there are, and whether
/// they wait or not, the loop uses the memory and the stack of one.
///
/// The calls that need not wait run on the caller's thread, before `iterate`
/// returns; after a wait, on the thread that fired the Deferred, all of them
/// without yielding. So a long loop of calls that do not wait belongs on
/// another thread ([`threads`](crate::threads)).
///
/// A failure or a panic ends the loop and is the Deferred's failure.
/// Cancelling reaches the Deferred that the loop is waiting for.
///
/// # Examples
///
/// ```
/// use std::ops::ControlFlow::{Break, Continue};
/// use tokio_deferred::{task, testing};
///
/// // The greatest common divisor, without a wait.
/// let gcd = task::iterate((48, 36), |(a, b)| match a % b {
///     0 => Break(b),
///     rest => Continue((b, rest)),
/// });
/// assert_eq!(testing::success_of(gcd), 12);
/// ```
///
/// ```
/// use std::ops::ControlFlow::{Break, Continue};
/// use std::time::Duration;
/// use tokio_deferred::task;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// // A countdown, a second at a time.
/// let countdown = task::iterate(10, |n| {
///     task::defer_later(Duration::from_secs(1), move || {
///         Ok(if n == 1 { Break("lift-off") } else { Continue(n - 1) })
///     })
/// });
/// assert_eq!(countdown.await.unwrap(), "lift-off");
/// # }
/// ```
#[track_caller]
pub fn iterate<S, B, R>(state: S, f: impl FnMut(S) -> R + Send + 'static) -> Deferred<B>
where
    S: Send + 'static,
    B: Send + 'static,
    R: Turn<State = S, Value = B>,
{
    Deferred::maybe(move || turns(state, f))
}

/// The turns up to the next wait. Behind that the callback goes on, whose
/// Deferred the core links to the one before it: a loop is as long as one turn.
fn turns<S, B, R, F>(mut state: S, mut f: F) -> Deferred<B>
where
    S: Send + 'static,
    B: Send + 'static,
    R: Turn<State = S, Value = B>,
    F: FnMut(S) -> R + Send + 'static,
{
    loop {
        let flow = match f(state).into_flow() {
            Flow::Now(flow) => flow,
            Flow::Later(d) => match d.try_result() {
                Ok(flow) => flow,
                Err(pending) => {
                    return pending.add_callback(move |flow| match flow {
                        ControlFlow::Continue(state) => turns(state, f),
                        ControlFlow::Break(value) => {
                            drop(f);
                            Deferred::succeed(value)
                        }
                    });
                }
            },
        };
        match flow {
            Ok(ControlFlow::Continue(next)) => state = next,
            // The function goes before there is a result to return: a panic in
            // its drop is then the failure, and no value is lost.
            Ok(ControlFlow::Break(value)) => {
                drop(f);
                return Deferred::succeed(value);
            }
            Err(failure) => {
                drop(f);
                return Deferred::fail(failure);
            }
        }
    }
}

/// What one call of a loop may return: a [`ControlFlow`], or a `Result` or a
/// [`Deferred`] of one; see [`iterate`].
///
/// # Examples
///
/// ```
/// use std::ops::ControlFlow::{self, Break, Continue};
/// use tokio_deferred::{Deferred, task::iterate, testing};
///
/// // A turn that knows its flow, and one that waits for it.
/// let now = iterate(1, |n| if n < 100 { Continue(n * 2) } else { Break(n) });
/// let later = iterate(1, |n| {
///     Deferred::<i32>::succeed(n * 2).map(|n| -> ControlFlow<i32, i32> {
///         if n < 100 { Continue(n) } else { Break(n) }
///     })
/// });
/// assert_eq!((testing::success_of(now), testing::success_of(later)), (128, 128));
/// ```
#[diagnostic::on_unimplemented(
    message = "a turn of `iterate` cannot return `{Self}`",
    label = "returns neither a `ControlFlow`, nor a `Result<ControlFlow<_, _>, Failure>`, nor a `Deferred<ControlFlow<_, _>>`"
)]
pub trait Turn: sealed::Sealed {
    /// What the next call gets.
    type State: Send + 'static;
    /// What the loop ends with.
    type Value: Send + 'static;

    #[doc(hidden)]
    fn into_flow(self) -> Flow<Self::Value, Self::State>;
}

/// A turn's flow, now or later.
#[doc(hidden)]
#[derive(Debug)]
pub enum Flow<B, S> {
    Now(Result<ControlFlow<B, S>, Failure>),
    Later(Deferred<ControlFlow<B, S>>),
}

impl<B: Send + 'static, S: Send + 'static> Turn for ControlFlow<B, S> {
    type State = S;
    type Value = B;

    fn into_flow(self) -> Flow<B, S> {
        Flow::Now(Ok(self))
    }
}

impl<B: Send + 'static, S: Send + 'static> Turn for Result<ControlFlow<B, S>, Failure> {
    type State = S;
    type Value = B;

    fn into_flow(self) -> Flow<B, S> {
        Flow::Now(self)
    }
}

impl<B: Send + 'static, S: Send + 'static> Turn for Deferred<ControlFlow<B, S>> {
    type State = S;
    type Value = B;

    fn into_flow(self) -> Flow<B, S> {
        Flow::Later(self)
    }
}

mod sealed {
    use crate::chain::Deferred;
    use crate::failure::Failure;
    use std::ops::ControlFlow;

    pub trait Sealed {}
    impl<B, S> Sealed for ControlFlow<B, S> {}
    impl<B, S> Sealed for Result<ControlFlow<B, S>, Failure> {}
    impl<B, S> Sealed for Deferred<ControlFlow<B, S>> {}
}
