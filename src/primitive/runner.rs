//! The tasks that fire the waiters of a lane.
//!
//! A runner takes waiters from the list of those that were woken, polls each,
//! and fires its Deferred. Where that starts a coroutine, the runner goes on as
//! the coroutine's task, so that there need be no other, and takes the next
//! waiter when the coroutine is over.
//!
//! Rules:
//!
//! - **[one comes]** When the list is not empty, a runner is scheduled, or looks
//!   at the list before it goes away. A thread that wakes a waiter schedules a
//!   runner itself, unless one comes already that the same thread scheduled or
//!   is running: a runner that another thread scheduled may be stuck behind
//!   whatever that thread is doing.
//! - **[two of a thread]** Where a runtime has several workers, up to two
//!   runners come by one thread's doing: of the tasks that a worker wakes, the
//!   other workers can take all but the last.
//! - **[none waits for a callback]** A runner that is about to run code of the
//!   user's, while there is more on the list, first schedules another one.
//! - **[one parked]** A runner with nothing to do parks, if no other is parked,
//!   and ends otherwise. It ends as well when the lane has no waits.

use super::wait_queue::{Lane, Next};
use crate::bridge::{Adopted, offering};
use std::cell::Cell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::runtime::{Handle, RuntimeFlavor};

/// What a thread that runs a runner looks at.
#[derive(Clone, Copy)]
struct View {
    /// The lane, by address; 0 is none.
    lane: usize,
    /// A wake left it to this runner to come.
    missed: bool,
}

impl View {
    const NONE: Self = View {
        lane: 0,
        missed: false,
    };
}

#[cfg(not(tokio_deferred_loom))]
thread_local! {
    /// The address of the cell itself says which thread this is.
    static VIEW: Cell<View> = const { Cell::new(View::NONE) };
    /// Whether this thread makes a task inside of a wake.
    static IN_A_WAKE: Cell<bool> = const { Cell::new(false) };
}

// The model checker's threads have thread-locals of their own.
#[cfg(tokio_deferred_loom)]
loom::thread_local! {
    static VIEW: Cell<View> = Cell::new(View::NONE);
    static IN_A_WAKE: Cell<bool> = Cell::new(false);
}

/// Which thread this is.
fn this_thread() -> usize {
    VIEW.with(|view| std::ptr::from_ref(view).addr())
}

/// Whether this thread runs a runner of the lane, which then takes note that it
/// has to look at the list once more.
fn leave_it_to_the_runner_here(lane: usize) -> bool {
    VIEW.with(|view| {
        let here = view.get().lane == lane;
        if here {
            let missed = true;
            view.set(View { lane, missed });
        }
        here
    })
}

/// How the tasks of a lane are made.
pub(super) struct Host<T: Send + 'static> {
    spawn: Arc<dyn Fn(Runner<T>) + Send + Sync>,
    /// How many runners come by one thread's doing.
    most: usize,
}

impl<T: Send + 'static> Clone for Host<T> {
    fn clone(&self) -> Self {
        Host {
            spawn: self.spawn.clone(),
            most: self.most,
        }
    }
}

impl<T: Send + 'static> Host<T> {
    pub(super) fn new(runtime: Handle) -> Self {
        let most = match runtime.runtime_flavor() {
            RuntimeFlavor::CurrentThread => 1,
            _ => 2,
        };
        Host::with(move |runner| drop(runtime.spawn(runner)), most)
    }

    pub(super) fn with(spawn: impl Fn(Runner<T>) + Send + Sync + 'static, most: usize) -> Self {
        Host {
            spawn: Arc::new(spawn),
            most,
        }
    }
}

/// The runners of a lane, under its lock.
pub(super) struct Runners<T: Send + 'static> {
    /// How many there are, in whatever state.
    live: usize,
    /// The number of the next one.
    next: u64,
    /// Those that were scheduled and have not begun, and by which thread.
    scheduled: Vec<(u64, usize)>,
    parked: Option<(u64, Waker)>,
    /// Set while there are any.
    host: Option<Host<T>>,
}

/// What is to be done, outside of the lock, so that a runner comes.
pub(super) enum Call<T: Send + 'static> {
    Nothing,
    Wake(Waker),
    Spawn(u64, Host<T>),
}

impl<T: Send + 'static> Call<T> {
    pub(super) fn make(self, lane: &Arc<Lane<T>>) {
        match self {
            Call::Nothing => {}
            Call::Wake(waker) => waker.wake(),
            Call::Spawn(number, host) => (host.spawn)(Runner {
                lane: lane.clone(),
                number,
                expected: true,
                coroutine: None,
                over: false,
            }),
        }
    }

    /// The same, where nothing of the user's may run.
    pub(super) fn make_in_a_wake(self, lane: &Arc<Lane<T>>) {
        if let Call::Spawn(..) = self {
            IN_A_WAKE.with(|inside| inside.set(true));
            self.make(lane);
            IN_A_WAKE.with(|inside| inside.set(false));
        } else {
            self.make(lane);
        }
    }
}

impl<T: Send + 'static> Runners<T> {
    pub(super) fn new() -> Self {
        Runners {
            live: 0,
            next: 0,
            scheduled: Vec::new(),
            parked: None,
            host: None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Makes a lane that has a wait have a runner.
    pub(super) fn first(&mut self, host: impl FnOnce() -> Host<T>) -> Call<T> {
        if self.live > 0 {
            return Call::Nothing;
        }
        self.host = Some(host());
        self.schedule(this_thread())
    }

    /// For a wake, after which `waiting` are on the list.
    pub(super) fn call(&mut self, lane: usize, waiting: usize) -> Call<T> {
        let thread = this_thread();
        let scheduled = self.scheduled.iter().filter(|(_, by)| *by == thread);
        let coming = scheduled.count() + usize::from(leave_it_to_the_runner_here(lane));
        let most = self.host.as_ref().map_or(0, |host| host.most);
        if coming >= most.min(waiting) {
            return Call::Nothing;
        }
        self.schedule(thread)
    }

    /// For a runner that is about to run code of the user's, while there is
    /// `more` to do.
    pub(super) fn beside(&mut self, more: bool) -> Call<T> {
        let alone = self.host.as_ref().is_none_or(|host| host.most == 1);
        if alone || !more || !self.scheduled.is_empty() {
            return Call::Nothing;
        }
        self.schedule(this_thread())
    }

    /// For a runner that goes away for a while, though there is `more` to do.
    pub(super) fn leave(&mut self, runner: u64, again: bool, more: bool) -> Call<T> {
        let thread = this_thread();
        if again {
            self.scheduled.push((runner, thread));
        }
        if !more || !self.scheduled.is_empty() {
            return Call::Nothing;
        }
        self.schedule(thread)
    }

    fn schedule(&mut self, thread: usize) -> Call<T> {
        if let Some((runner, waker)) = self.parked.take() {
            self.scheduled.push((runner, thread));
            return Call::Wake(waker);
        }
        let Some(host) = self.host.clone() else {
            return Call::Nothing;
        };
        let runner = self.next;
        self.next += 1;
        self.live += 1;
        self.scheduled.push((runner, thread));
        Call::Spawn(runner, host)
    }

    /// A runner begins to look. It may be one that is parked: a waker of the
    /// coroutine that it was can still wake it.
    pub(super) fn begin(&mut self, runner: u64) {
        self.scheduled.retain(|(number, _)| *number != runner);
        if self
            .parked
            .as_ref()
            .is_some_and(|(number, _)| *number == runner)
        {
            self.parked = None;
        }
    }

    /// Whether the runner is to park; if not, it is to end.
    pub(super) fn park(&mut self, runner: u64, waker: &Waker) -> bool {
        if self.parked.is_some() {
            self.gone();
            return false;
        }
        self.parked = Some((runner, waker.clone()));
        true
    }

    /// Takes out the runner that is parked.
    pub(super) fn unpark(&mut self) -> Option<Waker> {
        self.parked.take().map(|(_, waker)| waker)
    }

    /// A runner ends; returns one that is to end as well.
    pub(super) fn end(&mut self) -> Option<Waker> {
        self.gone();
        self.unpark()
    }

    pub(super) fn dropped(&mut self, runner: u64) {
        self.begin(runner);
        self.gone();
    }

    fn gone(&mut self) {
        self.live -= 1;
        if self.live == 0 {
            // A runtime that ended is not kept.
            self.host = None;
        }
    }
}

/// How many waits a runner looks at before it lets other tasks run.
const BATCH: usize = 64;

/// One of the tasks of a lane.
pub(super) struct Runner<T: Send + 'static> {
    lane: Arc<Lane<T>>,
    number: u64,
    /// The lane has it among those that are scheduled or parked.
    expected: bool,
    /// The coroutine that it goes on as.
    coroutine: Option<Adopted>,
    over: bool,
}

/// Marks that this thread looks at a lane, until it is dropped.
struct Looking(View);

impl Looking {
    fn at(lane: usize) -> Self {
        let missed = false;
        Looking(VIEW.with(|view| view.replace(View { lane, missed })))
    }

    /// Whether a wake left it to this runner to come, since the last time.
    fn missed(&self) -> bool {
        VIEW.with(|view| {
            let View { lane, missed } = view.get();
            view.set(View {
                lane,
                missed: false,
            });
            missed
        })
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        VIEW.with(|view| view.set(self.0));
    }
}

impl<T: Send + 'static> Future for Runner<T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let lane = &this.lane;
        // One that goes on as a coroutine is polled for that, and the lane does
        // not expect it.
        if std::mem::take(&mut this.expected) {
            lane.begin(this.number);
        }
        let looking = Looking::at(lane.address());
        let mut more = false;
        for _ in 0..BATCH {
            if let Some(coroutine) = &mut this.coroutine {
                if coroutine.as_mut().poll(cx).is_pending() {
                    if looking.missed() || more {
                        lane.leave(this.number, false);
                    }
                    return Poll::Pending;
                }
                this.coroutine = None;
            }
            // What was missed up to here is on the list now.
            looking.missed();
            match lane.next(this.number, cx) {
                Next::Poll {
                    place,
                    future,
                    call,
                    more: is_more,
                } => {
                    more = is_more;
                    call.make_in_a_wake(lane);
                    let (pending, coroutine) = offering(lane.runtime, || future.look());
                    if let Some(pending) = pending {
                        lane.put_back(place, pending);
                    }
                    this.coroutine = coroutine;
                }
                Next::Park => {
                    this.expected = true;
                    return Poll::Pending;
                }
                Next::End(last) => {
                    this.over = true;
                    if let Some(last) = last {
                        last.wake();
                    }
                    return Poll::Ready(());
                }
            }
        }
        this.expected = true;
        lane.leave(this.number, true);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<T: Send + 'static> Drop for Runner<T> {
    fn drop(&mut self) {
        if !self.over {
            self.lane.dropped(self.number, IN_A_WAKE.with(Cell::get));
        }
    }
}
