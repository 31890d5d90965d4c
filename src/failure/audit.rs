//! What a strict test collects, on all threads: see
//! [`testing::Strict`](crate::testing::Strict).

use super::Unhandled;
use crate::sync::lock;
use std::sync::Mutex;

static FOUND: Mutex<Option<Vec<String>>> = Mutex::new(None);

/// Begins to collect, or throws away what was collected up to now.
pub(crate) fn start() {
    *lock(&FOUND) = Some(Vec::new());
}

/// Returns what was found up to now.
pub(crate) fn found() -> Vec<String> {
    lock(&FOUND).clone().unwrap_or_default()
}

/// Ends the collecting.
pub(crate) fn stop() {
    *lock(&FOUND) = None;
}

pub(super) fn unhandled(report: &Unhandled) {
    note(|| format!("{report:?}"));
}

/// Notes what `text` says, if anything is collected. `text` is called under no
/// lock: it may print an error, which is a user's.
pub(crate) fn note(text: impl FnOnce() -> String) {
    if lock(&FOUND).is_none() {
        return;
    }
    let text = text();
    if let Some(found) = &mut *lock(&FOUND) {
        found.push(text);
    }
}
