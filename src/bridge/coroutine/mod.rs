//! A future on its way to become a Deferred's result.
//!
//! It is polled once at once, by its maker. If it has to wait, it becomes a
//! coroutine, which goes on in one of two [ways](Resumed): in a task of a runtime,
//! or on the thread whose fire woke it.
//!
//! Rules:
//!
//! - *One runner.* The thread that took the coroutine to [`Phase::Running`] is its
//!   runner: it alone polls the future, drops it, sends cancels to what it awaits,
//!   and has the turn at [`Local`]. It stays that until it takes the coroutine to
//!   another phase, by [`settle`] or [`finish`].
//! - *No wake is lost.* A wake that meets a runner is noted in the phase; the
//!   runner looks at it before it leaves.
//! - *Kept cancels.* A cancel that meets a runner, or a wake whose poll is still
//!   to come, is kept, and applied after that poll: what the future awaits is
//!   about to change.
//! - *Somebody resumes it.* A coroutine that waits has a task, or awaits a
//!   Deferred, whose fire will resume it. If neither is so, its runner spawns the
//!   task; where there is no runtime for that, it ends it with
//!   [`NoRuntime`](crate::NoRuntime).
//! - *Dropped, then fired.* When a coroutine ends, its future is dropped before
//!   the Deferred fires. Nobody does anything to it any more.
//! - *No lock.* Futures, drops, wakers and stages of the user's run under no lock.
//!
//! The phases, and who takes the coroutine from one to the other:
//!
//! ```text
//!              a wake              the task
//!   WAITING ───────────► WOKEN ─────────────► RUNNING ◄────┐ poll again
//!      │ ▲                 │ a fire, inline     ▲ │ │ wake │
//!      │ │ settle          └────────────────────┘ │ └──► RUN AGAIN
//!      │ └────────────────────────────────────────┤        │ settle, in a task:
//!      └──────────────────────────────────────────┘        └──► WOKEN
//!         a fire, inline; a cancel                  finish: OVER
//! ```

mod cancel;
mod poll;
mod settle;
mod task;

pub(super) use task::{Runtimes, Spawner};

use crate::chain::{AwaitList, Deferred, Resolver, enter};
use crate::core::{CancelRequest, Controller, FirstTurn, SharedFuture, current_span, is_in_wake};
use crate::failure::{Failure, catch_and_log};
use crate::sync::{Mutex, lock};
use cancel::KeptCancels;
use settle::{Here, settle};
use std::panic::Location;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use tokio::task::unconstrained;
use tracing::Span;

/// What a coroutine's future comes to.
type Output<T> = Result<T, Failure>;

/// A coroutine, as those see it who wake it, cancel it and poll it.
pub(super) type Shared<F, T, S> = SharedFuture<F, Coroutine<T, S>>;

/// What all threads see of a coroutine.
pub(super) struct Coroutine<T, S> {
    status: Mutex<Status>,
    spawner: S,
    made: &'static Location<'static>,
    output: std::marker::PhantomData<fn() -> T>,
}

/// Who polls a coroutine that the fire of a Deferred woke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resumed {
    /// Its task.
    ByTask,
    /// The thread that fires, inside the fire.
    InFires,
}

struct Status {
    phase: Phase,
    resumed: Resumed,
    task: TaskState,
    /// How often it woke itself since a fire woke it.
    yields: u8,
    kept: KeptCancels,
}

/// How often a coroutine may wake itself and be polled inside the same fire again,
/// before its task goes on with it.
const YIELDS: u8 = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The future is pending. What it awaits will wake it.
    Waiting,
    /// It was woken, and its task will poll it.
    Woken,
    /// Its runner polls it, cancels what it awaits, or is about to.
    Running,
    /// The same, and it was woken meanwhile.
    RunAgain(WokenBy),
    /// The future is dropped, or its runner is dropping it.
    Over,
}

/// What woke a coroutine: if several did, the greater counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum WokenBy {
    /// A timer, a socket, another task: the poll is its task's.
    Other,
    /// Its own poll: it gives way to others, as `FuturesUnordered` does.
    Itself,
    /// The fire of a Deferred.
    Fire,
}

enum TaskState {
    /// There is none yet.
    None,
    /// It was spawned, and did not run yet. It will look at the phase.
    Spawned,
    /// It is woken by this. Under no lock: a runtime that is shutting down may
    /// drop the task instead.
    Known(Waker),
    /// Its runtime dropped it.
    Gone,
}

/// What belongs to the runner, beside the future.
pub(super) struct Local<T> {
    awaited: AwaitList,
    /// None as long as nobody has the Deferred.
    resolver: Option<Resolver<T>>,
    /// The span that was current when the coroutine began. The first poll is in
    /// it anyhow.
    span: Span,
    cancelled: Cancelled,
    /// Cancels that came after the result of what is awaited, and before its wake:
    /// they are applied after the poll that the wake brings.
    after_poll: Vec<CancelRequest>,
    /// Whether a cancel was made quiet because it went to several Deferreds.
    made_quiet: bool,
}

/// Whether the coroutine went on after a cancel, for the debugger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cancelled {
    No,
    /// A cancel was sent to what it awaits.
    Sent,
    /// It was polled after that, and waits again.
    WentOn,
}

/// Polls `future` for the first time; if it is pending, it goes on as `resumed`
/// and `spawner` say.
///
/// It drops what it is made of when it is ready, as the combinators of futures
/// do.
#[track_caller]
pub(super) fn begin<F, T, S>(
    future: F,
    spawner: S,
    resumed: Resumed,
    made: &'static Location<'static>,
) -> Deferred<T>
where
    F: Future<Output = Output<T>> + Send + 'static,
    T: Send + 'static,
    S: Spawner,
{
    let first = SharedFuture::with_turn(
        future,
        Local {
            awaited: AwaitList::default(),
            resolver: None,
            span: Span::none(),
            cancelled: Cancelled::No,
            after_poll: Vec::new(),
            made_quiet: false,
        },
        Coroutine {
            status: Mutex::new(Status {
                phase: Phase::Running,
                resumed,
                task: TaskState::None,
                yields: 0,
                kept: KeptCancels::default(),
            }),
            spawner,
            made,
            output: std::marker::PhantomData,
        },
    );
    let (co, polled, awaited) = poll_first(first);
    match polled {
        Poll::Ready(result) => Deferred::ready(result, made),
        Poll::Pending => suspend(co, awaited),
    }
}

/// Polls a coroutine for the first time: a panic is its result.
fn poll_first<F, T, S>(
    first: FirstTurn<F, Coroutine<T, S>>,
) -> (Shared<F, T, S>, Poll<Output<T>>, AwaitList)
where
    F: Future<Output = Output<T>> + Send + 'static,
    T: Send + 'static,
    S: Spawner,
{
    let mut first = Some(first);
    // The budget of the caller's task is not this future's. The waker is the
    // coroutine's own: the caller's would wake a task that has no part in it.
    let once = std::future::poll_fn(|_| {
        let noting = enter(AwaitList::default());
        let polled = first.take().map(FirstTurn::poll);
        Poll::Ready(polled.map(|(co, polled)| (co, polled, noting.leave())))
    });
    let mut once = pin!(unconstrained(once));
    match once.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some((co, polled, awaited))) => {
            let polled = poll::caught(&co, polled);
            (co, polled, awaited)
        }
        _ => unreachable!("it is polled once, and is ready then"),
    }
}

/// Makes a coroutine of a future that has to wait.
#[track_caller]
fn suspend<F, T, S>(co: Shared<F, T, S>, awaited: AwaitList) -> Deferred<T>
where
    F: Future<Output = Output<T>> + Send + 'static,
    T: Send + 'static,
    S: Spawner,
{
    // The Deferred exists before the task: a runtime that is shutting down
    // drops the task at once, and with it the coroutine.
    let (resolver, d) = Deferred::with_delegate(co.control().made, co.delegate());
    let d = d.fired_by("a coroutine");
    let mut turn = co.turn();
    let local = turn.local();
    local.awaited = awaited;
    local.resolver = Some(resolver);
    local.span = current_span();
    drop(turn);
    if lock(&co.control().status).resumed == Resumed::InFires {
        co.control().spawner.remember_current();
    }
    if settle(&co, Here::MayPoll) {
        co.resume(true);
    }
    d
}

impl<F, T, S> Controller<F> for Coroutine<T, S>
where
    F: Future<Output = Output<T>> + Send + 'static,
    T: Send + 'static,
    S: Spawner,
{
    type Local = Local<T>;

    fn woken(co: Shared<F, T, S>) {
        let by = if is_in_wake() {
            WokenBy::Fire
        } else if co.is_polled_here() {
            WokenBy::Itself
        } else {
            WokenBy::Other
        };
        let mut status = lock(&co.control().status);
        if by == WokenBy::Fire {
            status.yields = 0;
        }
        match status.phase {
            Phase::Over => {}
            Phase::Running => status.phase = Phase::RunAgain(by),
            Phase::RunAgain(before) => status.phase = Phase::RunAgain(before.max(by)),
            Phase::Waiting | Phase::Woken
                if by == WokenBy::Fire && status.resumed == Resumed::InFires =>
            {
                status.phase = Phase::Running;
                drop(status);
                co.resume(false);
            }
            Phase::Woken => {}
            Phase::Waiting => match &status.task {
                TaskState::Known(task) => {
                    let task = task.clone();
                    status.phase = Phase::Woken;
                    drop(status);
                    task.wake();
                }
                TaskState::Spawned => status.phase = Phase::Woken,
                TaskState::None | TaskState::Gone => {
                    status.phase = Phase::RunAgain(by);
                    drop(status);
                    settle(&co, Here::InWaker);
                }
            },
        }
    }

    fn cancel(co: Shared<F, T, S>, request: CancelRequest) {
        let mut status = lock(&co.control().status);
        match status.phase {
            Phase::Over => {
                drop(status);
                // Its reason is a user's value, which may do anything.
                request.give_up();
            }
            Phase::Woken | Phase::Running | Phase::RunAgain(_) => status.kept.push(request),
            Phase::Waiting => {
                status.kept.push(request);
                status.phase = Phase::Running;
                drop(status);
                if settle(&co, Here::MayPoll) {
                    co.resume(true);
                }
            }
        }
    }

    fn resumed(co: Shared<F, T, S>) {
        poll::resume(&co);
    }
}

/// Ends a coroutine, whose future is dropped, with its result. By its runner.
fn finish<F, T, S>(co: &Shared<F, T, S>, result: Output<T>)
where
    F: Future<Output = Output<T>> + Send + 'static,
    T: Send + 'static,
    S: Spawner,
{
    let mut status = lock(&co.control().status);
    status.phase = Phase::Over;
    let kept = status.kept.take_all();
    let task = std::mem::replace(&mut status.task, TaskState::None);
    drop(status);
    let mut turn = co.turn();
    let local = turn.local();
    let resolver = local.resolver.take();
    let awaited = std::mem::take(&mut local.awaited);
    let span = std::mem::replace(&mut local.span, Span::none());
    let late = std::mem::take(&mut local.after_poll);
    let made_quiet = local.made_quiet;
    drop(turn);
    drop(awaited);
    catch_and_log("the end of a span", || drop(span));
    late.into_iter()
        .chain(kept)
        .for_each(CancelRequest::give_up);
    if let Some(resolver) = resolver {
        resolver.fire(result.map_err(|failure| {
            if made_quiet {
                failure.reported()
            } else {
                failure
            }
        }));
    }
    if let TaskState::Known(task) = task {
        // It has nothing to poll any more, and ends.
        task.wake();
    }
}

/// Ends a coroutine whose future is still there. By its runner.
///
/// `failure` is its result, unless the drop of the future panics.
fn end<F, T, S>(co: &Shared<F, T, S>, failure: Failure)
where
    F: Future<Output = Output<T>> + Send + 'static,
    T: Send + 'static,
    S: Spawner,
{
    let failure = drop_future(co).err().unwrap_or(failure);
    finish(co, Err(failure));
}

/// Drops the future of a coroutine that is to end. By its runner.
///
/// # Errors
///
/// The panic of that drop.
fn drop_future<F, T, S>(co: &Shared<F, T, S>) -> Output<()>
where
    F: Future<Output = Output<T>> + Send + 'static,
    T: Send + 'static,
    S: Spawner,
{
    // Before the drop: that may end the runtime, and with it the task, which must
    // not wait for us.
    lock(&co.control().status).phase = Phase::Over;
    poll::clear(co)
}
