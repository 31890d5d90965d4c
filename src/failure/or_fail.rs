//! `?` on errors that are no `std::error::Error`.

use super::{BoxError, Failure};
use std::panic::Location;

/// Turns the error of a `Result` into a [`Failure`], for errors such as
/// `anyhow::Error` and `Box<dyn Error>` that are no `std::error::Error` and
/// that `?` therefore cannot convert in a callback.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, OrFail, testing};
///
/// fn parse(s: &str) -> anyhow::Result<i32> {
///     Ok(s.parse()?)
/// }
///
/// let d = Deferred::succeed("seven").add_callback(|s| Ok(parse(s).or_fail()?));
/// assert_eq!(testing::failure_of(d).to_string(), "invalid digit found in string");
/// ```
///
/// `anyhow` hides the type of an error that it gives away, so `trap` does not
/// find it; what it has as a source, under a context, is found.
pub trait OrFail: sealed::Sealed {
    /// The value of the `Result`.
    type Value;

    /// Returns the value, or the error as a [`Failure`] that was raised at the
    /// caller's line.
    ///
    /// # Errors
    ///
    /// The error, as a failure.
    fn or_fail(self) -> Result<Self::Value, Failure>;
}

impl<T, E: Into<BoxError>> OrFail for Result<T, E> {
    type Value = T;

    #[track_caller]
    fn or_fail(self) -> Result<T, Failure> {
        // Not map_err: a closure would not pass the caller's line on.
        match self {
            Ok(value) => Ok(value),
            Err(error) => Err(Failure::from_box(error.into(), Location::caller())),
        }
    }
}

mod sealed {
    pub trait Sealed {}
    impl<T, E> Sealed for Result<T, E> {}
}
