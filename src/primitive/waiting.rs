//! Waiting for one of Tokio's locks with a Deferred, without a task for each
//! waiter.
//!
//! A waiter is Tokio's own future, polled once when the wait begins: that is
//! what takes the place in Tokio's queue. The waiters of one primitive on one
//! runtime share a [`Lane`]: while it has any, one task, the [`Pump`], polls
//! those that were woken and fires their Deferreds there.
//!
//! Invariants:
//!
//! 1. Who takes the resolver out of a wait settles it: the pump with what the
//!    future came to, a cancel, or the end of the runtime. It is there exactly
//!    as long as the lane has the wait.
//! 2. The future is in the wait while that is idle; the pump takes it out to
//!    poll it. Who settles the wait drops it; if the pump has it, the pump
//!    does, and a permit that it got goes on to the next waiter.
//! 3. A waker is woken under Tokio's locks. It takes the lock of the lane and
//!    no other, and drops nothing of the user's.
//! 4. Locks are taken in this order: lanes, wait, Tokio's, lane. Futures are
//!    polled again and dropped, and Deferreds fired, under none of ours.
//! 5. A lane with waits has a pump, which ends when there is none left. The
//!    pump that is dropped before, by a runtime that shuts down, fails them.

use crate::bridge::find_runtime;
use crate::chain::{Deferred, Resolver};
use crate::core::{CancelRequest, Delegate};
use crate::failure::{Failure, NoRuntime, lock};
use futures::task::{ArcWake, waker_ref};
use std::collections::VecDeque;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use tokio::runtime::Id;
use tokio::task::coop::{Unconstrained, unconstrained};

/// The lanes of one primitive, by runtime.
#[derive(Default)]
pub(super) struct Lanes(Mutex<Vec<Arc<Lane>>>);

impl Lanes {
    /// Makes a Deferred of `future`, which is one of Tokio's and runs no code
    /// of the user's; `convert` makes its output the Deferred's result.
    ///
    /// The Deferred is fired on a task of the current runtime.
    pub(super) fn wait<F, T>(
        &self,
        future: F,
        convert: fn(F::Output, &'static Location<'static>) -> Result<T, Failure>,
        made: &'static Location<'static>,
    ) -> Deferred<T>
    where
        F: Future + Send + 'static,
        F::Output: Send,
        T: Send + 'static,
    {
        let runtime = match find_runtime(None) {
            Ok(runtime) => runtime,
            Err(none) => return Deferred::ready(Err(Failure::from_error(none, made)), made),
        };
        let lane = self.of(runtime.id());
        let wait = Arc::new(Wait {
            lane: lane.clone(),
            convert,
            made,
            parts: Mutex::new(Parts {
                future: None,
                resolver: None,
                place: 0,
            }),
        });
        let (resolver, d) = Deferred::with_delegate(made, wait.clone());
        let mut future = Box::pin(unconstrained(future));
        // A pump that finds the wait woken meanwhile stays out until it is
        // complete. The first poll wakes nobody: it has nothing to pass on.
        let mut parts = lock(&wait.parts);
        let polled = future
            .as_mut()
            .poll(&mut Context::from_waker(&waker_ref(&wait)));
        if let Poll::Ready(output) = polled {
            drop(parts);
            drop(future);
            resolver.fire(convert(output, made));
            return d;
        }
        parts.future = Some(future);
        parts.resolver = Some(resolver);
        let (place, needs_pump) = lane.enter(wait.clone());
        parts.place = place;
        drop(parts);
        if needs_pump {
            runtime.spawn(Pump { lane, over: false });
        }
        d
    }

    fn of(&self, runtime: Id) -> Arc<Lane> {
        let mut lanes = lock(&self.0);
        if let Some(lane) = lanes.iter().find(|lane| lane.runtime == runtime) {
            return lane.clone();
        }
        // Those of runtimes that are gone are thrown out now and then.
        lanes.retain(|lane| !lane.is_idle());
        let lane = Arc::new(Lane {
            runtime,
            state: Mutex::default(),
        });
        lanes.push(lane.clone());
        lane
    }
}

/// The waits for one primitive that are fired on one runtime.
struct Lane {
    runtime: Id,
    state: Mutex<LaneState>,
}

#[derive(Default)]
struct LaneState {
    waits: Vec<Option<Arc<dyn Waiting>>>,
    /// The places in `waits` that are free.
    free: Vec<usize>,
    /// Those that were woken, in order.
    woken: VecDeque<Arc<dyn Waiting>>,
    pump: PumpState,
}

#[derive(Default)]
enum PumpState {
    #[default]
    None,
    /// It will look at the lane again by itself.
    Busy,
    Parked(Waker),
}

/// What a pump does next.
enum Next {
    Look(Arc<dyn Waiting>),
    Park,
    End,
}

impl LaneState {
    fn is_empty(&self) -> bool {
        self.waits.len() == self.free.len()
    }

    /// Returns the pump's waker, if it has to be woken to look.
    fn rouse(&mut self) -> Option<Waker> {
        if !matches!(self.pump, PumpState::Parked(_)) {
            return None;
        }
        match std::mem::replace(&mut self.pump, PumpState::Busy) {
            PumpState::Parked(waker) => Some(waker),
            _ => None,
        }
    }
}

impl Lane {
    /// Takes `wait` in; returns its place, and whether the caller must spawn a
    /// pump.
    fn enter(&self, wait: Arc<dyn Waiting>) -> (usize, bool) {
        let mut state = lock(&self.state);
        let place = match state.free.pop() {
            Some(place) => {
                state.waits[place] = Some(wait);
                place
            }
            None => {
                state.waits.push(Some(wait));
                state.waits.len() - 1
            }
        };
        let needs_pump = matches!(state.pump, PumpState::None);
        if needs_pump {
            state.pump = PumpState::Busy;
        }
        (place, needs_pump)
    }

    /// Lets the settled `wait` go, if it is still here.
    fn leave(&self, place: usize, wait: *const ()) {
        let mut state = lock(&self.state);
        let found = state.waits.get_mut(place);
        let gone = found.and_then(|found| found.take_if(|found| is_same(found, wait)));
        if gone.is_some() {
            state.free.push(place);
        }
        let pump = if state.is_empty() {
            state.rouse()
        } else {
            None
        };
        drop(state);
        drop(gone);
        if let Some(pump) = pump {
            pump.wake();
        }
    }

    fn woken(&self, wait: Arc<dyn Waiting>) {
        let mut state = lock(&self.state);
        state.woken.push_back(wait);
        let pump = state.rouse();
        drop(state);
        if let Some(pump) = pump {
            pump.wake();
        }
    }

    fn next(&self, cx: &Context<'_>) -> Next {
        let mut state = lock(&self.state);
        if let Some(wait) = state.woken.pop_front() {
            return Next::Look(wait);
        }
        if state.is_empty() {
            // The memory of a long queue goes with it.
            *state = LaneState::default();
            return Next::End;
        }
        state.pump = PumpState::Parked(cx.waker().clone());
        Next::Park
    }

    fn is_idle(&self) -> bool {
        let state = lock(&self.state);
        state.is_empty() && matches!(state.pump, PumpState::None)
    }
}

fn is_same(wait: &Arc<dyn Waiting>, other: *const ()) -> bool {
    std::ptr::addr_eq(Arc::as_ptr(wait), other)
}

/// How many waits a pump looks at before it lets other tasks run.
const BATCH: usize = 64;

/// The task that fires the Deferreds of a lane.
struct Pump {
    lane: Arc<Lane>,
    over: bool,
}

impl Future for Pump {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..BATCH {
            match self.lane.next(cx) {
                Next::Look(wait) => wait.look(),
                Next::Park => return Poll::Pending,
                Next::End => {
                    self.over = true;
                    return Poll::Ready(());
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let left = std::mem::take(&mut *lock(&self.lane.state));
        for wait in left.waits.into_iter().flatten() {
            wait.fail(NoRuntime::new());
        }
    }
}

/// A wait, of whatever type.
trait Waiting: Send + Sync {
    /// Polls the future, which was woken. By the pump.
    fn look(self: Arc<Self>);
    /// Gives the wait up.
    fn fail(&self, why: NoRuntime);
}

struct Wait<F: Future, T> {
    lane: Arc<Lane>,
    convert: fn(F::Output, &'static Location<'static>) -> Result<T, Failure>,
    made: &'static Location<'static>,
    parts: Mutex<Parts<F, T>>,
}

struct Parts<F, T> {
    future: Option<Pin<Box<Unconstrained<F>>>>,
    resolver: Option<Resolver<T>>,
    place: usize,
}

impl<F, T> Wait<F, T>
where
    F: Future + Send + 'static,
    F::Output: Send,
    T: Send + 'static,
{
    /// Settles the wait: drops the future, which leaves Tokio's queue, and
    /// returns who is to be fired, unless somebody else settles it.
    fn settle(&self) -> Option<Resolver<T>> {
        let mut parts = lock(&self.parts);
        let resolver = parts.resolver.take()?;
        let (future, place) = (parts.future.take(), parts.place);
        drop(parts);
        drop(future);
        self.lane.leave(place, std::ptr::from_ref(self).cast());
        Some(resolver)
    }
}

impl<F, T> Waiting for Wait<F, T>
where
    F: Future + Send + 'static,
    F::Output: Send,
    T: Send + 'static,
{
    fn look(self: Arc<Self>) {
        let Some(mut future) = lock(&self.parts).future.take() else {
            return;
        };
        let polled = future
            .as_mut()
            .poll(&mut Context::from_waker(&waker_ref(&self)));
        let Poll::Ready(output) = polled else {
            let mut parts = lock(&self.parts);
            if parts.resolver.is_some() {
                parts.future = Some(future);
            }
            // Else it was cancelled, and the future is dropped after the lock.
            return;
        };
        drop(future);
        // If it was cancelled, the output is dropped, and its permit goes on.
        let Some(resolver) = self.settle() else {
            return;
        };
        match (self.convert)(output, self.made) {
            // Nobody may ever see it: then it goes on as well.
            Ok(value) => drop(resolver.try_callback(value)),
            Err(failure) => resolver.fire(Err(failure)),
        }
    }

    fn fail(&self, why: NoRuntime) {
        if let Some(resolver) = self.settle() {
            resolver.fire(Err(Failure::from_error(why, self.made)));
        }
    }
}

impl<F, T> ArcWake for Wait<F, T>
where
    F: Future + Send + 'static,
    F::Output: Send,
    T: Send + 'static,
{
    fn wake(self: Arc<Self>) {
        let lane = self.lane.clone();
        lane.woken(self);
    }

    fn wake_by_ref(this: &Arc<Self>) {
        this.clone().wake();
    }
}

impl<F, T> Delegate for Wait<F, T>
where
    F: Future + Send + 'static,
    F::Output: Send,
    T: Send + 'static,
{
    fn cancel(&self, request: CancelRequest) {
        if let Some(resolver) = self.settle() {
            resolver.fire(Err(request.into_failure()));
        }
    }

    fn unseen(&self) {
        // It makes room for those behind it, who may ask for less.
        if let Some(resolver) = self.settle() {
            resolver.fire(Err(Failure::unseen(self.made)));
        }
    }
}
