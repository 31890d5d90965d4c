//! Waiting for one of Tokio's locks with a Deferred, without a task for each
//! waiter.
//!
//! A waiter is Tokio's own future, polled once when the wait begins: that is
//! what takes the place in Tokio's queue. A waker may be called inside of any
//! release, and Tokio calls some of them under its locks, so a wake runs no
//! code of the user's: it puts the waiter on the list of those that were woken,
//! and sees to it that a runner, which is a task, comes and
//! fires it. The waiters of one primitive on one runtime share a [`Lane`], and
//! with it the runners.
//!
//! What was tried beside this, with ten thousand jobs that each wait once inside
//! of a semaphore of ten, in instructions a job: a coroutine, and so a task, for
//! each waiter takes 10,300; one task for all waiters takes 7,200, but a worker
//! that is blocked, by the code that woke the task or by a callback, then holds
//! up every waiter; runners that go on as the coroutines that they start take
//! 6,450, and no waiter depends on one of them.
//!
//! Rules:
//!
//! - **[one taker]** A wait and its resolver are in the lane until a thread
//!   takes both out: a runner with what the future came to, a cancel, or the
//!   end of the runtime. The taker fires the resolver.
//! - **[turns]** A future is polled by the runner that took it from its waiter,
//!   which puts it back if it is pending. A wake meanwhile is noted in the
//!   waiter, and the runner looks again. A cancel drops the future in place,
//!   in turn with the poll. What the future came to after a cancel is dropped:
//!   so a permit goes on to the next waiter.
//! - **[wakes]** A waker takes the lock of the lane and no other, fires nothing,
//!   and drops nothing of the user's.
//! - **[alive]** A lane with waits has a runner that lives. A runner that a
//!   runtime drops fails all waits of its lane, as that runtime is ending.

use super::runner::{Call, Host, Runners};
use crate::bridge::{failed_start, find_runtime};
use crate::chain::{Deferred, Resolver};
use crate::core::{CancelRequest, Controller, OutputSink, PollErased, SharedFuture};
use crate::failure::{Failure, NoRuntime};
use crate::sync::{AtomicU64, AtomicUsize, Mutex, lock};
use std::collections::VecDeque;
use std::panic::Location;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use tokio::runtime::Id;
use tokio::task::coop::{Unconstrained, unconstrained};

/// Makes a future's output the result of a Deferred that was made there.
type Convert<O, T> = fn(O, &'static Location<'static>) -> Result<T, Failure>;

/// The lanes of one primitive, by runtime.
pub(super) struct Lanes<T: Send + 'static> {
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
    /// A task of the current runtime, else of the default one, fires the
    /// Deferred.
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
        match find_runtime(None) {
            Ok(runtime) => {
                let host = || Host::new(runtime.clone());
                self.wait_on(runtime.id(), host, future, convert, what, made)
            }
            Err(none) => failed_start(Failure::from_error(none, made), made),
        }
    }

    /// The same, on the runtime given; `host` says how its tasks are made.
    pub(super) fn wait_on<F>(
        &self,
        runtime: Id,
        host: impl FnOnce() -> Host<T>,
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
            // The caller's budget is not this future's, nor is the runner's.
            unconstrained(future),
            (),
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
        let (place, call) = control.lane.enter(resolver, wait.look(), made, host);
        control.set_place(place);
        // From here on it may be woken.
        if let Poll::Ready(output) = wait.poll() {
            OutputSink::<Unconstrained<F>>::ready(control, output);
        }
        // Where the runtime refuses the task, its drop fails the wait here.
        call.make(&control.lane);
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
pub(super) struct Lane<T: Send + 'static> {
    pub(super) runtime: Id,
    state: Mutex<LaneState<T>>,
}

struct LaneState<T: Send + 'static> {
    waits: Vec<Option<Waiter<T>>>,
    /// The indices in `waits` that are free.
    free: Vec<usize>,
    /// The number of the next wait.
    next: u64,
    /// Those that were woken, in order.
    woken: VecDeque<Place>,
    runners: Runners<T>,
}

/// A wait that nobody took out.
struct Waiter<T> {
    number: u64,
    resolver: Resolver<T>,
    made: &'static Location<'static>,
    /// None while a runner polls it.
    future: Option<Arc<dyn PollErased>>,
    /// It was woken, and is on the list, or will be when the runner that polls
    /// it puts it back.
    woken: bool,
}

/// Where a wait is; the number tells it from those that were there before.
#[derive(Clone, Copy)]
pub(super) struct Place {
    index: usize,
    number: u64,
}

/// What a runner does next.
pub(super) enum Next<T: Send + 'static> {
    /// It polls this one, after it made the call.
    Poll {
        place: Place,
        future: Arc<dyn PollErased>,
        call: Call<T>,
        /// There are more on the list.
        more: bool,
    },
    Park,
    /// It ends, and wakes this one to do so as well.
    End(Option<Waker>),
}

impl<T: Send + 'static> LaneState<T> {
    fn is_empty(&self) -> bool {
        self.waits.len() == self.free.len()
    }

    fn get(&mut self, place: Place) -> Option<&mut Waiter<T>> {
        let waiter = self.waits.get_mut(place.index)?.as_mut()?;
        (waiter.number == place.number).then_some(waiter)
    }
}

impl<T: Send + 'static> Lane<T> {
    fn new(runtime: Id) -> Self {
        let state = Mutex::new(LaneState {
            waits: Vec::new(),
            free: Vec::new(),
            next: 0,
            woken: VecDeque::new(),
            runners: Runners::new(),
        });
        Lane { runtime, state }
    }

    /// Takes a wait in; returns its place, and the call that the caller makes.
    fn enter(
        &self,
        resolver: Resolver<T>,
        future: Arc<dyn PollErased>,
        made: &'static Location<'static>,
        host: impl FnOnce() -> Host<T>,
    ) -> (Place, Call<T>) {
        let mut state = lock(&self.state);
        let number = state.next;
        state.next += 1;
        let waiter = Some(Waiter {
            number,
            resolver,
            made,
            future: Some(future),
            woken: false,
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
        let call = state.runners.first(host);
        (Place { index, number }, call)
    }

    /// Takes a wait out, unless another thread did; returns what is to be fired.
    fn settle(&self, place: Place) -> Option<Resolver<T>> {
        let mut state = lock(&self.state);
        state.get(place)?;
        let waiter = state.waits[place.index].take()?;
        state.free.push(place.index);
        let last = if state.is_empty() {
            state.runners.unpark()
        } else {
            None
        };
        drop(state);
        if let Some(last) = last {
            last.wake();
        }
        // Here the future may be dropped, which is not in Tokio's queue any
        // more, or is cleared by the thread that cancels.
        Some(waiter.resolver)
    }

    /// By the waker of a wait.
    fn woken(self: &Arc<Self>, place: Place) {
        let mut state = lock(&self.state);
        let Some(waiter) = state.get(place) else {
            return;
        };
        if std::mem::replace(&mut waiter.woken, true) || waiter.future.is_none() {
            return;
        }
        state.woken.push_back(place);
        let waiting = state.woken.len();
        let call = state.runners.call(self.address(), waiting);
        drop(state);
        call.make_in_a_wake(self);
    }

    /// By a runner that begins to look at the lane.
    pub(super) fn begin(&self, runner: u64) {
        lock(&self.state).runners.begin(runner);
    }

    /// By a runner that has nothing to do.
    pub(super) fn next(&self, runner: u64, cx: &Context<'_>) -> Next<T> {
        let mut state = lock(&self.state);
        while let Some(place) = state.woken.pop_front() {
            let Some(waiter) = state.get(place) else {
                continue;
            };
            waiter.woken = false;
            if let Some(future) = waiter.future.take() {
                let more = !state.woken.is_empty();
                let call = state.runners.beside(more);
                return Next::Poll {
                    place,
                    future,
                    call,
                    more,
                };
            }
        }
        if state.is_empty() {
            let last = state.runners.end();
            if state.runners.is_empty() {
                // The memory of a long queue goes with it.
                state.waits = Vec::new();
                state.free = Vec::new();
                state.woken = VecDeque::new();
            }
            return Next::End(last);
        }
        if state.runners.park(runner, cx.waker()) {
            Next::Park
        } else {
            Next::End(None)
        }
    }

    /// Takes a future back that was pending.
    pub(super) fn put_back(&self, place: Place, future: Arc<dyn PollErased>) {
        let mut state = lock(&self.state);
        let mut future = Some(future);
        if let Some(waiter) = state.get(place) {
            std::mem::swap(&mut waiter.future, &mut future);
            if waiter.woken {
                state.woken.push_back(place);
            }
        }
        drop(state);
        drop(future);
    }

    /// By a runner that goes away for a while: `again`, if it was told to come
    /// back. Another one comes, if there is something to do.
    pub(super) fn leave(self: &Arc<Self>, runner: u64, again: bool) {
        let mut state = lock(&self.state);
        let more = !state.woken.is_empty();
        let call = state.runners.leave(runner, again, more);
        drop(state);
        call.make_in_a_wake(self);
    }

    /// By a runner that is dropped. If its runtime is ending, all waits fail.
    pub(super) fn dropped(&self, runner: u64, refused: bool) {
        let mut state = lock(&self.state);
        state.runners.dropped(runner);
        if refused {
            // [alive]: another one lives, and will be dropped as well; here we
            // are inside of a wake.
            return;
        }
        let waits = std::mem::take(&mut state.waits);
        state.free = Vec::new();
        state.woken = VecDeque::new();
        drop(state);
        for waiter in waits.into_iter().flatten() {
            if let Some(future) = waiter.future {
                future.clear();
            }
            let failure = Failure::from_error(NoRuntime::shut_down(), waiter.made);
            waiter.resolver.fire(Err(failure));
        }
    }

    /// Which lane this is, among those that live.
    pub(super) fn address(self: &Arc<Self>) -> usize {
        Arc::as_ptr(self).addr()
    }

    fn is_idle(&self) -> bool {
        let state = lock(&self.state);
        state.is_empty() && state.runners.is_empty()
    }
}

/// What a wait is, beside its future.
struct Wait<O, T: Send + 'static> {
    lane: Arc<Lane<T>>,
    /// Its place. Stored before the future is polled and the Deferred given
    /// away: a wake or a cancel comes after that.
    index: AtomicUsize,
    number: AtomicU64,
    convert: Convert<O, T>,
    made: &'static Location<'static>,
}

impl<O, T: Send + 'static> Wait<O, T> {
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

impl<F, T> Controller<F> for Wait<F::Output, T>
where
    F: Future<Output: Send + 'static> + Send + 'static,
    T: Send + 'static,
{
    type Local = ();

    fn woken(co: SharedFuture<F, Self>) {
        let wait = co.control();
        wait.lane.woken(wait.place());
    }

    fn cancel(co: SharedFuture<F, Self>, request: CancelRequest) {
        let clear = || co.turn().clear();
        co.control().fail(&clear, || request.into_failure());
    }

    fn unseen(&self, clear: &dyn Fn()) {
        // It makes room for those behind it, who may ask for less.
        self.fail(clear, || Failure::unseen(self.made));
    }
}

impl<F, T> OutputSink<F> for Wait<F::Output, T>
where
    F: Future<Output: Send + 'static> + Send + 'static,
    T: Send + 'static,
{
    fn ready(&self, output: F::Output) {
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
