//! Prints what arrived at an `.await`.

use std::any::type_name;
use std::error::Error;
use std::fmt::Display;

use tokio_deferred::DeferredError;

/// Prints a result; of an error, whether it is a cancel, an `E` or neither.
pub(crate) fn report<T: Display, E: Error + 'static>(
    what: &str,
    result: &Result<T, DeferredError>,
) {
    match result {
        Ok(value) => println!("{what}: {value}"),
        Err(error) if error.is_cancelled() => println!("{what}: cancelled"),
        Err(error) => match error.downcast_ref::<E>() {
            Some(own) => println!("{what}: {}: {own}", type_name::<E>()),
            None => println!("{what}: not an error of this API: {error:#}"),
        },
    }
}
