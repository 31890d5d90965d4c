//! Stages that hold up the thread that fires them.

use crate::core::Watch;
use crate::failure::brief;
use crate::sync::HintU64;
use std::panic::Location;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The limit in nanoseconds; `u64::MAX` is none.
static LIMIT: HintU64 = HintU64::new(u64::MAX);

/// Reports each stage that runs for longer than `limit`, once it is over, and
/// returns the limit that was set before; with `None`, reports none.
///
/// A stage runs on the thread that fires its Deferred, and whoever fires waits
/// for it: a stage that blocks holds up a driver, an event loop or a worker of
/// Tokio's. The report is a `tracing` event of level `WARN`, with the target
/// `tokio_deferred::slow_stage`, on the thread that ran the stage. It is about
/// Deferreds that were made while [debugging](super::set_debugging) was on. A
/// stage that never ends makes no report; [`pending`](super::pending()) shows
/// it while it runs.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tokio_deferred::debug;
///
/// assert_eq!(debug::set_slow_stage(Some(Duration::from_millis(50))), None);
/// assert_eq!(debug::set_slow_stage(None), Some(Duration::from_millis(50)));
/// ```
pub fn set_slow_stage(limit: Option<Duration>) -> Option<Duration> {
    let nanos = limit.map_or(u64::MAX, |limit| {
        u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX)
    });
    // ORDERING: Relaxed: a setting, which says nothing about other memory.
    match LIMIT.swap(nanos, Ordering::Relaxed) {
        u64::MAX => None,
        old => Some(Duration::from_nanos(old)),
    }
}

/// Reports the stage if it took too long.
pub(super) fn check(
    name: &'static str,
    at: &'static Location<'static>,
    took: Duration,
    chain: &dyn Watch,
) {
    // ORDERING: Relaxed, as in `set_slow_stage`.
    let limit = LIMIT.load(Ordering::Relaxed);
    if limit == u64::MAX || took.as_nanos() <= u128::from(limit) {
        return;
    }
    tracing::warn!(
        target: "tokio_deferred::slow_stage",
        stage = brief(name).to_string(),
        added_at = %at,
        took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        deferred = chain.id(),
        "a stage held up the thread that ran it",
    );
}
