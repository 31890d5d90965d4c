//! A result that left its chain, and what becomes of one that nobody takes.

use super::anchor::Anchor;
use crate::failure::{Failure, report};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};

/// A result, and what is left of its chain if somebody else has a part in it.
pub(crate) type Taken<T> = (Result<T, Failure>, Option<Anchor>);

/// A result, and where its chain, of which nothing is left, was made.
pub(crate) type Plain<T> = (Result<T, Failure>, &'static Location<'static>);

/// Drops a result that nobody will take; a failure is reported, the panic of a
/// value's drop as well.
#[inline]
pub(super) fn give_up<T>(
    value: Result<T, Failure>,
    whose: impl Fn() -> (&'static Location<'static>, Option<&'static str>),
) {
    let failure = match value {
        Ok(value) => match catch_unwind(AssertUnwindSafe(|| drop(value))) {
            Ok(()) => return,
            Err(payload) => Failure::panicked(payload, whose().0),
        },
        Err(failure) => failure,
    };
    let (made, label) = whose();
    report(failure, made, label);
}
