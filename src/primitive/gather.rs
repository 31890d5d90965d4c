//! The values of several Deferreds.

use super::group::{Combine, Options, collect};
use crate::chain::Deferred;
use crate::failure::Failure;
use std::panic::Location;

/// The values alone; there are only values, since the first failure ends it.
pub(super) struct Values;

impl<T: Send + 'static> Combine<T> for Values {
    type Output = Vec<T>;

    fn all(
        results: impl ExactSizeIterator<Item = Result<T, Failure>>,
        _: &'static Location<'static>,
    ) -> Result<Vec<T>, Failure> {
        results.collect()
    }

    fn results(values: Vec<T>) -> impl Iterator<Item = (usize, Result<T, Failure>)> {
        values.into_iter().map(Ok).enumerate()
    }
}

/// Waits for the values of all of several Deferreds: Twisted's
/// `gatherResults`.
///
/// The values come in the order of the Deferreds. The first failure fails the
/// whole at once with [`FirstError`](crate::FirstError), which says whose it
/// was, and whose `source()` is the error itself. The others go on; what they
/// still fail with is reported as unhandled, from here.
/// [`DeferredList`](crate::DeferredList) has the other ways.
///
/// Cancelling it cancels each of the Deferreds in order, and what comes of that
/// is the result. None at all give an empty `Vec` at once.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, FirstError, gather_results, testing};
///
/// let all = gather_results([Deferred::succeed(1), Deferred::succeed(2)]);
/// assert_eq!(testing::success_of(all), [1, 2]);
///
/// let broken = gather_results([Deferred::succeed(1), Deferred::fail("out of paper")]);
/// let failure = testing::failure_of(broken);
/// assert_eq!(failure.check::<FirstError>().unwrap().index, 1);
/// ```
#[doc(alias = "gatherResults")]
#[doc(alias = "join_all")]
#[doc(alias = "try_join_all")]
#[track_caller]
pub fn gather_results<T: Send + 'static>(
    deferreds: impl IntoIterator<Item = Deferred<T>>,
) -> Deferred<Vec<T>> {
    let made = Location::caller();
    let options = Options {
        fire_on_one_errback: true,
        ..Options::default()
    };
    collect::<T, Values>(deferreds.into_iter().collect(), options, made)
}
