//! A call that is made again and again, at fixed times.
//!
//! Each start is a run: a coroutine that sleeps, calls, and waits for what the
//! call returned. By the fields of [`Run`]:
//!
//! 1. `calling`: the coroutine has the function, and waits for nothing but the
//!    Deferred of the call. A stop is noted, and ends the run after the call.
//! 2. Not `calling`: the coroutine sleeps. Who stops takes the run away, fires
//!    its Deferred, and has the coroutine dropped.
//! 3. The coroutine calls only while the run that is there has its number: a
//!    stop that finds it woken already comes first.
//!
//! The lock is held over no code of the user's.

use super::Clock;
use crate::bridge::failed_start;
use crate::chain::{Deferred, Outcome, Resolver};
use crate::core::{CancelRequest, Delegate, Handle};
use crate::failure::Failure;
use crate::sync::lock;
use futures::future::{Either, select};
use std::fmt;
use std::panic::Location;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The function, given how many intervals went by.
type Function = Box<dyn FnMut(u64) -> Deferred<()> + Send>;

/// Calls a function at fixed intervals: Twisted's `LoopingCall`.
///
/// The calls are made at the start and at whole intervals after it, however
/// long each of them takes, so the times do not drift. A call may return a
/// [`Deferred`]: the next is made at the first interval after that fired, and
/// those that went by meanwhile are skipped;
/// [`with_count`](LoopingCall::with_count) tells how many.
///
/// Clones are the same LoopingCall. Dropping it does not stop it.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
/// use std::time::Duration;
/// use tokio_deferred::task::LoopingCall;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// let (tx, rx) = mpsc::channel();
/// let start = tokio::time::Instant::now();
/// let tick = LoopingCall::new(move || Ok(tx.send(start.elapsed().as_secs())?));
/// let ended = tick.start(Duration::from_secs(10));
/// tokio::time::sleep(Duration::from_secs(25)).await;
/// tick.stop();
/// ended.await.unwrap();
/// assert_eq!(rx.try_iter().collect::<Vec<_>>(), [0, 10, 20]);
/// # }
/// ```
#[derive(Clone)]
pub struct LoopingCall {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
}

struct State {
    /// Not there while it is called.
    function: Option<Function>,
    run: Option<Run>,
    runs: u64,
}

struct Run {
    number: u64,
    clock: Clock,
    interval: Duration,
    /// From where the intervals are counted, and how many were told.
    since: Instant,
    told: u128,
    /// Whether the first call was not to wait for an interval's end.
    at_once: bool,
    calling: bool,
    stopping: bool,
    resolver: Resolver<()>,
    /// Cancels the coroutine; none before its first wait.
    coroutine: Option<Handle>,
    /// Wakes it to look at the times again.
    changed: Arc<Notify>,
}

/// The LoopingCall was started while it ran.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tokio_deferred::{task::{AlreadyRunning, LoopingCall}, testing};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let call = LoopingCall::new(|| ());
/// let running = call.start(Duration::from_secs(1));
/// let second = call.start(Duration::from_secs(1));
/// assert!(testing::failure_of(second).is::<AlreadyRunning>());
/// call.stop();
/// running.await.unwrap();
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the looping call runs already")]
#[non_exhaustive]
pub struct AlreadyRunning;

/// Passes a cancel on to a run's coroutine.
struct Cancel {
    shared: Arc<Shared>,
    number: u64,
}

impl Delegate for Cancel {
    fn cancel(self: Arc<Self>, request: CancelRequest) {
        let coroutine = self
            .shared
            .with_run(self.number, |run| run.coroutine.clone());
        if let Some(Some(coroutine)) = coroutine {
            coroutine.cancel(request);
        }
    }
}

impl LoopingCall {
    /// Makes a LoopingCall of `f`, which is not called before
    /// [`start`](LoopingCall::start).
    pub fn new<R: Outcome>(mut f: impl FnMut() -> R + Send + 'static) -> Self {
        Self::with_count(move |_| f())
    }

    /// Makes a LoopingCall whose function is told how many intervals have
    /// ended since it was called last: 1 if none was skipped. Twisted's
    /// `LoopingCall.withCount`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use std::time::Duration;
    /// use tokio_deferred::task::{LoopingCall, defer_later};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// let (tx, rx) = mpsc::channel();
    /// let slow = LoopingCall::with_count(move |count| {
    ///     let _ = tx.send(count);
    ///     defer_later(Duration::from_secs(25), || Ok(()))
    /// });
    /// let ended = slow.start(Duration::from_secs(10));
    /// tokio::time::sleep(Duration::from_secs(50)).await;
    /// slow.stop(); // while a call waits, which is waited for
    /// ended.await.unwrap();
    /// assert_eq!(rx.try_iter().collect::<Vec<_>>(), [1, 3]);
    /// # }
    /// ```
    #[doc(alias = "withCount")]
    #[track_caller]
    pub fn with_count<R: Outcome>(mut f: impl FnMut(u64) -> R + Send + 'static) -> Self {
        let made = Location::caller();
        let function: Function = Box::new(move |count| f(count).into_deferred(made).map(drop));
        let state = Mutex::new(State {
            function: Some(function),
            run: None,
            runs: 0,
        });
        let shared = Arc::new(Shared { state });
        LoopingCall { shared }
    }

    /// Calls the function now, on this thread, and then at every `interval`,
    /// until it is stopped.
    ///
    /// The Deferred fires when it was [stopped](LoopingCall::stop), with a
    /// failure when a call fails or panics, which ends the calls. Cancelling it
    /// cancels the Deferred that a call has returned, or else ends the calls.
    /// An interval of zero calls as often as the runtime's other tasks allow.
    ///
    /// # Errors
    ///
    /// [`AlreadyRunning`], if it was started and has not ended;
    /// [`NoRuntime`](crate::NoRuntime) without a Tokio runtime or timers in it,
    /// and then nothing is called.
    #[track_caller]
    pub fn start(&self, interval: Duration) -> Deferred<()> {
        self.run(interval, true)
    }

    /// Makes the first call after one `interval`; as
    /// [`start`](LoopingCall::start) in all else: Twisted's `start` with `now`
    /// false.
    ///
    /// # Errors
    ///
    /// As `start`.
    #[track_caller]
    pub fn start_later(&self, interval: Duration) -> Deferred<()> {
        self.run(interval, false)
    }

    /// Ends the calls. The Deferred that [`start`](LoopingCall::start) returned
    /// fires now; if a call is being made or its Deferred waited for, after
    /// that. Does nothing if it does not run.
    pub fn stop(&self) {
        let mut state = lock(&self.shared.state);
        let run = match &mut state.run {
            Some(run) if run.calling => {
                run.stopping = true;
                None
            }
            _ => state.run.take(),
        };
        drop(state);
        if let Some(run) = run {
            run.resolver.callback(());
            if let Some(coroutine) = run.coroutine {
                dismiss(&coroutine);
            }
        }
    }

    /// Counts the intervals from now on: the next call is made one interval
    /// from now. Does nothing if it does not run, or while a call is being
    /// made.
    pub fn reset(&self) {
        let mut state = lock(&self.shared.state);
        if let Some(run) = state.run.as_mut().filter(|run| !run.calling) {
            run.since = run.clock.now();
            run.told = 0;
            run.at_once = false;
            run.changed.notify_one();
        }
    }

    /// Returns the interval, if it runs.
    pub fn interval(&self) -> Option<Duration> {
        lock(&self.shared.state)
            .run
            .as_ref()
            .map(|run| run.interval)
    }

    /// Returns whether it was started and not stopped.
    #[doc(alias = "running")]
    pub fn is_running(&self) -> bool {
        let state = lock(&self.shared.state);
        state.run.as_ref().is_some_and(|run| !run.stopping)
    }

    #[track_caller]
    fn run(&self, interval: Duration, at_once: bool) -> Deferred<()> {
        let made = Location::caller();
        let clock = match Clock::find() {
            Ok(clock) => clock,
            Err(none) => return failed_start(Failure::from_error(none, made), made),
        };
        let now = clock.now();
        let shared = &self.shared;
        let mut state = lock(&shared.state);
        if state.run.is_some() {
            drop(state);
            return failed_start(Failure::from_error(AlreadyRunning, made), made);
        }
        state.runs += 1;
        let number = state.runs;
        let cancel = Arc::new(Cancel {
            shared: shared.clone(),
            number,
        });
        let (resolver, d) = Deferred::with_delegate(made, cancel);
        let d = d.fired_by("a looping call");
        let changed = Arc::new(Notify::new());
        state.run = Some(Run {
            number,
            clock: clock.clone(),
            interval,
            since: now,
            told: 0,
            at_once,
            calling: false,
            stopping: false,
            resolver,
            coroutine: None,
            changed: changed.clone(),
        });
        drop(state);
        let calls = shared.clone().calls(number, clock, changed, at_once);
        let mut calls = Deferred::from_coroutine(calls);
        let coroutine = calls.core_handle();
        let ending = shared.clone();
        calls.end(move |result| ending.finish(number, result));
        let mut coroutine = Some(coroutine);
        shared.with_run(number, |run| run.coroutine = coroutine.take());
        // It was stopped from elsewhere before there was a handle.
        if let Some(coroutine) = coroutine {
            dismiss(&coroutine);
        }
        d
    }
}

/// Has a run's coroutine dropped. Its Deferred was fired before.
fn dismiss(coroutine: &Handle) {
    coroutine.cancel(CancelRequest::unwanted(Location::caller()));
}

impl Run {
    /// How many intervals there were before `now`, a first call at once
    /// included.
    fn reached(&self, now: Instant) -> u128 {
        let elapsed = now.duration_since(self.since).as_nanos();
        elapsed / self.interval.as_nanos() + u128::from(self.at_once)
    }

    /// The end of the interval that `now` is in.
    fn next(&self, now: Instant) -> Instant {
        let elapsed = now.duration_since(self.since).as_nanos();
        let into = elapsed % self.interval.as_nanos();
        Clock::deadline(now, self.interval.saturating_sub(nanos(into)))
    }
}

/// The duration of `n` nanoseconds, of which there are less than in one that
/// exists.
fn nanos(n: u128) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    Duration::new((n / SECOND) as u64, (n % SECOND) as u32)
}

/// What a coroutine that wants to call finds.
enum Begin {
    /// The run is over.
    Gone,
    /// The interval has not ended yet.
    Early,
    Call(Function, u64),
}

impl Shared {
    /// The coroutine of a run.
    async fn calls(
        self: Arc<Self>,
        number: u64,
        clock: Clock,
        changed: Arc<Notify>,
        mut due: bool,
    ) -> Result<(), Failure> {
        loop {
            if !due && !self.sleep(number, &clock, &changed).await {
                return Ok(());
            }
            due = false;
            let (mut function, count) = match self.begin(number, clock.now()) {
                Begin::Gone => return Ok(()),
                Begin::Early => continue,
                Begin::Call(function, count) => (function, count),
            };
            #[cfg(tokio_deferred_break)]
            if crate::fault_injection::strikes(crate::fault_injection::Fault::DoubleRun) {
                drop(function(count));
            }
            let called = Deferred::maybe(|| function(count));
            lock(&self.state).function = Some(function);
            called.await?;
            let stopped = self.with_run(number, |run| {
                run.calling = false;
                run.stopping
            });
            if stopped != Some(false) {
                return Ok(());
            }
        }
    }

    /// Waits for the next call's time; false if the run is over.
    async fn sleep(&self, number: u64, clock: &Clock, changed: &Notify) -> bool {
        loop {
            let now = clock.now();
            let next = self.with_run(number, |run| {
                (!run.interval.is_zero()).then(|| run.next(now))
            });
            match next {
                None => return false,
                Some(None) => {
                    tokio::task::yield_now().await;
                    return true;
                }
                Some(Some(deadline)) => {
                    let timer = pin!(clock.sleep_until(deadline));
                    let changed = pin!(changed.notified());
                    match select(timer, changed).await {
                        Either::Left(_) => return true,
                        Either::Right(_) => {}
                    }
                }
            }
        }
    }

    fn begin(&self, number: u64, now: Instant) -> Begin {
        let mut state = lock(&self.state);
        let State { function, run, .. } = &mut *state;
        let Some(run) = run.as_mut().filter(|run| run.number == number) else {
            return Begin::Gone;
        };
        let count = if run.interval.is_zero() {
            1
        } else {
            let reached = run.reached(now);
            let count = reached - run.told;
            run.told = reached;
            u64::try_from(count).unwrap_or(u64::MAX)
        };
        if count == 0 {
            return Begin::Early;
        }
        // It was put back before the last call's Deferred was waited for.
        match function.take() {
            Some(function) => {
                run.calling = true;
                Begin::Call(function, count)
            }
            None => Begin::Gone,
        }
    }

    /// Ends a run whose coroutine is over.
    fn finish(&self, number: u64, result: Result<(), Failure>) {
        let run = lock(&self.state).run.take_if(|run| run.number == number);
        if let Some(run) = run {
            run.resolver.fire(result);
        }
    }

    fn with_run<R>(&self, number: u64, f: impl FnOnce(&mut Run) -> R) -> Option<R> {
        let mut state = lock(&self.state);
        state.run.as_mut().filter(|run| run.number == number).map(f)
    }
}

impl fmt::Debug for LoopingCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopingCall")
            .field("interval", &self.interval())
            .field("running", &self.is_running())
            .finish()
    }
}
