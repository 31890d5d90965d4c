//! Deferreds that stay on one thread: their values, callbacks and futures need
//! not be `Send`.
//!
//! A [`LocalDeferred`] and its [`LocalResolver`] have the names and the
//! semantics of [`Deferred`](crate::Deferred) and
//! [`Resolver`](crate::Resolver). They are for code that lives on a main loop:
//! glib, a GUI, a browser, an engine's frame loop, Tokio's `LocalSet`. The guide
//! has a chapter: [On a main loop](crate::guide::main_loop).
//!
//! - *Everything runs here.* Each stage, canceller and coroutine of a local
//!   chain runs on the thread where it was made, and there each value and each
//!   closure is dropped. Neither half can be sent, nor a handle, a pause or a
//!   future of it; the compiler checks that.
//! - *No runtime is needed* to make, fire, cancel and chain, nor for a
//!   coroutine that awaits local Deferreds only: who fires resumes it.
//! - *What comes from another thread* comes by value:
//!   [`Deferred::into_local`](crate::Deferred::into_local), a
//!   [`Deferred`](crate::Deferred) that a callback returns, or one that is
//!   awaited in a local coroutine. The other thread only wakes this thread's
//!   loop, which is the one of [`set_spawner`], else the current `LocalSet` or
//!   `LocalRuntime` of Tokio.
//!
//! # Examples
//!
//! ```
//! use std::cell::RefCell;
//! use std::rc::Rc;
//! use tokio_deferred::{Deferred, DeferredError, local::LocalDeferred};
//!
//! /// What only this thread may touch.
//! type Window = Rc<RefCell<Vec<String>>>;
//!
//! fn show(window: &Window, answer: LocalDeferred<Rc<str>>) -> LocalDeferred<()> {
//!     let window = window.clone();
//!     answer.map(move |text| window.borrow_mut().push(text.to_string()))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), DeferredError> {
//! # tokio::task::LocalSet::new().run_until(async {
//! let window = Window::default();
//! let (resolver, answer) = Deferred::<String>::new();
//! let shown = show(&window, answer.into_local().map(Rc::from));
//! std::thread::spawn(move || resolver.callback("hello".to_owned()));
//! shown.await?;
//! assert_eq!(*window.borrow(), ["hello"]);
//! # Ok(()) }).await }
//! ```
//!
//! # Why it is sound
//!
//! A local chain is a chain of `OnThread<T>`: the core's blocks,
//! records and results ask for `Send`, and that type is, whatever is in it.
//! What makes it sound is that no other thread ever gets to where it could run
//! or drop a part of such a chain. By name:
//!
//! - \[halves\] Every public type that refers to a local chain (the two halves,
//!   [`LocalCancelHandle`], [`LocalPause`], [`LocalCancelOnDrop`],
//!   [`LocalSharedDeferred`], [`LocalSharedResolver`], [`LocalDeferredList`]) is neither `Send` nor
//!   `Sync`, and so is every future and closure made of one. A fire, a cancel,
//!   an unpause, an appended stage and a drop all begin with one of them: so
//!   they happen here. The methods of public traits that take such a type apart
//!   ask for what only this module can make (`Unmark`, in `confined.rs`).
//! - \[closures\] Every value and every closure of the user's goes into a chain
//!   inside of an `OnThread`, and comes out of it where a stage runs or is
//!   dropped, which by \[halves\] is here.
//! - \[no link\] A local chain waits for local chains only, and only those end in
//!   it. A [`Deferred`](crate::Deferred) is never linked with one: it is
//!   awaited, and its result is moved.
//! - \[wakers\] What is given to other threads is a waker. It holds a flag and
//!   the waker of a task of the loop, and nothing of a chain or of a coroutine
//!   (\[two wakers\], in `coroutine.rs`; `remote.rs`). It may outlive the loop and the thread.
//! - \[await list\] A coroutine that is `Send` may be cancelled from any thread,
//!   and then cancels what it has polled. A local chain is not noted in its
//!   list (it could be polled there, out of a thread-local).
//! - \[timers\] A timeout of a local chain waits in a local coroutine. The
//!   library's own timers run their calls on threads of the runtime, and get
//!   nothing of a local chain.
//! - \[reports\] What debugging, traces, reports of unhandled failures and spans
//!   keep of a chain are places, names and [`Failure`](crate::Failure)s, whose
//!   errors are `Send`; no reference to the chain.
//! - \[put off\] What the library puts off (drops that nest deeply, coroutines
//!   that a fire resumes) is put off in thread-locals, and done by the same
//!   thread. While that thread ends, it is done at once.
//! - \[left alive\] A chain that is alive when its thread ends is in a
//!   thread-local, which that thread drops; or was leaked, and nobody drops it.
//!
//! Debug builds check the thread wherever a value or closure is put in, moved
//! out or dropped, and abort the process where it is another one.

mod cancel;
mod conclude;
mod confined;
mod construct;
mod coroutine;
mod deferred;
mod from_callback;
mod from_future;
mod group;
mod join;
mod limits;
mod outcome;
mod pause;
mod remote;
mod resolver;
mod share;
mod shared_resolver;
mod spawner;
mod stages;

pub use cancel::{LocalCancelHandle, LocalCancelOnDrop};
pub use deferred::LocalDeferred;
pub use from_callback::LocalStarted;
pub use group::{LocalDeferredList, gather_results, race};
pub use join::{LocalJoinAll, join};
pub use outcome::LocalOutcome;
pub use pause::LocalPause;
pub use resolver::LocalResolver;
pub use share::LocalSharedDeferred;
pub use shared_resolver::LocalSharedResolver;
pub use spawner::set_spawner;

pub(crate) use crate::core::OnThread;
