//! The calls that one thread has scheduled on one runtime, and the one Tokio
//! timer that they share.
//!
//! A call that is stopped in time, as that of a timeout nearly always is, costs
//! an entry in a heap: no task, and no timer. A thread finds its queues in a
//! thread-local, so the threads of a runtime share no lock, and neither do a
//! process and the one that it forks.
//!
//! Rules:
//!
//! - *\[armed at once\]* Whoever schedules a call registers the queue's timer with
//!   Tokio's timer wheel itself, before `schedule` returns. No task has to run
//!   for that, so a worker that blocks after it has scheduled a call holds up
//!   neither that call nor any other.
//! - *\[fired where the wheel turns\]* The queue is the waker of its timer. Tokio
//!   wakes it on a thread that has just turned the wheel and so does not block;
//!   there it spawns a task that takes what is due. The waker takes no lock: the
//!   timer may wake it while it is being polled.
//! - *\[a task each\]* Where several calls are due, each runs in a task of its own,
//!   so that one which blocks does not hold up the others.
//! - *\[called once\]* A call that was not stopped is called exactly once: when it
//!   is due, or with [`NoRuntime`] if its runtime shuts down before. The drops
//!   of [`ShutdownWatch`] and [`Due`] do the latter.
//! - *\[polled while open\]* The timer is polled under the lock, and only while the
//!   queue is open. A [`ShutdownWatch`], which is a task of the runtime, closes
//!   it. Tokio drops every task before it shuts its timers down, so no timer is
//!   polled after that, which would panic.
//! - *\[one life\]* A queue is open from the first call until its watch finds that
//!   there is none, and then closed for good. Closing drops the timer, which
//!   refers to the queue as its waker.
//! - *\[no lock over user code\]* Calls are made and dropped under no lock.

use super::call_heap::{CallHeap, Key};
use super::clock::{NoTimer, new_timer};
use crate::failure::NoRuntime;
use crate::sync::lock;
use std::cell::RefCell;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Wake, Waker};
use tokio::runtime::{Handle, Id};
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep};

pub(super) type Call = Box<dyn FnOnce(Result<(), NoRuntime>) + Send>;

thread_local! {
    /// This thread's queues, of which only those of runtimes that it schedules
    /// calls on are alive: mostly one.
    static QUEUES: RefCell<Vec<(Id, Weak<TimerQueue>)>> = const { RefCell::new(Vec::new()) };
}

pub(super) struct TimerQueue {
    runtime: Handle,
    state: Mutex<State>,
}

struct State {
    calls: CallHeap<Instant, Call>,
    /// None until a thread that has thread-locals was there to make one.
    timer: Option<Pin<Box<Sleep>>>,
    /// The deadline that the timer is registered for: the first one, or one
    /// before it, whose call was stopped.
    armed_for: Option<Instant>,
    /// Wakes the [`ShutdownWatch`], which ends an empty queue.
    watch: Option<Waker>,
    is_closed: bool,
}

/// A call that is due or will be.
#[derive(Clone)]
pub(crate) struct Scheduled {
    queue: Arc<TimerQueue>,
    key: Key,
}

impl TimerQueue {
    /// Calls `call` at `deadline` in a task of `runtime`, or with an error, and
    /// possibly before this returns, if there is no such task.
    pub(super) fn schedule(runtime: &Handle, deadline: Instant, call: Call) -> Scheduled {
        match Self::of_this_thread(runtime.id()) {
            Some(queue) => match queue.add(deadline, call) {
                Ok(key) => Scheduled { queue, key },
                Err(call) => Self::open(runtime, deadline, call),
            },
            None => Self::open(runtime, deadline, call),
        }
    }

    fn of_this_thread(runtime: Id) -> Option<Arc<Self>> {
        let find = |queues: &RefCell<Vec<(Id, Weak<Self>)>>| {
            let queues = queues.borrow();
            let (_, queue) = queues.iter().find(|(id, _)| *id == runtime)?;
            queue.upgrade()
        };
        QUEUES.try_with(find).ok().flatten()
    }

    /// Opens a queue with its first call.
    #[cold]
    fn open(runtime: &Handle, deadline: Instant, call: Call) -> Scheduled {
        // Without a timer the watch makes one, or says that there is none.
        let timer = new_timer(runtime, deadline).ok();
        let mut calls = CallHeap::default();
        let key = calls.push(deadline, call);
        let queue = Arc::new(TimerQueue {
            runtime: runtime.clone(),
            state: Mutex::new(State {
                calls,
                timer,
                armed_for: None,
                watch: None,
                is_closed: false,
            }),
        });
        let id = runtime.id();
        // On a thread that has no thread-locals the queue is for this call only.
        let _ = QUEUES.try_with(|queues| {
            let mut queues = queues.borrow_mut();
            queues.retain(|(other, queue)| *other != id && queue.strong_count() > 0);
            queues.push((id, Arc::downgrade(&queue)));
        });
        // [polled while open]: the watch is there before the first poll.
        runtime.spawn(ShutdownWatch {
            queue: queue.clone(),
            is_over: false,
        });
        let mut state = lock(&queue.state);
        let is_due = queue.arm(&mut state, deadline);
        drop(state);
        queue.wake_if(is_due);
        Scheduled { queue, key }
    }

    /// Adds a call; it comes back if the queue is closed.
    fn add(self: &Arc<Self>, deadline: Instant, call: Call) -> Result<Key, Call> {
        let mut state = lock(&self.state);
        if state.is_closed {
            return Err(call);
        }
        let key = state.calls.push(deadline, call);
        let is_due = self.arm(&mut state, deadline);
        drop(state);
        self.wake_if(is_due);
        Ok(key)
    }

    /// Registers the timer for `deadline`, unless it is for that or an earlier
    /// one; returns whether that is over already.
    ///
    /// The timer of a call that was stopped stays registered: the next call is
    /// often later, and then costs nothing.
    #[must_use]
    fn arm(self: &Arc<Self>, state: &mut State, deadline: Instant) -> bool {
        if state.is_closed || state.armed_for.is_some_and(|armed| armed <= deadline) {
            return false;
        }
        let Some(timer) = &mut state.timer else {
            return false;
        };
        state.armed_for = Some(deadline);
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        let waker = Waker::from(self.clone());
        // The budget of the task that is here has nothing to do with the timer.
        let timer = pin!(unconstrained(timer.as_mut()));
        timer.poll(&mut Context::from_waker(&waker)).is_ready()
    }

    fn wake_if(self: &Arc<Self>, is_due: bool) {
        if is_due {
            self.wake_by_ref();
        }
    }

    /// Registers the timer for the first call.
    #[must_use]
    fn arm_for_first(self: &Arc<Self>, state: &mut State) -> bool {
        match state.calls.first_deadline() {
            Some(deadline) => self.arm(state, deadline),
            None => false,
        }
    }

    /// Makes the calls that are due. By a task that the timer's wake spawned.
    fn make_calls(self: &Arc<Self>) {
        let now = Instant::now();
        let mut calls = Vec::new();
        let mut state = lock(&self.state);
        while let Some(call) = state.calls.pop_due(now) {
            calls.push(Due(Some(call)));
        }
        if state.timer.as_ref().is_some_and(|timer| timer.is_elapsed()) {
            state.armed_for = None;
        }
        let is_due = self.arm_for_first(&mut state);
        let watch = state.watch_if_empty();
        drop(state);
        self.wake_if(is_due);
        wake(watch);
        if calls.len() == 1 {
            // This is a task of its own.
            calls.into_iter().for_each(Due::call);
        } else {
            for due in calls {
                self.runtime.spawn(async move { due.call() });
            }
        }
    }

    /// Closes the queue, and makes the calls that are left, with an error.
    fn close(&self, none: NoRuntime) {
        let mut state = lock(&self.state);
        state.is_closed = true;
        let calls = std::mem::take(&mut state.calls);
        let timer = state.timer.take();
        let watch = state.watch.take();
        drop(state);
        drop((timer, watch));
        for call in calls.into_ordered() {
            call(Err(none));
        }
    }
}

impl Wake for TimerQueue {
    fn wake(self: Arc<Self>) {
        let runtime = self.runtime.clone();
        runtime.spawn(async move { self.make_calls() });
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.clone().wake();
    }
}

impl State {
    fn watch_if_empty(&self) -> Option<Waker> {
        self.calls.is_empty().then(|| self.watch.clone()).flatten()
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl Scheduled {
    /// Drops the call, unless it is due.
    pub(crate) fn stop(&self) {
        let mut state = lock(&self.queue.state);
        let call = state.calls.remove(self.key);
        let watch = state.watch_if_empty();
        drop(state);
        wake(watch);
        drop(call);
    }
}

/// The task that closes a queue: one that is empty, or whose runtime shuts
/// down, which drops the task.
struct ShutdownWatch {
    queue: Arc<TimerQueue>,
    is_over: bool,
}

impl Future for ShutdownWatch {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let queue = self.queue.clone();
        let mut state = lock(&queue.state);
        if state.calls.is_empty() {
            state.is_closed = true;
            let left = (state.timer.take(), state.watch.take());
            drop(state);
            drop(left);
            self.is_over = true;
            return Poll::Ready(());
        }
        if !matches!(&state.watch, Some(watch) if watch.will_wake(cx.waker())) {
            state.watch = Some(cx.waker().clone());
        }
        if state.timer.is_some() {
            return Poll::Pending;
        }
        // Made under no lock: where there is none, Tokio panics, and the
        // process's panic hook is the user's.
        drop(state);
        match new_timer(&queue.runtime, Instant::now()) {
            Ok(timer) => {
                let mut state = lock(&queue.state);
                state.timer.get_or_insert(timer);
                let is_due = queue.arm_for_first(&mut state);
                drop(state);
                queue.wake_if(is_due);
                Poll::Pending
            }
            Err(NoTimer::NoRuntime(none)) => {
                self.is_over = true;
                queue.close(none);
                Poll::Ready(())
            }
            Err(NoTimer::NoThreadLocals) => unreachable!("a runtime polls its tasks"),
        }
    }
}

impl Drop for ShutdownWatch {
    fn drop(&mut self) {
        if !self.is_over {
            self.queue.close(NoRuntime::shut_down());
        }
    }
}

/// A call that is to be made by its task, or else by its drop.
struct Due(Option<Call>);

impl Due {
    fn call(mut self) {
        if let Some(call) = self.0.take() {
            call(Ok(()));
        }
    }
}

impl Drop for Due {
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call(Err(NoRuntime::shut_down()));
        }
    }
}
