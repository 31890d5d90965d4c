//! Counts how requests end, so that a lost one would show.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use tokio_deferred::DeferredError;

#[derive(Debug, Default)]
pub(crate) struct Tally {
    accepted: AtomicU64,
    answered: AtomicU64,
    failed: AtomicU64,
    timed_out: AtomicU64,
    gone: AtomicU64,
}

/// A snapshot; at rest, `accepted` is the sum of the next four.
#[derive(Debug, Serialize)]
pub(crate) struct Snapshot {
    accepted: u64,
    answered: u64,
    failed: u64,
    timed_out: u64,
    /// Clients that disconnected before they had an answer.
    gone: u64,
    pending: u64,
}

impl Tally {
    /// Counts a request that begins.
    pub(crate) fn enter(self: &Arc<Self>) -> Visit {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        Visit {
            tally: Arc::clone(self),
            ended: false,
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        // The ends are read before the beginnings, so that a request between
        // the two reads makes `pending` too large, never negative.
        let answered = self.answered.load(Ordering::Acquire);
        let failed = self.failed.load(Ordering::Acquire);
        let timed_out = self.timed_out.load(Ordering::Acquire);
        let gone = self.gone.load(Ordering::Acquire);
        let accepted = self.accepted.load(Ordering::Relaxed);
        Snapshot {
            accepted,
            answered,
            failed,
            timed_out,
            gone,
            pending: accepted - answered - failed - timed_out - gone,
        }
    }
}

/// One request; dropped before it ended, its client has gone.
pub(crate) struct Visit {
    tally: Arc<Tally>,
    ended: bool,
}

impl Visit {
    pub(crate) fn end<T>(mut self, result: &Result<T, DeferredError>) {
        let how = match result {
            Ok(_) => &self.tally.answered,
            Err(error) if error.is_timed_out() => &self.tally.timed_out,
            Err(_) => &self.tally.failed,
        };
        how.fetch_add(1, Ordering::Release);
        self.ended = true;
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if !self.ended {
            self.tally.gone.fetch_add(1, Ordering::Release);
        }
    }
}
