//! Twisted's `Deferred` for Rust: a result that is not there yet, with a chain
//! of callbacks that will get it; and a future, so that any async fn can await
//! it.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod bridge;
mod chain;
#[allow(unsafe_code)] // The one module with `unsafe`; its head says why.
mod core;
pub mod debug;
mod failure;
mod primitive;
pub mod task;
pub mod testing;
pub mod threads;

pub use bridge::{CoroutineResult, JoinAll, inline_callbacks, join, set_default_runtime};
pub use chain::{CancelHandle, CancelOnDrop, Deferred, Outcome, Pause, Resolver};
pub use failure::{
    AlreadyLocking, AlreadyTaken, BoxError, Cancelled, DeferredError, Failure, FailureGroup,
    FirstError, NoRuntime, OrFail, PanicError, Place, PlaceKind, QueueOverflow, QueueUnderflow,
    ResolverDropped, TimedOut, Trace, Trapped, Unhandled,
};
pub use primitive::{ConcurrentMap, SharedDeferred, map_with_concurrency};
pub use primitive::{DeferredFilesystemLock, FilesystemLockGuard, LockFileError};
pub use primitive::{
    DeferredList, DeferredLock, DeferredQueue, DeferredSemaphore, gather_results, race,
};

/// The README's examples, as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
