//! What becomes of a result that nobody takes.

use crate::failure::{Failure, report};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};

/// Drops a result that nobody will take. A failure is reported as unhandled,
/// and so is the panic of a value's drop.
#[inline]
pub(in crate::core) fn drop_result<T>(
    result: Result<T, Failure>,
    made_and_label: impl Fn() -> (&'static Location<'static>, Option<&'static str>),
) {
    let failure = match result {
        Ok(value) => match catch_unwind(AssertUnwindSafe(|| drop(value))) {
            Ok(()) => return,
            Err(payload) => Failure::panicked(payload, made_and_label().0),
        },
        Err(failure) => failure,
    };
    let (made, label) = made_and_label();
    report(failure, made, label);
}
