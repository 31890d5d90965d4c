//! The guide: how to use Deferreds, chapter by chapter.
//!
//! | chapter | for |
//! |---|---|
//! | [`ten_minutes`] | all: what a Deferred is, and how a chain runs |
//! | [`errors`] | failures, `?`, panics, and what nobody handled |
//! | [`cancelling`] | cancels, timeouts, and how a coroutine answers them |
//! | [`sharing_limits`] | semaphores, locks and queues for chains and async fns together |
//! | [`threads`] | blocking work, foreign threads, and which runtime is used |
//! | [`main_loop`] | callbacks and values that are not `Send`: GUIs, glib, `LocalSet`, a loop of your own |
//! | [`wrapping`] | making a callback API awaitable |
//! | [`streams`] | APIs that call back again and again |
//! | [`mistakes`] | what goes wrong, and what you will see then |
//! | [`migrating`] | moving callback code to async fns, one function at a time |
//! | [`from_twisted`] | every name of Twisted's, and what differs |
//! | [`debugging`] | traces, diagrams, and who waits on whom |
//! | [`comparison`] | what other tools do, and when to take them |
//! | [`compared_wrappers`] | seven callback APIs, wrapped with Deferreds and with `oneshot` |
//! | [`examples`] | programs on real sockets and real clients |
//!
//! The way through a chain, which most of it is about:
//!
//! ```
//! use tokio_deferred::{Deferred, testing};
//!
//! let (resolver, d) = Deferred::new();
//! let d = d
//!     .add_callback(|text: &str| Ok(text.parse::<u16>()?)) // on a value; fails here
//!     .map(|port| port + 1) // on a value: passed by
//!     .add_errback(|_failure| Ok(8007)) // on a failure: recovers
//!     .map(|port| format!("port {port}")); // on a value again
//! resolver.callback("http");
//! assert_eq!(testing::success_of(d), "port 8007");
//! ```

#[doc = include_str!("../docs/guide/ten_minutes.md")]
pub mod ten_minutes {}

#[doc = include_str!("../docs/guide/errors.md")]
pub mod errors {}

#[doc = include_str!("../docs/guide/cancelling.md")]
pub mod cancelling {}

#[doc = include_str!("../docs/guide/sharing_limits.md")]
pub mod sharing_limits {}

#[doc = include_str!("../docs/guide/threads.md")]
pub mod threads {}

#[doc = include_str!("../docs/guide/main_loop.md")]
pub mod main_loop {}

#[doc = include_str!("../docs/guide/wrapping.md")]
pub mod wrapping {}

#[doc = include_str!("../docs/guide/streams.md")]
pub mod streams {}

#[doc = include_str!("../docs/guide/mistakes.md")]
pub mod mistakes {}

#[doc = include_str!("../docs/guide/migrating.md")]
pub mod migrating {}

#[doc = include_str!("../docs/guide/from_twisted.md")]
pub mod from_twisted {}

#[doc = include_str!("../docs/guide/debugging.md")]
pub mod debugging {}

#[doc = include_str!("../docs/guide/comparison.md")]
pub mod comparison {}

#[doc = include_str!("../docs/guide/compared_wrappers.md")]
pub mod compared_wrappers {}

pub mod examples {
    //! Programs on real sockets and real clients, each with its commands and their
    //! output.
    //!
    //! They are in the repository's `examples` folder; each has `--help`. So has
    //! `poetry` there, the first command of the README.
    //!
    //! | program | shows |
    //! |---|---|
    //! | [`first_bridge`] | a callback API of one's own, awaited |
    //! | [`callbacks`] | rayon, a file watcher, SQLite and ctrl-c, awaited and cancelled |
    //! | [`migrate`] | one program in four stages, from callbacks to async fns |
    //! | [`multiply`] | a client with sessions, retries, a cache and limits |
    //! | [`factorial`] | an XML-RPC server and its client |
    //! | [`web`] | a web service around a thread of its own |
    //! | [`simulator`] | which way a result takes through a chain |
    //!
    //! All of them wait for Deferreds in one of two ways, by `.await` and by a
    //! stage:
    //!
    //! ```
    //! use tokio_deferred::{Deferred, DeferredError};
    //!
    //! #[tokio::main]
    //! async fn main() -> Result<(), DeferredError> {
    //!     let staged = Deferred::succeed(41).map(|n| n + 1);
    //!     assert_eq!(staged.await?, 42);
    //!     Ok(())
    //! }
    //! ```

    #[doc = include_str!("../docs/examples/first_bridge.md")]
    pub mod first_bridge {}

    #[doc = include_str!("../docs/examples/callbacks.md")]
    pub mod callbacks {}

    #[doc = include_str!("../docs/examples/migrate.md")]
    pub mod migrate {}

    #[doc = include_str!("../docs/examples/multiply.md")]
    pub mod multiply {}

    #[doc = include_str!("../docs/examples/factorial.md")]
    pub mod factorial {}

    // Its example needs axum: the package `examples/web` tests it.
    #[cfg_attr(not(doctest), doc = include_str!("../docs/examples/web.md"))]
    pub mod web {}

    /// # The simulator: what fires when
    #[doc = ""]
    #[doc = include_str!("../docs/examples/simulator.svg")]
    #[doc = ""]
    #[doc = include_str!("../docs/examples/simulator.md")]
    pub mod simulator {}
}
