//! Deferreds and threads: Twisted's `twisted.internet.threads`.
//!
//! Code that blocks goes to the threads that Tokio keeps for it
//! ([`defer_to_thread`]); threads that run beside Tokio reach into a runtime
//! ([`call_from_thread`], [`blocking_call_from_thread`]).
//!
//! The functions that are called may return whatever a callback may
//! ([`Outcome`]): a `Result`, so that `?` works in them, a [`Deferred`], or
//! nothing. A panic in one is a failure.
//!
//! # Examples
//!
//! ```
//! use tokio_deferred::threads;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let lines = threads::defer_to_thread(|| Ok(std::fs::read_to_string("Cargo.toml")?))
//!     .map(|text| text.lines().count());
//! assert!(lines.await.unwrap() > 1);
//! # }
//! ```

// Rules:
//
// [run or failed]   A call that a runtime takes is made, or its Deferred is fired
//                   with NoRuntime: the drop of the job does that.
// [one taker]       The function of a call is taken out under a lock by the one
//                   that disposes of it: the thread that calls it, a cancel, or
//                   the drop of the job. So a cancel that comes first drops the
//                   function at once, however long the queue is.
// [refused first]   Code that would block a thread that runs tasks is refused
//                   before anything runs.

use crate::bridge::{Work, WorkGuard, fail_start, failed_start, find_runtime, may_block};
use crate::chain::{Deferred, Outcome, Resolver};
use crate::failure::{DeferredError, Failure, NoRuntime, catch_and_log, discard, report};
use crate::sync::lock;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Arc, Mutex, mpsc};
use tokio::runtime::Handle;

pub use crate::failure::CannotBlock;

/// Calls `f` on a thread for blocking code, and returns a Deferred of what it
/// returns: Twisted's `deferToThread`.
///
/// The thread is one of those that the current Tokio runtime, else the default
/// one, keeps for that ([`tokio::task::spawn_blocking`]). The stages run on it
/// as well; [`Deferred::via`] moves them to a task.
///
/// A cancel fails the Deferred at once. If the call has not begun, it is never
/// made, and the cancelling thread drops `f`. A call that has begun cannot be
/// stopped: it runs to its end, and its result is dropped there. Where it was
/// started by the function given to
/// [`DeferredSemaphore::run`](crate::DeferredSemaphore::run) or
/// [`DeferredLock::run`](crate::DeferredLock::run), the permit comes back when
/// the call is over: no more calls run than the semaphore allows.
///
/// # Errors
///
/// Without a runtime, or when it shuts down before the call, `f` is dropped and
/// the failure is [`NoRuntime`]. So it is when the system has no thread left, of
/// which Tokio tells by a panic.
///
/// # Examples
///
/// ```
/// use tokio_deferred::threads;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let d = threads::defer_to_thread(|| Ok("42".parse::<u32>()?));
/// assert_eq!(d.await.unwrap(), 42);
/// # }
/// ```
#[doc(alias = "deferToThread")]
#[track_caller]
pub fn defer_to_thread<R: Outcome>(f: impl FnOnce() -> R + Send + 'static) -> Deferred<R::Output> {
    match find_runtime(None) {
        Ok(runtime) => defer_to_thread_on(&runtime, f),
        Err(none) => {
            give_up(f);
            let made = Location::caller();
            failed_start(Failure::from_error(none, made), made)
        }
    }
}

/// Calls `f` on a thread for blocking code of the runtime given; as
/// [`defer_to_thread`] in all else: Twisted's `deferToThreadPool`.
///
/// # Examples
///
/// ```
/// use tokio_deferred::threads;
///
/// let runtime = tokio::runtime::Runtime::new().unwrap();
/// let d = threads::defer_to_thread_on(runtime.handle(), || Ok(6 * 7));
/// assert_eq!(runtime.block_on(d).unwrap(), 42);
/// ```
#[doc(alias = "deferToThreadPool")]
#[track_caller]
pub fn defer_to_thread_on<R: Outcome>(
    handle: &Handle,
    f: impl FnOnce() -> R + Send + 'static,
) -> Deferred<R::Output> {
    let call = Arc::new(Call::new(f, Work::start()));
    let cancelled = call.clone();
    let (resolver, d) = Deferred::with_canceller(move || {
        cancelled.give_up();
        None
    });
    let d = d.fired_by("a thread");
    let job = Job::new(call, resolver, Location::caller());
    // Tokio panics if it cannot start a thread; then it drops the job.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| handle.spawn_blocking(|| job.run()))) {
        discard(payload);
    }
    d
}

/// Calls `f` on a thread for blocking code, and returns at once: Twisted's
/// `callInThread`.
///
/// A failure, [`NoRuntime`] included, is reported as unhandled.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
/// use tokio_deferred::threads;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let (tx, rx) = mpsc::channel();
/// threads::call_in_thread(move || Ok(tx.send("from a thread")?));
/// assert_eq!(rx.recv().unwrap(), "from a thread");
/// # }
/// ```
#[doc(alias = "callInThread")]
#[track_caller]
pub fn call_in_thread<R: Outcome>(f: impl FnOnce() -> R + Send + 'static) {
    defer_to_thread(f).log_errors();
}

/// Calls the functions of `fns` in order, on one thread for blocking code, and
/// returns at once: Twisted's `callMultipleInThread`.
///
/// The first that fails or panics is the last that is called; its failure is
/// reported as unhandled, as that of a Deferred that one returns is. Such a
/// Deferred is not waited for.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
/// use tokio_deferred::threads;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let (tx, rx) = mpsc::channel();
/// threads::call_multiple_in_thread((0..3).map(|n| {
///     let tx = tx.clone();
///     move || tx.send(n).unwrap()
/// }));
/// drop(tx);
/// assert_eq!(rx.iter().collect::<Vec<_>>(), [0, 1, 2]);
/// # }
/// ```
#[doc(alias = "callMultipleInThread")]
#[track_caller]
pub fn call_multiple_in_thread<F, R>(fns: impl IntoIterator<Item = F>)
where
    F: FnOnce() -> R + Send + 'static,
    R: Outcome,
{
    let made = Location::caller();
    let fns: Vec<F> = fns.into_iter().collect();
    call_in_thread(move || {
        for f in fns {
            match Deferred::came_of(f, made).try_result() {
                Ok(Ok(value)) => drop(value),
                Ok(Err(failure)) => return Err(failure),
                Err(pending) => pending.log_errors(),
            }
        }
        Ok(())
    });
}

/// Calls `f` in a task of the runtime given, from any thread, and returns at
/// once: Twisted's `callFromThread`.
///
/// A failure is reported as unhandled, and so is a [`NoRuntime`], if the
/// runtime is gone.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, threads};
///
/// let runtime = tokio::runtime::Runtime::new().unwrap();
/// let (resolver, d) = Deferred::new();
/// threads::call_from_thread(runtime.handle(), || resolver.callback(tokio::task::id()));
/// assert!(runtime.block_on(d).is_ok());
/// ```
#[doc(alias = "callFromThread")]
#[track_caller]
pub fn call_from_thread<R: Outcome>(handle: &Handle, f: impl FnOnce() -> R + Send + 'static) {
    call_on(handle, f, Location::caller()).log_errors();
}

/// Calls `f` in a task of the runtime given, waits on this thread for what it
/// returns, and returns that: Twisted's `blockingCallFromThread`.
///
/// If `f` returns a Deferred, its result is waited for. A runtime of the
/// current-thread flavor must be run by some other thread.
///
/// # Errors
///
/// - The failure of `f`, or of the Deferred that it returned; its panic.
/// - [`CannotBlock`] where Tokio does not allow to block (in a task, or in the
///   future given to `block_on`), where it could wait for itself for ever; `f`
///   is dropped. Such code awaits a Deferred instead. No panic is raised to find
///   that out.
/// - [`NoRuntime`] if the runtime is gone, or shuts down meanwhile.
///
/// # Examples
///
/// ```
/// use tokio_deferred::threads;
///
/// let runtime = tokio::runtime::Runtime::new().unwrap();
/// let n = threads::blocking_call_from_thread(runtime.handle(), || Ok("42".parse::<u32>()?));
/// assert_eq!(n.unwrap(), 42);
/// ```
#[doc(alias = "blockingCallFromThread")]
#[track_caller]
pub fn blocking_call_from_thread<R: Outcome>(
    handle: &Handle,
    f: impl FnOnce() -> R + Send + 'static,
) -> Result<R::Output, DeferredError> {
    let made = Location::caller();
    if !may_block() {
        give_up(f);
        return Err(Failure::from_error(CannotBlock::new(), made).into());
    }
    let (tx, rx) = mpsc::channel();
    call_on(handle, f, made).end(move |result| {
        if let Err(mpsc::SendError(Err(failure))) = tx.send(result) {
            report(failure, made, None);
        }
    });
    match rx.recv() {
        Ok(result) => result.map_err(DeferredError::from),
        Err(mpsc::RecvError) => Err(Failure::from_error(NoRuntime::shut_down(), made).into()),
    }
}

/// Calls `f` in a task; cancelling does not stop it.
fn call_on<R: Outcome>(
    handle: &Handle,
    f: impl FnOnce() -> R + Send + 'static,
    made: &'static Location<'static>,
) -> Deferred<R::Output> {
    let (resolver, d) = Deferred::new();
    let job = Job::new(Arc::new(Call::new(f, None)), resolver, made);
    handle.spawn(async move { job.run() });
    d.fired_by("a task")
}

/// Drops a call that is not made.
fn give_up<F>(f: F) {
    catch_and_log("the drop of a call that was not made", || drop(f));
}

/// A function that is to be called by another thread, unless a cancel comes
/// first.
struct Call<F> {
    /// [one taker].
    parts: Mutex<Option<(F, Option<WorkGuard>)>>,
}

impl<F> Call<F> {
    fn new(f: F, work: Option<WorkGuard>) -> Self {
        let parts = Mutex::new(Some((f, work)));
        Call { parts }
    }

    fn take(&self) -> Option<(F, Option<WorkGuard>)> {
        lock(&self.parts).take()
    }

    fn give_up(&self) {
        if let Some((f, work)) = self.take() {
            give_up(f);
            drop(work);
        }
    }
}

/// A call on its way to a thread: [run or failed].
struct Job<F, T: Send + 'static> {
    call: Arc<Call<F>>,
    resolver: Option<Resolver<T>>,
    made: &'static Location<'static>,
}

impl<F, R> Job<F, R::Output>
where
    F: FnOnce() -> R,
    R: Outcome,
{
    fn run(mut self) {
        let Some(resolver) = self.resolver.take() else {
            return;
        };
        match self.call.take() {
            Some((f, None)) => Deferred::came_of(f, self.made).chain_deferred(resolver),
            Some((f, Some(work))) => {
                let outcome = Deferred::came_of(f, self.made).finally(move || drop(work));
                outcome.chain_deferred(resolver);
            }
            // It was cancelled, and the cancel fires it.
            None => drop(resolver),
        }
    }
}

impl<F, T: Send + 'static> Job<F, T> {
    fn new(call: Arc<Call<F>>, resolver: Resolver<T>, made: &'static Location<'static>) -> Self {
        let resolver = Some(resolver);
        Job {
            call,
            resolver,
            made,
        }
    }
}

impl<F, T: Send + 'static> Drop for Job<F, T> {
    fn drop(&mut self) {
        if let Some(resolver) = self.resolver.take() {
            self.call.give_up();
            // The cancel that came first answers itself.
            if !resolver.is_cancelled() {
                fail_start(
                    resolver,
                    Failure::from_error(NoRuntime::shut_down(), self.made),
                    self.made,
                );
            }
        }
    }
}
