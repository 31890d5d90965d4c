//! Failures of several Deferreds as one error.

use super::Failure;
use super::holder::Holder;
use std::any::Any;
use std::error::Error;
use std::fmt;
use std::panic::Location;

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
        // The child's text is its source's: a reporter prints it once.
        write!(f, "Deferred number {} failed", self.index)
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
        write_group(self, f, 0)
    }
}

impl Error for FailureGroup {}

/// How many groups inside of each other `Display` shows.
const LEVELS_SHOWN: u32 = 8;

fn write_first(first: &FirstError, f: &mut fmt::Formatter<'_>, level: u32) -> fmt::Result {
    write!(f, "Deferred number {} failed: ", first.index)?;
    write_child(&first.failure, f, level + 1)
}

fn write_group(group: &FailureGroup, f: &mut fmt::Formatter<'_>, level: u32) -> fmt::Result {
    write!(f, "all {} Deferreds failed", group.failures.len())?;
    for (n, failure) in group.failures.iter().take(3).enumerate() {
        f.write_str(if n == 0 { ": " } else { ", " })?;
        write_child(failure, f, level + 1)?;
    }
    if group.failures.len() > 3 {
        f.write_str(", ..")?;
    }
    Ok(())
}

fn write_child(failure: &Failure, f: &mut fmt::Formatter<'_>, level: u32) -> fmt::Result {
    let error = failure.error();
    if let Some(first) = error.downcast_ref() {
        if level == LEVELS_SHOWN {
            return f.write_str("..");
        }
        write_first(first, f, level)
    } else if let Some(group) = error.downcast_ref() {
        if level == LEVELS_SHOWN {
            return f.write_str("..");
        }
        write_group(group, f, level)
    } else {
        fmt::Display::fmt(error, f)
    }
}

/// What all the failures of a group have in common. It is asked for once, when
/// the failure of the group is made: groups may stand inside of each other to
/// any depth.
#[derive(Clone, Copy)]
pub(super) struct Agreed {
    pub(super) quiet: bool,
    pub(super) cancelled: bool,
    pub(super) timed_out: bool,
}

impl Agreed {
    /// Those of none agree on nothing.
    fn among(failures: &[Failure]) -> Self {
        let each = |is: fn(&Failure) -> bool| !failures.is_empty() && failures.iter().all(is);
        Agreed {
            quiet: each(Failure::is_quiet),
            cancelled: each(Failure::is_cancelled),
            timed_out: each(Failure::is_timed_out),
        }
    }
}

impl Failure {
    /// Makes the failure of a group that one of its children failed.
    pub(crate) fn first_error(
        index: usize,
        failure: Failure,
        made: &'static Location<'static>,
    ) -> Self {
        let agreed = Agreed::among(std::slice::from_ref(&failure));
        Failure::of_group(Nested(Some(FirstError { index, failure })), agreed, made)
    }

    /// Makes the failure of a group all of whose children failed.
    pub(crate) fn group(failures: Vec<Failure>, made: &'static Location<'static>) -> Self {
        let agreed = Agreed::among(&failures);
        Failure::of_group(Nested(Some(FailureGroup { failures })), agreed, made)
    }
}

/// An error that consists of failures. They are dropped in a loop, so that
/// groups inside of each other need no stack for each level.
struct Nested<E: Consists>(Option<E>);

trait Consists: Error + Send + Sync + 'static {
    fn release(self, into: &mut Vec<Failure>);
}

impl Consists for FirstError {
    fn release(self, into: &mut Vec<Failure>) {
        into.push(self.failure);
    }
}

impl Consists for FailureGroup {
    fn release(mut self, into: &mut Vec<Failure>) {
        into.append(&mut self.failures);
    }
}

impl<E: Consists> Holder for Nested<E> {
    fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        self.0.as_ref().expect("taken only to be dropped")
    }

    fn place(&mut self) -> Option<&mut dyn Any> {
        Some(&mut self.0)
    }

    fn release(&mut self, into: &mut Vec<Failure>) {
        if let Some(error) = self.0.take() {
            error.release(into);
        }
    }
}

impl<E: Consists> Drop for Nested<E> {
    fn drop(&mut self) {
        let mut failures = Vec::new();
        self.release(&mut failures);
        while let Some(mut failure) = failures.pop() {
            failure.release(&mut failures);
        }
    }
}
