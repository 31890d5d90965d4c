//! A cancel from outside that strikes one stretch of a chain and nothing after
//! it.
//!
//! A chain's handle cancels whatever the chain waits for; a timer's cancel must
//! not reach what a stage behind the timeout waits for. So the end of the
//! stretch and the strike agree who was first. By [`State`]:
//!
//! 1. `Waiting`: there is neither result nor strike. The first of them takes
//!    the handle.
//! 2. `Cancelling`: one thread cancels, under no lock. A result that comes on
//!    that thread is what the cancel made, and goes on. One that comes on
//!    another thread must not go on while the cancel may still find the chain:
//!    it is `Parked`, in a Deferred that no cancel reaches, and the cancelling
//!    thread lets it go on when it is through.
//! 3. `Postponed`: a stage of the stretch runs, so that there is nothing to
//!    cancel yet. When that run stops, the cancel is sent again, by the thread
//!    of the run. If the end of the stretch is part of that run, it finds this
//!    state: the strike came first, and its cancel is dropped unsent.
//! 4. `Struck`: the cancel is over, and its result is still to come.
//! 5. `Over`: nothing happens any more.
//!
//! The stretch's stage owns the limit, which owns a handle of its chain; the
//! first result or strike ends that circle, and every chain gets a result.

use crate::chain::{Deferred, Resolver};
use crate::core::{Attempt, CancelRequest, Delegate, Handle, Running};
use crate::failure::Failure;
use crate::sync::{Mutex, lock, thread};
use std::panic::Location;
use std::sync::Arc;

pub(crate) struct CancelScope<T, C> {
    state: Mutex<State<T, C>>,
    made: &'static Location<'static>,
}

enum State<T, C> {
    Waiting(Handle),
    Postponed(Handle, C, CancelRequest),
    Cancelling(thread::ThreadId, C),
    Parked(Result<T, Failure>, Resolver<T>),
    Struck(C),
    Over,
}

/// What a result found at the end of the stretch.
pub(crate) enum Met<T, C> {
    /// It came first.
    First(Result<T, Failure>),
    /// It came after the strike, for the cause given; `at_once` if the cancel
    /// itself brought it.
    Struck {
        result: Deferred<T>,
        cause: C,
        at_once: bool,
    },
}

/// A cancel that ends here.
struct Ignored;

impl Delegate for Ignored {
    fn cancel(self: Arc<Self>, _: CancelRequest) {}
}

impl<T: Send + 'static, C: Copy + Send + 'static> CancelScope<T, C> {
    /// A limit of the chain that `handle` cancels.
    pub(crate) fn new(handle: Handle, made: &'static Location<'static>) -> Arc<Self> {
        let state = Mutex::new(State::Waiting(handle));
        Arc::new(CancelScope { state, made })
    }

    /// Cancels the stretch, unless its result was there first. If a stage of it
    /// runs on another thread, or the strike comes from inside of that stage,
    /// the cancel is sent when the run stops.
    pub(crate) fn strike(self: &Arc<Self>, cause: C, request: CancelRequest) {
        let mut state = lock(&self.state);
        match std::mem::replace(&mut *state, State::Over) {
            State::Waiting(handle) => {
                *state = State::Cancelling(thread::current().id(), cause);
                drop(state);
                self.send(handle, cause, request);
            }
            other => *state = other,
        }
    }

    /// Sends a cancel that was postponed, unless the stretch has ended.
    fn strike_again(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        match std::mem::replace(&mut *state, State::Over) {
            State::Postponed(handle, cause, request) => {
                *state = State::Cancelling(thread::current().id(), cause);
                drop(state);
                self.send(handle, cause, request);
            }
            other => *state = other,
        }
    }

    /// Sends the cancel; the state is `Cancelling`, set by this thread.
    fn send(self: &Arc<Self>, handle: Handle, cause: C, request: CancelRequest) {
        match handle.attempt(request) {
            Attempt::Asked | Attempt::Ignored => self.sent(),
            Attempt::Late(late) => {
                late.give_up();
                self.sent();
            }
            Attempt::Running(stage) => self.postpone(handle, cause, stage),
        }
    }

    /// Lets a result go on that came while the cancel was under way.
    fn sent(&self) {
        let mut state = lock(&self.state);
        match std::mem::replace(&mut *state, State::Over) {
            State::Cancelling(_, cause) => *state = State::Struck(cause),
            State::Parked(result, resolver) => {
                drop(state);
                resolver.fire(result);
            }
            other => *state = other,
        }
    }

    /// Keeps the cancel until the run that the stage is in stops.
    fn postpone(self: &Arc<Self>, handle: Handle, cause: C, stage: Running) {
        let Running { chain, request, .. } = stage;
        let mut state = lock(&self.state);
        match std::mem::replace(&mut *state, State::Over) {
            State::Cancelling(..) => *state = State::Postponed(handle, cause, request),
            other => {
                // The result came meanwhile: there is nothing to cancel.
                *state = other;
                drop(state);
                request.give_up();
                return self.sent();
            }
        }
        drop(state);
        let again = |scope: Arc<Self>| -> Box<dyn FnOnce() + Send> {
            Box::new(move || scope.strike_again())
        };
        if let Err(scope) = chain.after_stage(self.clone(), again) {
            // The run has stopped already.
            scope.strike_again();
        }
    }

    /// Takes in the result at the end of the stretch, where nothing of it is
    /// left to cancel.
    pub(crate) fn meet(&self, result: Result<T, Failure>) -> Met<T, C> {
        let mut state = lock(&self.state);
        match std::mem::replace(&mut *state, State::Over) {
            State::Waiting(handle) => {
                drop(state);
                drop(handle);
                Met::First(result)
            }
            State::Cancelling(thread, cause) if thread == thread::current().id() => Met::Struck {
                result: Deferred::ready(result, self.made),
                cause,
                at_once: true,
            },
            State::Cancelling(_, cause) => {
                let (resolver, parked) = Deferred::with_delegate(self.made, Arc::new(Ignored));
                *state = State::Parked(result, resolver);
                Met::Struck {
                    result: parked,
                    cause,
                    at_once: false,
                }
            }
            State::Postponed(handle, cause, request) => {
                drop(state);
                drop(handle);
                request.give_up();
                Met::Struck {
                    result: Deferred::ready(result, self.made),
                    cause,
                    at_once: false,
                }
            }
            State::Struck(cause) => Met::Struck {
                result: Deferred::ready(result, self.made),
                cause,
                at_once: false,
            },
            State::Parked(..) | State::Over => unreachable!("a stretch has one result"),
        }
    }
}
