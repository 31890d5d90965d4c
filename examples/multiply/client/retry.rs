//! Trying again.

use std::time::Duration;

use tokio_deferred::{Deferred, task};

use super::Error;

/// Calls `attempt` until it succeeds, fails for good, or has been called
/// `tries` times.
///
/// Whether to try again, and when, is for [`Error::pause_before_retry`] to say.
/// A failure of the last try is the source of [`Error::GaveUp`].
pub(crate) fn retry<T: Send + 'static>(
    tries: usize,
    attempt: impl Fn() -> Deferred<T> + Send + 'static,
) -> Deferred<T> {
    nth_try(1, tries, attempt)
}

fn nth_try<T: Send + 'static>(
    n: usize,
    tries: usize,
    attempt: impl Fn() -> Deferred<T> + Send + 'static,
) -> Deferred<T> {
    attempt().add_errback(move |failure| {
        let pause = failure.check().and_then(Error::pause_before_retry);
        match pause {
            None => Deferred::fail(failure),
            Some(_) if n == tries => Deferred::fail(Error::GaveUp {
                tries,
                last: failure.into(),
            }),
            Some(Duration::ZERO) => nth_try(n + 1, tries, attempt),
            Some(pause) => task::defer_later(pause, move || nth_try(n + 1, tries, attempt)),
        }
    })
}
