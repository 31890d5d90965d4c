//! Limits of local chains: a deadline, or a signal. Both are futures that a
//! local coroutine waits for, on this thread.

use super::coroutine::{AtCancel, start};
use super::{LocalDeferred, LocalOutcome, OnThread};
use crate::chain::Deferred;
use crate::core::{CancelRequest, Handle};
use crate::failure::{DeferredError, Failure, NoRuntime, catch_and_log, discard};
use crate::primitive::{CancelScope, Met, Strike};
use futures::FutureExt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::time::Duration;

/// Calls `then` when `signal` has ended. Returns what cancels it: then the
/// signal is dropped.
fn when_ended(
    signal: impl Future<Output = ()> + 'static,
    then: impl FnOnce(Result<(), Failure>) + Send + 'static,
    made: &'static Location<'static>,
) -> Handle {
    let signal = start(signal.map(Ok), AtCancel::Drop, made);
    let mut signal = signal.into_confined_deferred();
    let handle = signal.core_handle();
    signal.end(move |ended: Result<OnThread<()>, Failure>| {
        then(ended.map(OnThread::into_inner));
    });
    handle
}

/// Starts a timer that is the future which `sleep` makes.
fn start_timer<T: Send + 'static, S: Future<Output = ()> + 'static>(
    strike: Strike<T>,
    sleep: impl FnOnce() -> S,
    made: &'static Location<'static>,
) -> Result<impl FnOnce() + Send + 'static, NoRuntime> {
    // Tokio's panics where there is no runtime, or no timer in it.
    let sleep = catch_unwind(AssertUnwindSafe(sleep)).map_err(|payload| {
        discard(payload);
        NoRuntime::no_timer()
    })?;
    let timer = when_ended(
        sleep,
        move |ended| {
            strike.strike(ended.map_err(|failure| match failure.check() {
                Some(none) => *none,
                None => NoRuntime::no_timer(), // it panicked
            }));
        },
        made,
    );
    Ok(move || {
        timer.cancel(CancelRequest::unwanted(made));
    })
}

impl<T: 'static> LocalDeferred<T> {
    /// Cancels this Deferred if it has no result `after` from now, by Tokio's
    /// timer; as [`Deferred::add_timeout`].
    ///
    /// The cancel, and the stages that its failure runs, run on this thread.
    ///
    /// # Errors
    ///
    /// Without a current Tokio runtime, without timers in it, or without a
    /// loop on this thread ([`set_spawner`](super::set_spawner)), a limit
    /// cannot be kept: the Deferred is cancelled, and the failure is
    /// [`NoRuntime`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    /// use std::time::Duration;
    /// use tokio::task::LocalSet;
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// # LocalSet::new().run_until(async {
    /// let (resolver, d) = LocalDeferred::<Rc<()>>::new();
    /// let d = d.add_timeout(Duration::from_secs(5));
    /// assert!(d.await.unwrap_err().is_timed_out());
    /// assert!(resolver.is_cancelled());
    /// # }).await }
    /// ```
    #[doc(alias = "addTimeout")]
    #[track_caller]
    pub fn add_timeout(self, after: Duration) -> LocalDeferred<T> {
        self.add_timeout_by(after, tokio::time::sleep)
    }

    /// Cancels this Deferred if it has no result when the future is ready that
    /// `sleep` makes of `after`: the timer of any loop. As
    /// [`add_timeout`](LocalDeferred::add_timeout) in all else.
    ///
    /// `sleep` is called at once, unless the result is there. Its future is
    /// polled on this thread, and dropped when the result comes first.
    ///
    /// # Errors
    ///
    /// If the thread has no loop, or `sleep` or its future panics, the failure
    /// is [`NoRuntime`].
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::channel::oneshot;
    /// use futures::executor::LocalPool;
    /// use futures::FutureExt;
    /// use std::time::Duration;
    /// use tokio_deferred::local::{self, LocalDeferred};
    ///
    /// /// The timer of a loop; glib's is `glib::timeout_future`.
    /// async fn sleep(after: Duration) {
    ///     let (tx, rx) = oneshot::channel();
    ///     std::thread::spawn(move || {
    ///         std::thread::sleep(after);
    ///         tx.send(())
    ///     });
    ///     rx.map(drop).await
    /// }
    ///
    /// let mut pool = LocalPool::new();
    /// local::set_spawner(pool.spawner());
    /// let (_resolver, d) = LocalDeferred::<()>::new();
    /// let d = d.add_timeout_by(Duration::from_millis(1), sleep);
    /// assert!(pool.run_until(d).unwrap_err().is_timed_out());
    /// ```
    #[track_caller]
    pub fn add_timeout_by<S: Future<Output = ()> + 'static>(
        self,
        after: Duration,
        sleep: impl FnOnce(Duration) -> S,
    ) -> LocalDeferred<T> {
        let made = Location::caller();
        let timer = |strike| start_timer(strike, || sleep(after), made);
        LocalDeferred::wrap(
            self.inner
                .into_inner()
                .add_timeout_by_timer(after, made, timer),
        )
    }

    /// Cancels this Deferred if it has no result `after` from now, by Tokio's
    /// timer, and makes of what then comes what `f` returns; as
    /// [`Deferred::add_timeout_with`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    /// use std::time::Duration;
    /// use tokio::task::LocalSet;
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// # LocalSet::new().run_until(async {
    /// let cached = Rc::new("the cached page");
    /// let (_resolver, d) = LocalDeferred::new();
    /// let d = d.add_timeout_with(Duration::from_secs(5), move |_result| Ok(cached));
    /// assert_eq!(*d.await.unwrap(), "the cached page");
    /// # }).await }
    /// ```
    #[doc(alias = "onTimeoutCancel")]
    #[track_caller]
    pub fn add_timeout_with<R: LocalOutcome<Output = T>>(
        self,
        after: Duration,
        f: impl FnOnce(Result<T, Failure>) -> R + 'static,
    ) -> LocalDeferred<T> {
        let made = Location::caller();
        let f = OnThread::new(f);
        let f = move |result: Result<OnThread<T>, Failure>| {
            OnThread::new(f.into_inner()(result.map(OnThread::into_inner)))
        };
        let timer = |strike| start_timer(strike, || tokio::time::sleep(after), made);
        LocalDeferred::wrap(
            self.inner
                .into_inner()
                .add_timeout_with_by_timer(after, made, f, timer),
        )
    }

    /// Cancels this Deferred when `signal` completes, if there is no result by
    /// then; as [`Deferred::cancel_when`].
    ///
    /// The signal need not be `Send`. It is polled once, now, then by this
    /// thread's loop, and dropped when the result comes first.
    ///
    /// # Errors
    ///
    /// The cancel's failure is [`Cancelled`](crate::Cancelled). It has a reason
    /// where the signal cannot be heeded: [`NoRuntime`]
    /// without a loop to wait in; the signal's panic, if it panics.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let (closed, closing) = LocalDeferred::<()>::new();
    /// let (resolver, d) = LocalDeferred::<i32>::new();
    /// let d = d.cancel_when(async { drop(closing.await) }); // needs no loop
    /// closed.callback(());
    /// assert!(resolver.is_cancelled());
    /// assert!(d.try_result().unwrap().unwrap_err().is_cancelled());
    /// ```
    #[track_caller]
    pub fn cancel_when(mut self, signal: impl Future<Output = ()> + 'static) -> LocalDeferred<T> {
        if self.is_fired() {
            catch_and_log("the drop of a signal", || drop(signal));
            return self;
        }
        let made = Location::caller();
        let scope = CancelScope::new(self.inner.core_handle(), made);
        let struck = scope.clone();
        let signal = when_ended(
            signal,
            move |ended| {
                let reason = ended
                    .err()
                    .map(|failure| DeferredError::from(failure).into());
                let (quiet, at) = (false, made);
                struck.strike((), CancelRequest { reason, quiet, at });
            },
            made,
        );
        LocalDeferred::wrap(self.inner.into_inner().add_both(
            move |result| match scope.meet(result) {
                Met::First(result) => {
                    signal.cancel(CancelRequest::unwanted(made));
                    Deferred::ready(result, made)
                }
                Met::Struck { result, .. } => result,
            },
        ))
    }
}
