//! Collects the library's reports of failures that nobody handled.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Mutex, Once, PoisonError};

use tokio_deferred::debug;

use super::program::Id;
use super::value::name_of;

thread_local! {
    /// Present while a program runs on this thread. A program and its tasks
    /// never leave their thread, so reports are told apart by it.
    static REPORTS: RefCell<Option<Vec<(Id, String)>>> = const { RefCell::new(None) };
}

/// Receives the reports of this thread until it is dropped.
pub(super) struct Reports(());

impl Reports {
    pub(super) fn listen() -> Reports {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            debug::set_unhandled_hook(|report| {
                let id = report.label().and_then(|label| label.parse().ok());
                // What the library makes on its own has no label.
                let Some(id) = id else { return };
                let name = name_of(report.failure());
                REPORTS.with_borrow_mut(|reports| {
                    if let Some(reports) = reports {
                        reports.push((id, name));
                    }
                });
            });
        });
        REPORTS.set(Some(Vec::new()));
        Reports(())
    }

    /// Takes the reports that came since the last call, sorted by id.
    pub(super) fn take(&self) -> Vec<(Id, String)> {
        let mut reports = REPORTS
            .with_borrow_mut(|reports| reports.as_mut().map(std::mem::take))
            .unwrap_or_default();
        reports.sort();
        reports
    }
}

impl Drop for Reports {
    fn drop(&mut self) {
        REPORTS.set(None);
    }
}

/// The label of the deferred `id`, which its report carries.
///
/// Labels live as long as the process; there is one for each number that any
/// program uses.
pub(super) fn label(id: Id) -> &'static str {
    static LABELS: Mutex<BTreeMap<Id, &'static str>> = Mutex::new(BTreeMap::new());
    let mut labels = LABELS.lock().unwrap_or_else(PoisonError::into_inner);
    labels.entry(id).or_insert_with(|| id.to_string().leak())
}
