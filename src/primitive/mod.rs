//! What is built of Deferreds: lists, races, bounded maps, shared results.
//!
//! Nothing here reaches into a chain: a primitive ends its children with a
//! function, cancels them through handles, and fires a Deferred of its own.

mod cancel_scope;
mod cancel_when;
mod concurrency;
mod event;
mod filesystem_lock;
mod gather;
mod group;
mod join;
mod line;
mod list;
mod lock;
#[cfg(all(test, tokio_deferred_loom))]
mod models;
mod queue;
mod queue_stream;
mod race;
mod resolver_map;
mod runner;
mod semaphore;
mod set;
mod share;
mod tasks;
mod timeout;
mod wait_queue;

pub(crate) use cancel_scope::{CancelScope, Met};
pub use concurrency::{ConcurrentMap, map_with_concurrency};
pub use event::Event;
pub use filesystem_lock::{DeferredFilesystemLock, FilesystemLockGuard, LockFileError};
pub use gather::gather_results;
pub use join::{JoinAll, join};
pub use list::DeferredList;
pub use lock::{DeferredLock, DeferredLockGuard};
pub use queue::DeferredQueue;
pub use queue_stream::DeferredQueueStream;
pub use race::race;
pub use resolver_map::ResolverMap;
pub use semaphore::DeferredSemaphore;
pub use set::DeferredSet;
pub use share::SharedDeferred;
pub(crate) use timeout::Strike;

use crate::bridge::note_work;
use crate::chain::{Deferred, Outcome};
use std::panic::Location;
use std::sync::{Arc, Mutex};

/// Runs `job` once `acquired` has what it asked for, which is released when
/// the job's outcome is known, before the stages that follow. If the job started
/// work that cannot be stopped, and is cancelled, it is released when that work
/// is over.
#[track_caller]
fn run_holding<G, R>(
    acquired: Deferred<G>,
    job: impl FnOnce() -> R + Send + 'static,
) -> Deferred<R::Output>
where
    G: Send + 'static,
    R: Outcome,
{
    let made = Location::caller();
    acquired.add_callback(move |guard| {
        // A job that panics unwinds through the guard.
        let (outcome, work) = note_work(job);
        let outcome = outcome.into_deferred(made);
        #[cfg(tokio_deferred_break)]
        let guard = crate::fault_injection::lose_permit(guard);
        if work.is_empty() {
            return outcome.finally(move || drop(guard));
        }
        // The last of them that is over releases it.
        let guard = Arc::new(Mutex::new(guard));
        for work in work {
            work.hold(guard.clone());
        }
        outcome.finally(move || drop(guard))
    })
}
