//! Awaits callback APIs, and runs async fns as callbacks: the bridge between
//! callback code and async fns on Tokio.
//!
//! A C library, a thread pool, a file watcher or a driver's thread calls back,
//! and an async fn wants to `.await` what comes. One call does it, from any
//! thread, with an error for each way in which it can go wrong:
//!
//! ```
//! use std::{io, thread};
//! use tokio_deferred::{Deferred, DeferredError};
//!
//! /// The API: it calls back on a thread of its own.
//! fn measure(on_done: impl FnOnce(io::Result<f64>) + Send + 'static) {
//!     thread::spawn(move || on_done(Ok(20.0)));
//! }
//!
//! /// The wrapper.
//! fn celsius() -> Deferred<f64> {
//!     Deferred::from_callback(|resolver| measure(resolver.into_fn()))
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), DeferredError> {
//!     assert_eq!(celsius().await?, 20.0);
//!     Ok(())
//! }
//! ```
//!
//! A [`Deferred<T>`](Deferred) is a result that is not there yet. It is a
//! [`Future`], and it takes callbacks and errbacks. Its other half, the
//! [`Resolver<T>`](Resolver), fires it. A callback that is never made is an error
//! ([`ResolverDropped`]), not a hang; an operation that can be stopped is stopped
//! by a cancel, a timeout or a drop; a failure that nobody looks at is reported.
//! Values, callbacks and futures are `Send + 'static`; [`local`] has the same
//! without `Send`. The names, and the order in which things happen, are those of
//! Twisted's `Deferred`, in Python.
//!
//! The [`guide`] begins with [Deferreds in ten minutes](guide::ten_minutes);
//! [Wrapping](guide::wrapping) has a recipe for each shape of callback API.
//!
//! # What else it is for
//!
//! **Putting a future into a callback chain.** It starts at once, and goes on
//! in a task only if it has to wait:
//!
//! ```
//! use tokio_deferred::{Deferred, testing};
//!
//! async fn port() -> Result<u16, std::num::ParseIntError> {
//!     "http".parse()
//! }
//!
//! let d = Deferred::from_coroutine(port())
//!     .map(|port| port + 1)
//!     .add_errback(|_failure| Ok(8007));
//! assert_eq!(testing::success_of(d), 8007);
//! ```
//!
//! **Moving callback code to async fns, one function at a time.** An async fn
//! gets the type of the callback-style function that it replaces, so its
//! callers stay as they are ([more](guide::migrating)):
//!
//! ```
//! use tokio_deferred::{Deferred, DeferredError, inline_callbacks, testing};
//!
//! fn price(item: &str) -> Deferred<u32> {
//!     Deferred::succeed(item.len() as u32 * 100)
//! }
//!
//! /// What was here before: `price(a).add_callback(|a| price(b).map(move |b| a + b))`.
//! #[inline_callbacks]
//! async fn total(a: &'static str, b: &'static str) -> Result<u32, DeferredError> {
//!     Ok(price(a).await? + price(b).await?)
//! }
//!
//! let line = total("mug", "teapot").map(|cents| format!("{cents} cents"));
//! assert_eq!(testing::success_of(line), "900 cents");
//! ```
//!
//! # When not to use it
//!
//! New code in which nothing calls back needs plain async fns: they are
//! shorter, borrow, and every Rust programmer reads them. For one value between
//! two tasks there is [`tokio::sync::oneshot`], for a stream of values
//! [`tokio::sync::mpsc`]. A fire runs its whole chain on the firing thread, so
//! stages that compute for long belong behind [`Deferred::via`] or into
//! [`threads`]. More of this in [Compared with](guide::comparison).
//!
//! # A map of the crate
//!
//! | for | there is |
//! |---|---|
//! | a result that will come | [`Deferred`], and [`Resolver`], which fires it |
//! | a resolver for each shape of callback API | [`Resolver::into_fn`] and its kin, [`SharedResolver`]; [`Started`]: what a start returns |
//! | what a callback may return | [`Outcome`]: a `Result`, a `Deferred`, or `()`; [`Recovery`] of an errback |
//! | an error in a chain | [`Failure`], [`Trapped`], [`Trace`]; [`OrFail`] for `anyhow` |
//! | an error at `.await` | [`DeferredError`] |
//! | async fns with the type of callback functions | [`#[inline_callbacks]`](macro@inline_callbacks), [`inline_callbacks`](inline_callbacks()), [`Deferred::from_coroutine`] |
//! | cancelling from elsewhere, by a drop, by a signal, in time | [`CancelHandle`], [`CancelOnDrop`], [`Deferred::cancel_when`], [`Deferred::add_timeout`] |
//! | holding a chain up | [`Pause`] |
//! | several results as one | [`join`](join()), [`gather_results`], [`DeferredList`], [`race`], [`map_with_concurrency`] |
//! | results one by one, as they come; replies by id | [`DeferredSet`]; [`ResolverMap`] |
//! | one result for several consumers; something that happens again | [`SharedDeferred`]; [`Event`] |
//! | limits, shared with async code | [`DeferredSemaphore`], [`DeferredLock`], [`DeferredQueue`], [`DeferredFilesystemLock`] |
//! | a callback that is called again and again | [`stream`] |
//! | waiting on a thread, without a runtime | [`Deferred::wait`], [`Deferred::wait_timeout`] |
//! | threads | [`threads`] |
//! | values and callbacks that are not `Send`, on any main loop | [`local`] |
//! | time and loops | [`task`] |
//! | who waits on whom, and why | [`debug`] |
//! | tests | [`testing`] |
//!
//! Only timers, threads, waits for a permit and coroutines that await something
//! else than Deferreds need a Tokio runtime. They use the one given, else the current one, else
//! that of [`set_default_runtime`].
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(missing_docs, missing_debug_implementations)]

#[macro_use]
mod sync;

// Ahead of the others, so that the pages begin with it. The blank line keeps it.
mod chain;

mod bridge;
#[allow(unsafe_code)] // The one module with `unsafe`; its head says why.
mod core;
pub mod debug;
mod failure;
#[cfg(tokio_deferred_break)]
#[doc(hidden)]
pub mod fault_injection;
pub mod guide;
pub mod local;
#[cfg(tokio_deferred_loom)]
mod models;
mod primitive;
pub mod stream;
pub mod task;
pub mod testing;
pub mod threads;

pub use bridge::{Job, JobDropped, inline_callbacks, set_default_runtime};

/// Makes an async fn a function of the callback style, which returns a
/// [`Deferred`]: Twisted's `@inlineCallbacks`.
///
/// `async fn f(a: A) -> Result<T, E>` becomes `fn f(a: A) -> Deferred<T>`, with
/// the same documentation, attributes, visibility, generics and `where`, in
/// modules, `impl` blocks and traits. So its callers do not notice whether it
/// is an async fn already. A call starts the body at once, on the calling
/// thread, as [`Deferred::from_coroutine`] does; the place that traces and
/// reports name is that of the call. Arguments live as long as the coroutine,
/// as in any async fn. `E` is any error that a [`BoxError`] can be made of.
///
/// A coroutine outlives the call that starts it, and so it owns what it works
/// on: `self` and `self: Arc<Self>` are fine, `&self` and other borrows are
/// refused, with words that say what to write.
///
/// | option | where the coroutine goes on after it had to wait |
/// |---|---|
/// | none | in a task of the current runtime, else of [the default one](set_default_runtime()) |
/// | `(on = handle)` | in a task of the runtime of `handle`, an expression that may use the arguments |
/// | `(inline)` | on the thread that fires what it awaits, as `Deferred::from_coroutine_inline` |
/// | `(local)` | on the thread that started it; it returns a `local::LocalDeferred`, and nothing in it needs `Send` |
///
/// `(crate = path)` names the library where it is not called `tokio_deferred`.
///
/// Attributes that look at the body, such as `#[tracing::instrument]`, stand
/// above this one.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use tokio_deferred::{Deferred, DeferredError, inline_callbacks, testing};
///
/// struct Shop {
///     vat: u32,
/// }
///
/// impl Shop {
///     fn price(&self, item: &str) -> Deferred<u32> {
///         Deferred::succeed(item.len() as u32 * 100)
///     }
///
///     /// Adds the prices of two things, and the tax.
///     #[inline_callbacks]
///     async fn total(self: Arc<Self>, a: String, b: String) -> Result<u32, DeferredError> {
///         let net = self.price(&a).await? + self.price(&b).await?;
///         Ok(net * (100 + self.vat) / 100)
///     }
/// }
///
/// let shop = Arc::new(Shop { vat: 20 });
/// let total: Deferred<u32> = shop.total("mug".to_owned(), "teapot".to_owned());
/// assert_eq!(testing::success_of(total), 1080);
/// ```
#[cfg(feature = "macros")]
#[cfg_attr(docsrs, doc(cfg(feature = "macros")))]
pub use tokio_deferred_macros::inline_callbacks;

/// What the expansion of the attribute names.
#[doc(hidden)]
pub mod __private {
    pub use crate::bridge::{CoroutineResult, clone_handle};
}

pub use chain::{
    CancelHandle, CancelOnDrop, CancelReason, Deferred, Outcome, Pause, Recovery, Resolver,
    SharedResolver, Started,
};
pub use failure::{
    AlreadyLocking, AlreadyTaken, BoxError, Cancelled, CannotBlock, DeferredError, DuplicateKey,
    Failure, FailureGroup, FirstError, NoRuntime, NoRuntimeKind, OrFail, PanicError, Place,
    PlaceKind, QueueClosed, QueueOverflow, QueueUnderflow, ResolverDropped, ReturnedItself,
    TimedOut, Trace, Trapped, Unhandled,
};
pub use primitive::{ConcurrentMap, JoinAll, SharedDeferred, join, map_with_concurrency};
pub use primitive::{DeferredFilesystemLock, FilesystemLockGuard, LockFileError};
pub use primitive::{
    DeferredList, DeferredLock, DeferredLockGuard, DeferredQueue, DeferredQueueStream,
    DeferredSemaphore, gather_results, race,
};
pub use primitive::{DeferredSet, Event, ResolverMap};

/// The README's examples, as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
