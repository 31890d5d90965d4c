//! The first value of several Deferreds.

use super::group::{AtCancel, Combine, Options, collect};
use crate::chain::Deferred;
use crate::failure::Failure;
use std::panic::Location;

/// The first value, and whose it is.
pub(super) struct FirstValue;

impl<T: Send + 'static> Combine<T> for FirstValue {
    type Output = (usize, T);
    const FIRST_VALUE: bool = true;

    fn first(index: usize, value: T) -> (usize, T) {
        (index, value)
    }

    fn all(
        results: impl ExactSizeIterator<Item = Result<T, Failure>>,
        made: &'static Location<'static>,
    ) -> Result<(usize, T), Failure> {
        let failures = results.filter_map(Result::err).collect();
        Err(Failure::group(failures, made))
    }

    fn results((index, value): (usize, T)) -> impl Iterator<Item = (usize, Result<T, Failure>)> {
        std::iter::once((index, Ok(value)))
    }
}

/// Waits for the first value of several Deferreds, and cancels the others:
/// Twisted's `race`.
///
/// The value comes with the place of the Deferred that had it, counted from 0.
/// The others are cancelled, in order, before the race fires; what becomes of
/// them is not reported. A failure does not win: only if all fail does the race
/// fail, with a [`FailureGroup`](crate::FailureGroup) of their failures in order. That is what a
/// race of none does at once.
///
/// A loser that is a coroutine gets the cancel as the failure of what it awaits.
/// One that retries on any error goes on all the same;
/// [`add_timeout`](Deferred::add_timeout) shows how such a loop lets a cancel end
/// it.
///
/// Cancelling the race cancels each of the Deferreds in order; if none of them
/// then has decided it, it fails with [`Cancelled`](crate::Cancelled).
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, race, testing};
///
/// let (slow, a) = Deferred::new();
/// let (quick, b) = Deferred::new();
/// let first = race([a, b]);
/// quick.callback("b");
/// assert!(slow.is_cancelled());
/// assert_eq!(testing::success_of(first), (1, "b"));
/// ```
#[doc(alias = "select_ok")]
#[doc(alias = "any")]
#[track_caller]
pub fn race<T: Send + 'static>(
    deferreds: impl IntoIterator<Item = Deferred<T>>,
) -> Deferred<(usize, T)> {
    let made = Location::caller();
    let options = Options {
        consume_errors: true,
        cancel_rest: true,
        at_cancel: AtCancel::FailUndecided,
        ..Options::default()
    };
    collect::<T, FirstValue>(deferreds.into_iter().collect(), options, made)
}
