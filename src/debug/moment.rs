//! When something happened, where there is a clock.
//!
//! `wasm32-unknown-unknown` has none, and `Instant::now` panics there: all
//! durations are zero then.

use std::time::Duration;

const HAS_CLOCK: bool = !cfg!(all(target_family = "wasm", target_os = "unknown"));

/// A point in time.
#[derive(Clone, Copy)]
pub(super) struct Moment(Option<std::time::Instant>);

impl Moment {
    pub(super) fn now() -> Self {
        Moment(HAS_CLOCK.then(std::time::Instant::now))
    }

    /// How long ago it was.
    pub(super) fn elapsed(&self) -> Duration {
        self.0.map_or(Duration::ZERO, |at| at.elapsed())
    }
}
