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
//! 1. The lane has a wait and its resolver until somebody settles it, by taking
//!    them out: the pump with what the future came to, a cancel, or the end of
//!    the runtime.
//! 2. A future is polled, and dropped by who cancels, under its own lock alone.
//!    What it comes to after a cancel is dropped: a permit goes on to the next
//!    waiter.
//! 3. A waker is woken under Tokio's locks. It takes the lock of the lane and
//!    no other, and drops nothing of the user's.
//! 4. A lane with waits has a pump, which ends when there is none left. The
//!    pump that is dropped before, by a runtime that shuts down, fails them.

use crate::bridge::find_runtime;
use crate::chain::{Deferred, Resolver};
use crate::core::{CancelRequest, Controller, OutputSink, PollErased, SharedFuture};
use crate::failure::{Failure, NoRuntime};
use crate::sync::{AtomicU64, AtomicUsize, Mutex, lock};
use std::collections::VecDeque;
use std::panic::Location;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use tokio::runtime::Id;
use tokio::task::coop::unconstrained;

/// What a future came to, as the result of a Deferred made there.
type Convert<O, T> = fn(O, &'static Location<'static>) -> Result<T, Failure>;

/// The lanes of one primitive, by runtime.
pub(super) struct Lanes<T> {
    /// The lane of the first runtime: mostly there is no other.
    first: OnceLock<Arc<Lane<T>>>,
    others: Mutex<Vec<Arc<Lane<T>>>>,
}

impl<T: Send + 'static> Lanes<T> {
    pub(super) fn new() -> Self {
        Lanes {
            first: OnceLock::new(),
            others: Mutex::new(Vec::new()),
        }
    }

    /// Makes a Deferred of `future`, which is one of Tokio's and runs no code
    /// of the user's; `convert` makes its output the Deferred's result.
    ///
    /// The Deferred is fired on a task of the current runtime.
    pub(super) fn wait<F>(
        &self,
        future: F,
        convert: Convert<F::Output, T>,
        what: &'static str,
        made: &'static Location<'static>,
    ) -> Deferred<T>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let runtime = match find_runtime(None) {
            Ok(runtime) => runtime,
            Err(none) => return Deferred::ready(Err(Failure::from_error(none, made)), made),
        };
        let spawn = |pump| drop(runtime.spawn(pump));
        self.wait_on(runtime.id(), spawn, future, convert, what, made)
    }

    /// The same; `spawn` begins a task on the runtime given.
    pub(super) fn wait_on<F>(
        &self,
        runtime: Id,
        spawn: impl FnOnce(Pump<T>),
        future: F,
        convert: Convert<F::Output, T>,
        what: &'static str,
        made: &'static Location<'static>,
    ) -> Deferred<T>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let wait = SharedFuture::new(
            // The caller's budget is not this future's, nor is the pump's.
            unconstrained(future),
            Wait {
                lane: self.of(runtime),
                index: AtomicUsize::new(0),
                number: AtomicU64::new(0),
                convert,
                made,
            },
        );
        let control = wait.control();
        let (resolver, d) = Deferred::with_delegate(made, wait.delegate());
        let d = d.fired_by(what);
        let (place, needs_pump) = control.lane.enter(resolver, wait.look(), made);
        control.set_place(place);
        // From here on it may be woken.
        if let Poll::Ready(output) = wait.poll() {
            control.ready(output);
        }
        if needs_pump {
            let lane = control.lane.clone();
            spawn(Pump { lane, over: false });
        }
        d
    }

    fn of(&self, runtime: Id) -> Arc<Lane<T>> {
        let first = self.first.get_or_init(|| Arc::new(Lane::new(runtime)));
        if first.runtime == runtime {
            return first.clone();
        }
        let mut others = lock(&self.others);
        if let Some(lane) = others.iter().find(|lane| lane.runtime == runtime) {
            return lane.clone();
        }
        // Those of runtimes that are gone are thrown out now and then.
        others.retain(|lane| !lane.is_idle());
        let lane = Arc::new(Lane::new(runtime));
        others.push(lane.clone());
        lane
    }
}

/// The waits for one primitive that are fired on one runtime.
struct Lane<T> {
    runtime: Id,
    state: Mutex<LaneState<T>>,
}

struct LaneState<T> {
    waits: Vec<Option<Waiter<T>>>,
    /// The indices in `waits` that are free.
    free: Vec<usize>,
    /// The next number.
    next: u64,
    /// Those that were woken, in order.
    woken: VecDeque<Place>,
    pump: PumpState,
}

/// A wait that is not take_if_ready.
struct Waiter<T> {
    number: u64,
    resolver: Resolver<T>,
    made: &'static Location<'static>,
    /// None while the pump polls it.
    future: Option<Arc<dyn PollErased>>,
}

/// Where a wait is; the number tells it from those that were there before.
#[derive(Clone, Copy)]
struct Place {
    index: usize,
    number: u64,
}

enum PumpState {
    None,
    /// It will look at the lane again by itself.
    Busy,
    Parked(Waker),
}

/// What a pump does next.
enum Next {
    PollErased(Place, Arc<dyn PollErased>),
    Park,
    End,
}

impl<T> LaneState<T> {
    fn new(next: u64) -> Self {
        LaneState {
            waits: Vec::new(),
            free: Vec::new(),
            next,
            woken: VecDeque::new(),
            pump: PumpState::None,
        }
    }

    /// Empties the lane; the numbers go on.
    fn reset(&mut self) -> Self {
        let next = self.next;
        std::mem::replace(self, LaneState::new(next))
    }

    fn is_empty(&self) -> bool {
        self.waits.len() == self.free.len()
    }

    fn get(&mut self, place: Place) -> Option<&mut Waiter<T>> {
        let waiter = self.waits.get_mut(place.index)?.as_mut()?;
        (waiter.number == place.number).then_some(waiter)
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

impl<T> Lane<T> {
    fn new(runtime: Id) -> Self {
        let state = Mutex::new(LaneState::new(0));
        Lane { runtime, state }
    }

    /// Takes a wait in; returns its place, and whether the caller must spawn a
    /// pump.
    fn enter(
        &self,
        resolver: Resolver<T>,
        future: Arc<dyn PollErased>,
        made: &'static Location<'static>,
    ) -> (Place, bool) {
        let mut state = lock(&self.state);
        let number = state.next;
        state.next += 1;
        let waiter = Some(Waiter {
            number,
            resolver,
            made,
            future: Some(future),
        });
        let index = match state.free.pop() {
            Some(index) => {
                state.waits[index] = waiter;
                index
            }
            None => {
                state.waits.push(waiter);
                state.waits.len() - 1
            }
        };
        let needs_pump = matches!(state.pump, PumpState::None);
        if needs_pump {
            state.pump = PumpState::Busy;
        }
        (Place { index, number }, needs_pump)
    }

    /// Settles a wait, unless it is; returns who is to be fired.
    fn settle(&self, place: Place) -> Option<Resolver<T>> {
        let mut state = lock(&self.state);
        state.get(place)?;
        let waiter = state.waits[place.index].take()?;
        state.free.push(place.index);
        let pump = if state.is_empty() {
            state.rouse()
        } else {
            None
        };
        drop(state);
        if let Some(pump) = pump {
            pump.wake();
        }
        // Here the future may be dropped, which is not in Tokio's queue any
        // more, or is cleared by who cancels.
        Some(waiter.resolver)
    }

    fn woken(&self, place: Place) {
        let mut state = lock(&self.state);
        state.woken.push_back(place);
        let pump = state.rouse();
        drop(state);
        if let Some(pump) = pump {
            pump.wake();
        }
    }

    /// By the pump.
    fn next(&self, cx: &Context<'_>) -> Next {
        let mut state = lock(&self.state);
        while let Some(place) = state.woken.pop_front() {
            let future = state.get(place).and_then(|waiter| waiter.future.take());
            if let Some(future) = future {
                return Next::PollErased(place, future);
            }
        }
        if state.is_empty() {
            // The memory of a long queue goes with it.
            state.reset();
            return Next::End;
        }
        state.pump = PumpState::Parked(cx.waker().clone());
        Next::Park
    }

    /// Takes a future back that was pending.
    fn put_back(&self, place: Place, future: Arc<dyn PollErased>) {
        let mut state = lock(&self.state);
        let mut future = Some(future);
        if let Some(waiter) = state.get(place) {
            std::mem::swap(&mut waiter.future, &mut future);
        }
        drop(state);
        drop(future);
    }

    fn is_idle(&self) -> bool {
        let state = lock(&self.state);
        state.is_empty() && matches!(state.pump, PumpState::None)
    }
}

/// How many waits a pump looks at before it lets other tasks run.
const BATCH: usize = 64;

/// The task that fires the Deferreds of a lane.
pub(super) struct Pump<T: Send + 'static> {
    lane: Arc<Lane<T>>,
    over: bool,
}

impl<T: Send + 'static> Future for Pump<T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..BATCH {
            match self.lane.next(cx) {
                Next::PollErased(place, future) => {
                    if let Some(pending) = future.look() {
                        self.lane.put_back(place, pending);
                    }
                }
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

impl<T: Send + 'static> Drop for Pump<T> {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let left = lock(&self.lane.state).reset();
        for waiter in left.waits.into_iter().flatten() {
            if let Some(future) = waiter.future {
                future.clear();
            }
            let failure = Failure::from_error(NoRuntime::new(), waiter.made);
            waiter.resolver.fire(Err(failure));
        }
    }
}

/// What a wait is, beside its future.
struct Wait<O, T> {
    lane: Arc<Lane<T>>,
    /// Its place. Stored before the future is polled and the Deferred given
    /// away: who wakes or cancels it comes after that.
    index: AtomicUsize,
    number: AtomicU64,
    convert: Convert<O, T>,
    made: &'static Location<'static>,
}

impl<O, T> Wait<O, T> {
    // ORDERING: Relaxed, here and below, as the field says.
    fn set_place(&self, place: Place) {
        self.index.store(place.index, Ordering::Relaxed);
        self.number.store(place.number, Ordering::Relaxed);
    }

    fn place(&self) -> Place {
        Place {
            index: self.index.load(Ordering::Relaxed),
            number: self.number.load(Ordering::Relaxed),
        }
    }
}

impl<O: Send + 'static, T: Send + 'static> Wait<O, T> {
    /// Ends the wait before its future is ready.
    fn fail(&self, clear: &dyn Fn(), failure: impl FnOnce() -> Failure) {
        if let Some(resolver) = self.lane.settle(self.place()) {
            // It leaves Tokio's queue; a permit that it got goes on.
            clear();
            resolver.fire(Err(failure()));
        }
    }
}

impl<O: Send + 'static, T: Send + 'static> Controller for Wait<O, T> {
    fn woken(&self) {
        self.lane.woken(self.place());
    }

    fn cancel(&self, request: CancelRequest, clear: &dyn Fn(), _: &dyn Fn() -> Waker) {
        self.fail(clear, || request.into_failure());
    }

    fn unseen(&self, clear: &dyn Fn()) {
        // It makes room for those behind it, who may ask for less.
        self.fail(clear, || Failure::unseen(self.made));
    }
}

impl<O: Send + 'static, T: Send + 'static> OutputSink<O> for Wait<O, T> {
    fn ready(&self, output: O) {
        // If it was cancelled, the output is dropped.
        let Some(resolver) = self.lane.settle(self.place()) else {
            return;
        };
        match (self.convert)(output, self.made) {
            // Nobody may ever see it: then it goes on as well.
            Ok(value) => drop(resolver.try_callback(value)),
            Err(failure) => resolver.fire(Err(failure)),
        }
    }
}
