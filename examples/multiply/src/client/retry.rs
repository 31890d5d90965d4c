//! Trying again.

use std::time::Duration;

use tokio_deferred::{Deferred, task};

use super::Error;

/// Which failures are worth another try, and how often.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    pub(crate) tries: usize,
    /// How long to wait before the next try; `None` if it would be of no use.
    pub(crate) pause: fn(&Error) -> Option<Duration>,
}

/// Calls `attempt` until it succeeds, fails for good, or has been tried as
/// often as `policy` allows; [`Error::GaveUp`] then has the last failure.
pub(crate) fn retry<T: Send + 'static>(
    policy: Policy,
    attempt: impl Fn() -> Deferred<T> + Send + 'static,
) -> Deferred<T> {
    nth_try(1, policy, attempt)
}

fn nth_try<T: Send + 'static>(
    n: usize,
    policy: Policy,
    attempt: impl Fn() -> Deferred<T> + Send + 'static,
) -> Deferred<T> {
    attempt().add_errback(move |failure| {
        let pause = failure.check().and_then(policy.pause);
        match pause {
            None => Deferred::fail(failure),
            Some(_) if n >= policy.tries => Deferred::fail(Error::GaveUp {
                tries: n,
                last: failure.into(),
            }),
            Some(Duration::ZERO) => nth_try(n + 1, policy, attempt),
            Some(pause) => task::defer_later(pause, move || nth_try(n + 1, policy, attempt)),
        }
    })
}
