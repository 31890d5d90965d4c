//! The bridge between callbacks and async fns: futures as Deferreds, async
//! fns as functions of the callback style, and the runtime they go on in.
//!
//! Invariants:
//!
//! 1. A future is polled once on the caller's thread before any task exists;
//!    what is ready needs no runtime.
//! 2. A coroutine that waits goes on in a task, or inside the fires of what it
//!    awaits: always where there is no runtime, and where that was asked for.
//! 3. A missing runtime is a failure with [`NoRuntime`](crate::NoRuntime),
//!    never a panic.

mod adopt;
mod blocking;
mod convert;
mod coroutine;
mod failed_start;
mod failing_at;
mod from_future;
mod inline_callbacks;
#[cfg(all(test, tokio_deferred_loom))]
mod models;
mod poll_on_wake;
mod runtime;
mod spawn;
mod unstoppable;
mod via;
mod wait;

pub(crate) use adopt::{Adopted, offering};
pub(crate) use blocking::may_block;
pub(crate) use convert::task_failure;
pub(crate) use failed_start::{deliver_failure, fail_start, failed_start};
pub use inline_callbacks::{CoroutineResult, clone_handle, inline_callbacks};
pub(crate) use poll_on_wake::run_each;
pub use runtime::set_default_runtime;
pub(crate) use runtime::{enter, find_runtime, runtime_to_enter, spawn_or};
pub(crate) use unstoppable::{Work, WorkGuard, note_work};
pub use via::{Job, JobDropped};
