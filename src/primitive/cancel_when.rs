//! Cancelling when a signal comes.

use super::cancel_scope::{CancelScope, Met};
use crate::bridge::{deliver_failure, enter, runtime_to_enter, spawn_or};
use crate::chain::Deferred;
use crate::core::CancelRequest;
use crate::failure::{BoxError, DeferredError, Failure, NoRuntime, catch_and_log};
use futures::FutureExt;
use std::any::Any;
use std::panic::{AssertUnwindSafe, Location};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// A signal, with its panic caught.
type Wakeup = Pin<Box<dyn Future<Output = Result<(), Box<dyn Any + Send>>> + Send>>;

/// A signal, the drop of which may come in a task that nobody looks at.
struct Signal(Option<Wakeup>);

impl Signal {
    fn new(signal: impl Future<Output = ()> + Send + 'static) -> Self {
        Signal(Some(Box::pin(AssertUnwindSafe(signal).catch_unwind())))
    }
}

impl Future for Signal {
    type Output = Result<(), Box<dyn Any + Send>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Some(signal) => signal.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        let signal = self.0.take();
        catch_and_log("the drop of a signal", || drop(signal));
    }
}

/// Who waits for the signal. Dropped before it came, it cancels as well: a
/// signal that is lost can be heeded no more.
struct Watch<T: Send + 'static> {
    limit: Option<Arc<CancelScope<T, ()>>>,
    made: &'static Location<'static>,
}

impl<T: Send + 'static> Watch<T> {
    fn cancel(&mut self, reason: Option<BoxError>) {
        if let Some(limit) = self.limit.take() {
            let (quiet, at) = (false, self.made);
            limit.strike((), CancelRequest { reason, quiet, at });
        }
    }

    /// What came of the signal: a panic in it is the reason.
    fn ended(mut self, signal: Result<(), Box<dyn Any + Send>>) {
        let panicked = |payload| DeferredError::from(Failure::panicked(payload, self.made));
        let reason = signal.err().map(panicked);
        self.cancel(reason.map(Into::into));
    }
}

impl<T: Send + 'static> Drop for Watch<T> {
    fn drop(&mut self) {
        if let Some(limit) = self.limit.take() {
            let (made, reason) = (self.made, Some(NoRuntime::shut_down().into()));
            let (quiet, at) = (false, made);
            // This may be inside of `cancel_when`.
            deliver_failure(made, move || {
                limit.strike((), CancelRequest { reason, quiet, at });
            });
        }
    }
}

/// # Cancelling: by a signal
impl<T: Send + 'static> Deferred<T> {
    /// Cancels this Deferred when `signal` completes, if there is no result by
    /// then.
    ///
    /// The signal is polled once, now; if it is ready, the Deferred is cancelled
    /// before `cancel_when` returns, and no runtime is needed. If not, a task
    /// of the current runtime, else of the default one, waits for it. The task
    /// ends, and the signal is dropped, when the result comes first. As with
    /// [`add_timeout`](Deferred::add_timeout), the cancel strikes what was
    /// added before, not what is added behind.
    ///
    /// # Errors
    ///
    /// The cancel's failure is [`Cancelled`](crate::Cancelled). It has a reason
    /// where the signal cannot be heeded: [`NoRuntime`] without a runtime to
    /// wait in, or when that shuts down; the signal's panic, if it panics.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::Deferred;
    /// use tokio_util::sync::CancellationToken;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let token = CancellationToken::new();
    /// let (_resolver, d) = Deferred::<()>::new();
    /// let d = d.cancel_when(token.clone().cancelled_owned());
    /// token.cancel();
    /// assert!(d.await.unwrap_err().is_cancelled());
    /// # }
    /// ```
    #[track_caller]
    pub fn cancel_when(self, signal: impl Future<Output = ()> + Send + 'static) -> Deferred<T> {
        if self.is_fired() {
            drop(Signal::new(signal));
            return self;
        }
        let made = Location::caller();
        self.pass_through(|d| d.cancelled_by(signal, made))
    }

    fn cancelled_by(
        mut self,
        signal: impl Future<Output = ()> + Send + 'static,
        made: &'static Location<'static>,
    ) -> Deferred<T> {
        let limit = CancelScope::new(self.core_handle(), made);
        let watch = Watch {
            limit: Some(limit.clone()),
            made,
        };
        let mut signal = Signal::new(signal);
        let task = match first_poll(&mut signal) {
            Poll::Ready(outcome) => {
                drop(signal);
                watch.ended(outcome);
                None
            }
            Poll::Pending => {
                let waiting = async move { watch.ended(signal.await) };
                // Without a runtime the future comes back; its drop cancels.
                spawn_or(None, waiting).ok()
            }
        };
        self.add_both(move |result| match limit.meet(result) {
            Met::First(result) => {
                if let Some(task) = task {
                    task.abort();
                }
                Deferred::ready(result, made)
            }
            Met::Struck { result, .. } => result,
        })
    }
}

/// Polls outside of the budget of a surrounding task.
fn first_poll(signal: &mut Signal) -> Poll<<Signal as Future>::Output> {
    let to_enter = runtime_to_enter(None);
    let _entered = to_enter.as_ref().and_then(enter);
    let first = tokio::task::unconstrained(signal);
    // What the signal awaits is not awaited by a coroutine that calls us. A
    // panic is caught inside of the signal.
    let awaited = crate::chain::enter(Default::default());
    let polled = pin!(first).poll(&mut Context::from_waker(Waker::noop()));
    drop(awaited.leave());
    polled
}
