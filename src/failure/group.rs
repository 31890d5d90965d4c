//! Failures of several Deferreds as one error.

use super::Failure;
use std::error::Error;
use std::fmt;

/// The failure of one of several Deferreds, and which one: Twisted's
/// `FirstError`.
///
/// Its `source()` is the child's error, so `trap::<E>()` on the failure of a
/// list finds the child's `E`.
///
/// # Examples
///
/// ```
/// use std::fmt::Error;
/// use tokio_deferred::{Deferred, FirstError, gather_results, testing};
///
/// let all = gather_results([Deferred::succeed(1), Deferred::fail(Error)]);
/// let failure = testing::failure_of(all);
/// assert_eq!(failure.check::<FirstError>().unwrap().index, 1);
/// assert!(failure.is::<Error>()); // the child's
/// ```
#[derive(Debug)]
pub struct FirstError {
    /// The place of the child that failed, counted from 0.
    pub index: usize,
    /// What it failed with.
    pub failure: Failure,
}

impl fmt::Display for FirstError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Deferred number {} failed: {}", self.index, self.failure)
    }
}

impl Error for FirstError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.failure.error())
    }
}

/// All of several Deferreds failed: Twisted's `FailureGroup`.
///
/// No child's failure is more the cause than another's, so it has no
/// `source()`.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, FailureGroup, race, testing};
///
/// let first = race([Deferred::<()>::fail("no paper"), Deferred::fail("no ink")]);
/// let failure = testing::failure_of(first);
/// assert_eq!(failure.to_string(), "all 2 Deferreds failed: no paper, no ink");
/// assert_eq!(failure.check::<FailureGroup>().unwrap().failures.len(), 2);
/// ```
#[derive(Debug)]
pub struct FailureGroup {
    /// What each child failed with, in the order of the children.
    pub failures: Vec<Failure>,
}

impl fmt::Display for FailureGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "all {} Deferreds failed", self.failures.len())?;
        for (n, failure) in self.failures.iter().take(3).enumerate() {
            write!(f, "{} {failure}", if n == 0 { ":" } else { "," })?;
        }
        if self.failures.len() > 3 {
            f.write_str(", ..")?;
        }
        Ok(())
    }
}

impl Error for FailureGroup {}
