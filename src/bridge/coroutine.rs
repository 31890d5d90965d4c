//! A future on its way to become a Deferred's result: polled once at once,
//! then by a task; cancelled through what it awaits.
//!
//! Who may do what, by [`Status`]:
//!
//! 1. `running`: one thread polls the future, or drops it, and has the list of
//!    what it awaits. A cancel is kept, and applied when it is through.
//! 2. `woken`, not running: the task will poll. A cancel is kept as well: what
//!    the future awaits is about to change.
//! 3. Idle: a cancel goes at once to the Deferreds that the future awaits; if
//!    there are none, the canceller sets `running`, drops the future, and fires
//!    the Deferred.
//! 4. `over`: the future is dropped, by whoever set this, and the Deferred
//!    fired, in that order. Nobody else does anything any more.

use super::adopt::adopt_or_spawn;
use super::runtime::{self, find_runtime, runtime_to_enter};
use crate::chain::{AwaitList, Deferred, Resolver, enter};
use crate::core::{
    CancelRequest, Controller, FirstTurn, Handle as ChainHandle, Sent, SharedFuture,
};
use crate::failure::{Failure, NoRuntime, catch_and_log};
use crate::sync::{Mutex, MutexGuard, lock};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use tokio::runtime::Handle;

/// What a coroutine's future comes to.
type Output<T> = Result<T, Failure>;

/// Everything about a coroutine but its future.
struct Coroutine<T> {
    status: Mutex<Status<T>>,
    made: &'static Location<'static>,
}

struct Status<T> {
    running: bool,
    woken: bool,
    /// The task that polls. It is woken outside of the lock: a runtime that is
    /// shutting down may drop it instead.
    task: Option<Waker>,
    over: bool,
    kept: KeptCancels,
    awaited: AwaitList,
    /// None as long as nobody has the Deferred.
    resolver: Option<Resolver<T>>,
}

/// The cancels that wait for a poll to end. Most coroutines never have one,
/// and so it is no more than a word.
#[derive(Default)]
struct KeptCancels(Option<Box<Requests>>);

#[derive(Default)]
struct Requests {
    oldest_first: Vec<CancelRequest>,
}

impl KeptCancels {
    fn push(&mut self, request: CancelRequest) {
        self.0.get_or_insert_default().oldest_first.push(request);
    }

    fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    fn take(&mut self) -> impl Iterator<Item = CancelRequest> + use<> {
        self.0.take().into_iter().flat_map(|kept| kept.oldest_first)
    }
}

/// Where a coroutine goes on if it has to wait.
#[derive(Clone, Copy)]
pub(super) enum Where<'a> {
    /// Here.
    On(&'a Handle),
    /// In the current runtime, else in this one, else in the default.
    Current(Option<&'a Handle>),
}

/// Makes a Deferred of `future`, which drops what it is made of when it is
/// ready, as the combinators of futures do.
pub(super) fn drive<F, T>(
    future: F,
    place: Where<'_>,
    made: &'static Location<'static>,
) -> Deferred<T>
where
    F: Future<Output = Output<T>> + Send + 'static,
    T: Send + 'static,
{
    let to_enter = match place {
        Where::On(handle) => Some(handle.clone()),
        Where::Current(remembered) => runtime_to_enter(remembered),
    };
    begin(future, to_enter, made, |task| match place {
        Where::On(handle) => {
            handle.spawn(task);
            Ok(())
        }
        Where::Current(remembered) => match find_runtime(remembered) {
            Ok(runtime) => {
                adopt_or_spawn(&runtime, task);
                Ok(())
            }
            Err(none) => Err((task, none)),
        },
    })
}

/// Polls `future` for the first time; if it is pending, `spawn` makes a task
/// of the rest.
pub(super) fn begin<F, T>(
    future: F,
    to_enter: Option<Handle>,
    made: &'static Location<'static>,
    spawn: impl FnOnce(Task<F, T>) -> Result<(), (Task<F, T>, NoRuntime)>,
) -> Deferred<T>
where
    F: Future<Output = Output<T>> + Send + 'static,
    T: Send + 'static,
{
    let first = SharedFuture::with_turn(
        future,
        Coroutine {
            status: Mutex::new(Status {
                running: true,
                woken: false,
                task: None,
                over: false,
                kept: KeptCancels::default(),
                awaited: AwaitList::default(),
                resolver: None,
            }),
            made,
        },
    );
    let entered = to_enter.as_ref().and_then(runtime::enter);
    let (co, polled, awaited) = {
        let mut first = Some(first);
        // The budget of the caller's task is not this future's. The waker is
        // the coroutine's own: the caller's would wake a task that has no part
        // in it.
        let once = std::future::poll_fn(|_| {
            let noting = enter(AwaitList::default());
            let polled = first.take().map(FirstTurn::poll);
            Poll::Ready(polled.map(|(co, polled)| (co, polled, noting.leave())))
        });
        let mut once = pin!(tokio::task::unconstrained(once));
        match once.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(polled)) => polled,
            _ => unreachable!("it is polled once, and is ready then"),
        }
    };
    let polled = take_if_ready(&co, polled);
    drop(entered);
    match polled {
        Poll::Ready(result) => Deferred::ready(result, made),
        Poll::Pending => {
            lock(&co.control().status).awaited = awaited;
            suspend(co, spawn)
        }
    }
}

/// Polls the future, with the list of what it awaits; a panic is its result.
fn poll<F, T>(co: &SharedFuture<F, Coroutine<T>>, awaited: &mut AwaitList) -> Poll<Output<T>>
where
    F: Future<Output = Output<T>> + Send + 'static,
    T: Send + 'static,
{
    let entered = enter(std::mem::take(awaited));
    let polled = catch_unwind(AssertUnwindSafe(|| co.poll()));
    *awaited = entered.leave();
    take_if_ready(co, polled)
}

/// What came of a poll, whose panic is the result.
#[inline]
fn take_if_ready<F, T>(
    co: &SharedFuture<F, Coroutine<T>>,
    polled: std::thread::Result<Poll<Output<T>>>,
) -> Poll<Output<T>>
where
    F: Future<Output = Output<T>> + Send + 'static,
    T: Send + 'static,
{
    polled.unwrap_or_else(|payload| {
        // One that was written by hand still has all that it captured.
        catch_and_log("the drop of a future that panicked", || co.clear());
        Poll::Ready(Err(Failure::panicked(payload, co.control().made)))
    })
}

/// Drops the future, whose drop may panic.
fn cleared(clear: &dyn Fn(), made: &'static Location<'static>) -> Output<()> {
    catch_unwind(AssertUnwindSafe(clear)).map_err(|payload| Failure::panicked(payload, made))
}

/// Hands a future that is pending over to a task.
fn suspend<F, T>(
    co: SharedFuture<F, Coroutine<T>>,
    spawn: impl FnOnce(Task<F, T>) -> Result<(), (Task<F, T>, NoRuntime)>,
) -> Deferred<T>
where
    F: Future<Output = Output<T>> + Send + 'static,
    T: Send + 'static,
{
    let made = co.control().made;
    // The Deferred exists before the task: a runtime that is shutting down
    // drops the task at once, and with it the resolver.
    let (resolver, d) = Deferred::with_delegate(made, co.delegate());
    let d = d.fired_by("a coroutine");
    lock(&co.control().status).resolver = Some(resolver);
    if let Err((task, none)) = spawn(Task(co.clone())) {
        task.stop(Some(Failure::from_error(none, made)));
        return d;
    }
    let control = co.control();
    let mut status = lock(&control.status);
    if status.over {
        return d;
    }
    status.running = false;
    let waker = if status.woken {
        status.task.clone()
    } else {
        None
    };
    drop(status);
    wake(waker);
    d
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl<T: Send + 'static> Controller for Coroutine<T> {
    fn woken(&self) {
        let mut status = lock(&self.status);
        // One that runs looks again when it is through.
        let idle = !status.running && !status.woken;
        status.woken = true;
        let waker = if idle { status.task.clone() } else { None };
        drop(status);
        wake(waker);
    }

    fn cancel(&self, request: CancelRequest, clear: &dyn Fn(), waker: &dyn Fn() -> Waker) {
        let mut status = lock(&self.status);
        if status.over {
            drop(status);
            request.give_up();
        } else if status.running || status.woken {
            status.kept.push(request);
        } else {
            self.cancel_now(status, request, clear, waker);
        }
    }
}

impl<T: Send + 'static> Coroutine<T> {
    /// Cancels a coroutine that no thread is running.
    fn cancel_now<'a>(
        &'a self,
        mut status: MutexGuard<'a, Status<T>>,
        mut request: CancelRequest,
        clear: &dyn Fn(),
        waker: &dyn Fn() -> Waker,
    ) {
        // What a cancel was too late for.
        let mut late: Vec<ChainHandle> = Vec::new();
        loop {
            if status.over {
                drop(status);
                // Its reason is a user's value, which may do anything.
                request.give_up();
                return;
            }
            if !late.is_empty() && (status.running || status.woken) {
                status.kept.push(request);
                drop(status);
                return;
            }
            let awaited = status.awaited.pending();
            if awaited.is_empty() {
                break;
            }
            if awaited.iter().all(|d| late.iter().any(|l| l.is_same(d))) {
                // Their results are there, and their wakes under way.
                status.kept.push(request);
                drop(status);
                return;
            }
            drop(status);
            late.clone_from(&awaited);
            match request.try_send_to(awaited) {
                Sent::Asked => return,
                Sent::NotYet(back, running) if !running.is_empty() => {
                    return self.keep_until_stages_end(back, &running, waker);
                }
                Sent::NotYet(back, _) => request = back,
            }
            // They had their results before the cancel came: so may the
            // coroutine, which awaits something else by now.
            status = lock(&self.status);
        }
        if status.awaited.is_waking() {
            // Its result is there and its wake under way: this is as woken.
            status.kept.push(request);
            status.woken = true;
            let waker = status.task.clone();
            drop(status);
            wake(waker);
            return;
        }
        // It awaits something that only dropping can cancel. That may end the
        // runtime, and with it the task, which must not wait for us.
        status.running = true;
        status.over = true;
        drop(status);
        let failure = cleared(clear, self.made)
            .err()
            .unwrap_or_else(|| request.into_failure());
        self.fire(Err(failure));
        // The task has nothing to poll any more, and ends.
        let waker = lock(&self.status).task.take();
        wake(waker);
    }

    /// Keeps a cancel that found stages of what is awaited running on other
    /// threads. The end of such a stage wakes the coroutine, which applies the
    /// cancel after that poll: to what the stage returned, or, if the stage gave
    /// a result, to what the coroutine awaits then.
    fn keep_until_stages_end(
        &self,
        request: CancelRequest,
        running: &[ChainHandle],
        waker: &dyn Fn() -> Waker,
    ) {
        let mut status = lock(&self.status);
        if status.over {
            drop(status);
            return request.give_up();
        }
        status.kept.push(request);
        drop(status);
        for chain in running {
            let wake = |waker: Waker| -> Box<dyn FnOnce() + Send> { Box::new(|| waker.wake()) };
            if let Err(waker) = chain.after_stage(waker(), wake) {
                waker.wake();
            }
        }
    }

    /// Fires the Deferred; the future is dropped.
    fn fire(&self, result: Output<T>) {
        let mut status = lock(&self.status);
        status.over = true;
        let resolver = status.resolver.take();
        let awaited = std::mem::take(&mut status.awaited);
        let kept = status.kept.take();
        drop(status);
        drop(awaited);
        kept.for_each(CancelRequest::give_up);
        if let Some(resolver) = resolver {
            resolver.fire(result);
        }
    }
}

/// The task that polls the coroutine after its first poll.
pub(super) struct Task<F, T>(SharedFuture<F, Coroutine<T>>)
where
    F: Future<Output = Output<T>> + Send + 'static,
    T: Send + 'static;

impl<F, T> Task<F, T>
where
    F: Future<Output = Output<T>> + Send + 'static,
    T: Send + 'static,
{
    /// Ends the coroutine from outside, unless it is over.
    fn stop(&self, failure: Option<Failure>) {
        let control = self.0.control();
        {
            let mut status = lock(&control.status);
            if status.over {
                return;
            }
            status.running = true;
            status.over = true;
        }
        match cleared(&|| self.0.clear(), control.made).err().or(failure) {
            Some(failure) => control.fire(Err(failure)),
            None => {
                let mut status = lock(&control.status);
                let resolver = status.resolver.take();
                let kept = status.kept.take();
                drop(status);
                kept.for_each(CancelRequest::give_up);
                // Which says ResolverDropped.
                drop(resolver);
            }
        }
    }
}

impl<F, T> Future for Task<F, T>
where
    F: Future<Output = Output<T>> + Send + 'static,
    T: Send + 'static,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let control = self.0.control();
        let mut status = lock(&control.status);
        if status.over {
            return Poll::Ready(());
        }
        // Tokio gives a task one waker for its life.
        if !status
            .task
            .as_ref()
            .is_some_and(|task| task.will_wake(cx.waker()))
        {
            status.task = Some(cx.waker().clone());
        }
        if status.running || !status.woken {
            // The first poll's thread, or a canceller, is still at it and will
            // wake us; or the future was polled before there was a task.
            return Poll::Pending;
        }
        status.running = true;
        status.woken = false;
        let mut awaited = std::mem::take(&mut status.awaited);
        let is_cancelled = !status.kept.is_empty();
        drop(status);
        if is_cancelled {
            // Those that have their results by now woke it for this poll.
            awaited.mark_seen();
        }
        match poll(&self.0, &mut awaited) {
            Poll::Ready(result) => {
                drop(awaited);
                control.fire(result);
                Poll::Ready(())
            }
            Poll::Pending => {
                let mut status = lock(&control.status);
                status.awaited = awaited;
                status.running = false;
                if status.kept.is_empty() {
                    if status.woken {
                        drop(status);
                        cx.waker().wake_by_ref();
                    }
                    return Poll::Pending;
                }
                let kept = status.kept.take();
                drop(status);
                // They were kept for after this poll, and this is after it,
                // although the future may be woken again by now.
                for request in kept {
                    let status = lock(&control.status);
                    control.cancel_now(status, request, &|| self.0.clear(), &|| self.0.waker());
                }
                let status = lock(&control.status);
                if status.over {
                    return Poll::Ready(());
                }
                if status.woken {
                    drop(status);
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            }
        }
    }
}

impl<F, T> Drop for Task<F, T>
where
    F: Future<Output = Output<T>> + Send + 'static,
    T: Send + 'static,
{
    fn drop(&mut self) {
        self.stop(None);
    }
}
