//! A cancel that asks an operation to stop, and leaves the result to it.
//!
//! Rules:
//!
//! - \[asks, decides nothing\] A cancel calls the function. The Deferred gets its
//!   result from its resolver alone.
//! - \[one call at a time\] Whoever takes the function out, under the lock, calls
//!   it, under no lock. A cancel that another thread sends meanwhile waits in the
//!   queue, and is made by the same thread, in order.
//! - \[no call inside a call\] A cancel from inside the function does nothing: the
//!   operation is being asked already.
//! - \[a panic ends it\] A function that panicked is not called again. Its panic is
//!   said through `tracing`, as it decides nothing.
//! - \[dropped by the fire\] A fire drops the function, or, if a call is under way,
//!   the thread that makes it does, after it.

use super::{Deferred, Resolver};
use crate::core::{CancelRequest, Delegate};
use crate::failure::{BoxError, catch_and_log};
use crate::sync::{Mutex, lock};
use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::thread::{self, ThreadId};

/// Why and where a cancel was asked for; see
/// [`Deferred::with_cancel_request`].
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
/// use tokio_deferred::Deferred;
///
/// let (tx, rx) = mpsc::channel();
/// let (resolver, d) = Deferred::<()>::with_cancel_request(move |why| {
///     tx.send((why.reason().map(ToString::to_string), why.at().file())).unwrap();
/// });
/// d.cancel_with("the user went away");
/// assert_eq!(rx.recv().unwrap(), (Some("the user went away".to_owned()), file!()));
/// # resolver.callback(());
/// ```
pub struct CancelReason {
    reason: Option<BoxError>,
    at: &'static Location<'static>,
}

impl CancelReason {
    /// Returns the reason that was given to `cancel_with`.
    #[must_use]
    pub fn reason(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.reason.as_deref()
    }

    /// Returns the line that cancelled.
    #[must_use]
    pub fn at(&self) -> &'static Location<'static> {
        self.at
    }
}

impl fmt::Debug for CancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelReason")
            .field("reason", &self.reason)
            .field("at", &format_args!("{}", self.at))
            .finish()
    }
}

type Ask = Box<dyn FnMut(&CancelReason) + Send>;

struct Request(Mutex<State>);

struct State {
    /// None while a thread calls it, and after a panic.
    ask: Option<Ask>,
    /// The thread that calls it.
    caller: Option<ThreadId>,
    /// The cancels that came meanwhile.
    queue: VecDeque<CancelReason>,
}

impl Delegate for Request {
    fn cancel(self: Arc<Self>, request: CancelRequest) {
        let CancelRequest { reason, at, .. } = request;
        let mut reason = CancelReason { reason, at };
        let mut ask = {
            let mut state = lock(&self.0);
            match state.ask.take() {
                Some(ask) => {
                    state.caller = Some(thread::current().id());
                    ask
                }
                // [no call inside a call], [a panic ends it]
                None if state.caller.is_none_or(|by| by == thread::current().id()) => {
                    drop(state);
                    give_up(reason);
                    return;
                }
                None => {
                    state.queue.push_back(reason);
                    return;
                }
            }
        };
        loop {
            let mut is_asked = false;
            catch_and_log("a function that a cancel calls", || {
                ask(&reason);
                is_asked = true;
            });
            give_up(reason);
            let mut state = lock(&self.0);
            if !is_asked {
                state.caller = None;
                let queue = std::mem::take(&mut state.queue);
                drop(state);
                catch_and_log("the drop of a function that a cancel calls", || drop(ask));
                queue.into_iter().for_each(give_up);
                return;
            }
            match state.queue.pop_front() {
                Some(next) => reason = next,
                None => {
                    state.caller = None;
                    state.ask = Some(ask);
                    return;
                }
            }
        }
    }
}

/// Drops the reason, which is a user's value.
fn give_up(reason: CancelReason) {
    catch_and_log("the drop of the reason of a cancel", || drop(reason));
}

/// # Making: with a cancel that asks
impl<T: Send + 'static> Deferred<T> {
    /// Makes a Deferred whose cancel calls `ask` and decides nothing: the result
    /// is the operation's own end, which its resolver brings.
    ///
    /// It suits operations that end in their own time after they were asked to
    /// stop: those that have to give a buffer back, to close a connection, or to
    /// roll back. [`cancel_and_wait`](Deferred::cancel_and_wait) asks and then
    /// awaits that end.
    ///
    /// `ask` runs on the thread that cancels, each time while the Deferred has no
    /// result, and never twice at once: a cancel that comes from another thread
    /// while it runs is made after it, by the same thread; one from inside of it
    /// does nothing. A panic in it is said through `tracing`, and it is not called
    /// again. It is dropped when the Deferred fires.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let (stop, stopped) = mpsc::channel();
    /// let (resolver, d) = Deferred::with_cancel_request(move |_why| stop.send(()).unwrap());
    /// assert!(d.cancel());
    /// stopped.recv().unwrap();
    /// testing::assert_no_result(&d); // it is asked to stop, and has not stopped yet
    /// resolver.callback("rolled back");
    /// assert_eq!(testing::success_of(d), "rolled back");
    /// ```
    #[track_caller]
    pub fn with_cancel_request(
        ask: impl FnMut(&CancelReason) + Send + 'static,
    ) -> (Resolver<T>, Deferred<T>) {
        let state = State {
            ask: Some(Box::new(ask)),
            caller: None,
            queue: VecDeque::new(),
        };
        Deferred::with_delegate(Location::caller(), Arc::new(Request(Mutex::new(state))))
    }
}
