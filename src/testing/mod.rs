//! Tools for testing code that uses Deferreds: Twisted's `successResultOf`,
//! `failureResultOf` and `assertNoResult`.
//!
//! Deferreds run on the thread that fires them, so most tests need neither a
//! runtime nor a wait: fire, and look.
//!
//! # Examples
//!
//! ```
//! use tokio_deferred::{Deferred, testing};
//!
//! let (resolver, d) = Deferred::new();
//! let d = d.map(|n: i32| n * 2);
//! testing::assert_no_result(&d);
//! resolver.callback(21);
//! assert_eq!(testing::success_of(d), 42);
//! ```

mod strict;

pub use strict::Strict;

use crate::chain::Deferred;
use crate::debug;
use crate::failure::{Capture, Failure, Unhandled};

/// Returns the value of a Deferred that has one now: Twisted's
/// `successResultOf`.
///
/// # Panics
///
/// If it failed (with the failure and its trace), or has no result. While
/// debugging is on, the message has the diagram of the chain.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, testing};
///
/// assert_eq!(testing::success_of(Deferred::succeed(1)), 1);
/// ```
#[doc(alias = "successResultOf")]
#[track_caller]
pub fn success_of<T: Send + 'static>(d: Deferred<T>) -> T {
    let diagram = diagram(&d);
    match d.try_result() {
        Ok(Ok(value)) => value,
        Ok(Err(failure)) => panic!("expected a value, found {failure:?}"),
        Err(pending) => panic!("expected a value, found none yet: {pending:?}{diagram}"),
    }
}

/// Returns the failure of a Deferred that has one now: Twisted's
/// `failureResultOf`.
///
/// # Panics
///
/// If it has a value, or no result. While debugging is on, the message has the
/// diagram of the chain.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, testing};
///
/// let failure = testing::failure_of(Deferred::<i32>::fail("out of paper"));
/// assert_eq!(failure.to_string(), "out of paper");
/// ```
#[doc(alias = "failureResultOf")]
#[track_caller]
pub fn failure_of<T: Send + 'static>(d: Deferred<T>) -> Failure {
    let diagram = diagram(&d);
    match d.try_result() {
        Ok(Err(failure)) => failure,
        Ok(Ok(_)) => panic!("expected a failure, found a value{diagram}"),
        Err(pending) => panic!("expected a failure, found no result yet: {pending:?}{diagram}"),
    }
}

/// Asserts that a Deferred has no result yet: Twisted's `assertNoResult`.
///
/// # Panics
///
/// If it has one. While debugging is on, the message has the diagram of the
/// chain.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, testing};
///
/// let (resolver, d) = Deferred::<i32>::new();
/// testing::assert_no_result(&d);
/// # resolver.callback(1);
/// ```
#[doc(alias = "assertNoResult")]
#[track_caller]
pub fn assert_no_result<T: Send + 'static>(d: &Deferred<T>) {
    assert!(
        !d.is_fired(),
        "expected no result, found one: {d:?}{}",
        diagram(d)
    );
}

/// Calls `f`, and returns the unhandled failures that this thread reported
/// meanwhile, in order, in place of reporting them: Twisted's
/// `flushLoggedErrors`.
///
/// What `f` returns is dropped before the reports are taken. Calls may be nested;
/// the innermost collects. Other threads report as ever.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, testing};
///
/// let reports = testing::capture_unhandled(|| {
///     drop(Deferred::<()>::fail("nobody saw this"));
/// });
/// assert_eq!(reports.len(), 1);
/// assert_eq!(reports[0].failure().to_string(), "nobody saw this");
/// ```
#[doc(alias = "flushLoggedErrors")]
pub fn capture_unhandled<R>(f: impl FnOnce() -> R) -> Vec<Unhandled> {
    let capture = Capture::start();
    drop(f());
    capture.take()
}

/// The end of a message: a line's end and the diagram of the chain, if it was
/// made while debugging was on.
fn diagram<T: Send + 'static>(d: &Deferred<T>) -> String {
    debug::diagram(d).map_or_else(String::new, |diagram| format!("\n{diagram}"))
}
