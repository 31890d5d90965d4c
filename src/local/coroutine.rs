//! A coroutine that stays on its thread.
//!
//! A fire of a local chain that it awaits resumes it inside of the fire. What
//! else it awaits gets a waker that may be woken on any thread, and then a task
//! of this thread's loop polls it; that task exists from the first poll on
//! that left such a waker with somebody.
//!
//! Named rules:
//!
//! - \[two wakers\] The future is polled with the waker of [`Remote`], which
//!   holds nothing of the coroutine: a flag, and the waker of the loop's task.
//!   It may be cloned, woken and dropped anywhere. Where a local chain is
//!   polled directly with that waker, [`waker_of_fires`] puts one in its place
//!   that holds the coroutine. Nobody but local chains ever gets that one, and
//!   so it stays on this thread.
//! - \[kept alive\] The coroutine lives in the chains that it awaits and in its
//!   task. If the last of them goes, nobody can resume it: its future is
//!   dropped, and its Deferred fails with `ResolverDropped`. Its own Deferred
//!   does not keep it, and only cancels it.
//! - \[phases\] `Idle`: a wake polls it, a cancel cancels what it awaits. `Idle`
//!   and woken: a poll is about to come, and a cancel is kept until after it.
//!   `Running`: the frame that polls it looks again for wakes and cancels when
//!   the poll is over. `Over`: the future was dropped, and then the Deferred
//!   fired.
//! - \[no borrow\] No `RefCell` is borrowed while code of the user runs, but
//!   for the future's, while it is polled; nobody else asks for that one in the
//!   phase `Running`.

use super::remote::Remote;
use super::spawner::spawn;
use super::{LocalDeferred, OnThread};
use crate::chain::{AwaitList, Deferred, Resolver, enter};
use crate::core::{CancelRequest, Delegate, Handle as ChainHandle, Resume, Sent, resume};
use crate::failure::{Failure, NoRuntime, catch_and_log};
use futures::task::{ArcWake, waker, waker_ref};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use tokio::runtime::Handle;

/// What a coroutine's future comes to.
type Output<T> = Result<T, Failure>;

/// How a coroutine answers a cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtCancel {
    /// The Deferreds that it awaits are cancelled.
    Cooperate,
    /// Its future is dropped.
    Drop,
}

/// The coroutine, which is only reached on its thread.
struct Coroutine<F: Future<Output = Output<T>> + 'static, T: 'static>(OnThread<Parts<F, T>>);

struct Parts<F, T> {
    future: RefCell<Option<Pin<Box<F>>>>,
    phase: Cell<Phase>,
    woken: Cell<bool>,
    task: Cell<TaskState>,
    kept: RefCell<Vec<CancelRequest>>,
    awaited: RefCell<AwaitList>,
    /// None as long as nobody has the Deferred, and once it is fired.
    resolver: RefCell<Option<Resolver<OnThread<T>>>>,
    remote: Arc<Remote>,
    /// Entered for a poll where no runtime is current.
    runtime: Option<Handle>,
    at_cancel: AtCancel,
    made: &'static Location<'static>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    Idle,
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TaskState {
    None,
    Spawned,
    /// The loop dropped it.
    Dropped,
}

/// The coroutine that this thread polls: how its wakers are told apart.
struct Polled {
    remote: *const (),
    of_fires: Waker,
}

thread_local! {
    static POLLED: RefCell<Option<Polled>> = const { RefCell::new(None) };
}

/// The end of a poll, which gives the place back to the poll around it.
struct EndOfPoll(Option<Polled>);

impl EndOfPoll {
    fn start(polled: Polled) -> Self {
        let outer = POLLED.try_with(|place| place.replace(Some(polled)));
        EndOfPoll(outer.ok().flatten())
    }
}

impl Drop for EndOfPoll {
    fn drop(&mut self) {
        let outer = self.0.take();
        let inner = POLLED.try_with(|place| place.replace(outer));
        drop(inner);
    }
}

/// Returns the waker that a local chain gets in place of `waker`, if that is
/// the one of the coroutine which this thread polls.
pub(super) fn waker_of_fires(waker: &Waker) -> Option<Waker> {
    let of_fires = POLLED.try_with(|place| match &*place.borrow() {
        Some(polled) if polled.remote == waker.data() => Some(polled.of_fires.clone()),
        _ => None,
    });
    of_fires.ok().flatten()
}

/// Starts a coroutine, and returns its Deferred.
pub(super) fn start<F, T>(
    future: F,
    at_cancel: AtCancel,
    made: &'static Location<'static>,
) -> LocalDeferred<T>
where
    F: Future<Output = Output<T>> + 'static,
    T: 'static,
{
    let co = Arc::new(Coroutine(OnThread::new(Parts {
        future: RefCell::new(Some(Box::pin(future))),
        phase: Cell::new(Phase::Running),
        woken: Cell::new(false),
        task: Cell::new(TaskState::None),
        kept: RefCell::default(),
        awaited: RefCell::new(AwaitList::confined()),
        resolver: RefCell::new(None),
        remote: Arc::default(),
        runtime: Handle::try_current().ok(),
        at_cancel,
        made,
    })));
    let parts = co.0.get();
    if let Poll::Ready(result) = co.poll() {
        parts.phase.set(Phase::Over);
        return LocalDeferred::ready(result, made);
    }
    let cancel = Arc::new(CancelCoroutine(Arc::downgrade(&co)));
    let (resolver, d) = Deferred::with_delegate(made, cancel);
    parts.resolver.replace(Some(resolver));
    co.polled_pending();
    co.run();
    LocalDeferred::wrap(d.fired_by("a coroutine"))
}

impl<F: Future<Output = Output<T>> + 'static, T: 'static> Coroutine<F, T> {
    /// Polls the future; its panic is its result.
    ///
    /// In the phase `Running`.
    fn poll(self: &Arc<Self>) -> Poll<Output<T>> {
        let parts = self.0.get();
        let remote = waker_ref(&parts.remote);
        let end = EndOfPoll::start(Polled {
            remote: remote.data(),
            of_fires: waker(self.clone()),
        });
        let noting = enter(parts.awaited.take());
        let to_enter = match (&parts.runtime, Handle::try_current()) {
            (Some(runtime), Err(none)) if none.is_missing_context() => Some(runtime),
            _ => None,
        };
        let entered = to_enter.map(Handle::enter);
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let mut future = parts.future.borrow_mut();
            let Some(future) = &mut *future else {
                return Poll::Pending;
            };
            // The budget of the task that fires, or starts it, is not its own.
            let once = pin!(tokio::task::unconstrained(future.as_mut()));
            once.poll(&mut Context::from_waker(&remote))
        }));
        drop(entered);
        parts.awaited.replace(noting.leave());
        drop(end);
        let result = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(result)) => result,
            Err(payload) => Err(Failure::panicked(payload, parts.made)),
        };
        drop(parts.awaited.take());
        // What it captured goes before its result is seen.
        Poll::Ready(match self.drop_future() {
            Ok(()) => result,
            Err(failure) => {
                catch_and_log("the drop of a value", || drop(result));
                Err(failure)
            }
        })
    }

    fn drop_future(&self) -> Result<(), Failure> {
        let parts = self.0.get();
        let future = parts.future.take();
        catch_unwind(AssertUnwindSafe(|| drop(future)))
            .map_err(|payload| Failure::panicked(payload, parts.made))
    }

    /// Polls as long as it is woken.
    fn run(self: &Arc<Self>) {
        let parts = self.0.get();
        while parts.phase.get() == Phase::Idle && parts.woken.take() {
            parts.phase.set(Phase::Running);
            if !parts.kept.borrow().is_empty() {
                // Those that have their results by now woke it for this poll.
                parts.awaited.borrow_mut().mark_seen();
            }
            match self.poll() {
                Poll::Ready(result) => return self.finish(Some(result)),
                Poll::Pending => self.polled_pending(),
            }
        }
    }

    /// After a poll that was pending: applies what came during it.
    fn polled_pending(self: &Arc<Self>) {
        let parts = self.0.get();
        parts.phase.set(Phase::Idle);
        if parts.task.get() == TaskState::Dropped {
            return self.stop_with_its_loop();
        }
        for request in parts.kept.take() {
            self.cancel_now(request);
        }
        if parts.phase.get() == Phase::Idle && !parts.woken.get() {
            self.see_to_a_task();
        }
    }

    /// Spawns the task, if something else than a local chain may wake the
    /// coroutine.
    fn see_to_a_task(self: &Arc<Self>) {
        let parts = self.0.get();
        if parts.task.get() == TaskState::Spawned {
            return;
        }
        let is_known = Arc::strong_count(&parts.remote) > 1;
        // ORDERING: Acquire: who dropped the last other waker may have woken it
        // before, and then the flag is seen below.
        fence(Ordering::Acquire);
        let is_awaited_elsewhere = is_known || parts.remote.is_woken();
        if !is_awaited_elsewhere && !parts.awaited.borrow().pending().is_empty() {
            // A fire of what it awaits resumes it.
            return;
        }
        // With neither, nobody is ever going to wake it. As on any executor,
        // it stays as long as the loop does.
        match spawn(Task(self.clone())) {
            Ok(()) if parts.task.get() == TaskState::Dropped => {
                self.stop(Some(NoRuntime::shut_down().into()));
            }
            Ok(()) => parts.task.set(TaskState::Spawned),
            Err(none) => self.stop(Some(none.into())),
        }
    }

    fn cancel(self: &Arc<Self>, request: CancelRequest) {
        let parts = self.0.get();
        match parts.phase.get() {
            Phase::Over => request.give_up(),
            Phase::Idle if !parts.is_woken() => self.cancel_now(request),
            Phase::Idle | Phase::Running => parts.kept.borrow_mut().push(request),
        }
    }

    /// Cancels a coroutine that is not running.
    fn cancel_now(self: &Arc<Self>, mut request: CancelRequest) {
        let parts = self.0.get();
        if parts.at_cancel == AtCancel::Drop {
            return self.stop_cancelled(request);
        }
        // What a cancel was too late for.
        let mut late: Vec<ChainHandle> = Vec::new();
        loop {
            if parts.phase.get() == Phase::Over {
                return request.give_up();
            }
            let is_busy = parts.phase.get() == Phase::Running || parts.is_woken();
            if !late.is_empty() && is_busy {
                return parts.kept.borrow_mut().push(request);
            }
            let awaited = parts.awaited.borrow().pending();
            if awaited.is_empty() {
                if !parts.awaited.borrow().is_waking() {
                    return self.stop_cancelled(request);
                }
                // Its result is there, and its wake may be under way: the poll
                // that the wake asks for comes now.
                parts.kept.borrow_mut().push(request);
                return ArcWake::wake_by_ref(self);
            }
            if awaited.iter().all(|d| late.iter().any(|l| l.is_same(d))) {
                // Their stages still run, and will wake it.
                return parts.kept.borrow_mut().push(request);
            }
            late.clone_from(&awaited);
            match request.try_send_to(awaited) {
                Sent::Asked => return,
                Sent::NotYet(back, running) if !running.is_empty() => {
                    return self.keep_until_stages_end(back, &running);
                }
                Sent::NotYet(back, _) => request = back,
            }
        }
    }

    /// Keeps a cancel that found stages of what is awaited running on other
    /// threads. The end of such a stage wakes the coroutine, which applies the
    /// cancel after that poll.
    fn keep_until_stages_end(&self, request: CancelRequest, running: &[ChainHandle]) {
        let parts = self.0.get();
        parts.kept.borrow_mut().push(request);
        for chain in running {
            let remote = waker(parts.remote.clone());
            let wake = |waker: Waker| -> Box<dyn FnOnce() + Send> { Box::new(|| waker.wake()) };
            if let Err(remote) = chain.after_stage(remote, wake) {
                remote.wake();
            }
        }
    }

    /// Its loop has ended. As nobody did anything wrong, a failure that is not
    /// handled is not reported.
    fn stop_with_its_loop(&self) {
        let made = self.0.get().made;
        self.stop(Some(Failure::quiet(NoRuntime::shut_down(), made)));
    }

    fn stop_cancelled(&self, request: CancelRequest) {
        if self.0.get().phase.get() == Phase::Over {
            return request.give_up();
        }
        self.stop(Some(request.into_failure()));
    }

    /// Drops the future, and fires the Deferred with the failure; without
    /// one, with `ResolverDropped`.
    fn stop(&self, failure: Option<Failure>) {
        let parts = self.0.get();
        if parts.phase.replace(Phase::Over) == Phase::Over {
            return;
        }
        let failure = self.drop_future().err().or(failure);
        self.finish(failure.map(Err));
    }

    /// Fires the Deferred; the future was dropped.
    fn finish(&self, result: Option<Output<T>>) {
        let parts = self.0.get();
        parts.phase.set(Phase::Over);
        let resolver = parts.resolver.take();
        let kept = parts.kept.take();
        drop(parts.awaited.take());
        kept.into_iter().for_each(CancelRequest::give_up);
        match (resolver, result) {
            (Some(resolver), Some(result)) => resolver.fire(result.map(OnThread::new)),
            (resolver, _) => drop(resolver),
        }
        // The task has nothing to poll any more, and ends.
        catch_and_log("a waker", || parts.remote.task.wake());
    }
}

impl<F, T> Parts<F, T> {
    fn is_woken(&self) -> bool {
        self.woken.get() || self.remote.is_woken()
    }
}

/// Woken by the fire of a local chain, and so on this thread.
impl<F: Future<Output = Output<T>> + 'static, T: 'static> ArcWake for Coroutine<F, T> {
    fn wake_by_ref(this: &Arc<Self>) {
        let parts = this.0.get();
        if parts.woken.replace(true) || parts.phase.get() != Phase::Idle {
            // Whoever polls it, or is about to, looks again.
            return;
        }
        // Before the fire returns, but under no lock of a waker around this one.
        resume(this.clone());
    }
}

impl<F: Future<Output = Output<T>> + 'static, T: 'static> Resume for Coroutine<F, T> {
    fn resume(self: Arc<Self>) {
        self.run();
    }
}

impl<F: Future<Output = Output<T>> + 'static, T: 'static> Drop for Coroutine<F, T> {
    fn drop(&mut self) {
        self.stop(None);
    }
}

/// Passes a cancel of the Deferred on. It does not keep the coroutine alive.
struct CancelCoroutine<F: Future<Output = Output<T>> + 'static, T: 'static>(Weak<Coroutine<F, T>>);

impl<F: Future<Output = Output<T>> + 'static, T: 'static> Delegate for CancelCoroutine<F, T> {
    fn cancel(self: Arc<Self>, request: CancelRequest) {
        match self.0.upgrade() {
            Some(co) => co.cancel(request),
            None => request.give_up(),
        }
    }
}

/// The task of the loop that polls a coroutine when its [`Remote`] is woken.
struct Task<F: Future<Output = Output<T>> + 'static, T: 'static>(Arc<Coroutine<F, T>>);

impl<F: Future<Output = Output<T>> + 'static, T: 'static> Future for Task<F, T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let co = &self.0;
        let parts = co.0.get();
        parts.remote.task.register(cx.waker());
        if parts.remote.take_woken() && !parts.woken.replace(true) {
            co.run();
        }
        match parts.phase.get() {
            Phase::Over => Poll::Ready(()),
            Phase::Idle | Phase::Running => Poll::Pending,
        }
    }
}

impl<F: Future<Output = Output<T>> + 'static, T: 'static> Drop for Task<F, T> {
    fn drop(&mut self) {
        let co = &self.0;
        let parts = co.0.get();
        if parts.task.replace(TaskState::Dropped) == TaskState::Spawned
            && parts.phase.get() == Phase::Idle
        {
            co.stop_with_its_loop();
        }
    }
}
