//! Timeouts: a Deferred that is cancelled at a deadline.
//!
//! Rules:
//!
//! - *\[named cancel\]* The reason of a timeout's cancel is an [`Expired`], which
//!   names its timeout. So a timeout knows a failure that came of its own cancel,
//!   whatever that went through, and leaves those of others alone.
//! - *\[answers\]* After the deadline a failure becomes [`TimedOut`]. A cancellation
//!   that came of the timeout's cancel says nothing else and is replaced; any
//!   other failure is the operation's answer and becomes the source. A value
//!   passes.
//! - *\[others' cancels\]* A [`Cancelled`] that came of another cancel stays what it
//!   is, also after the deadline.

use super::cancel_scope::{CancelScope, Met};
use crate::bridge::{deliver_failure, failed_start};
use crate::chain::{Deferred, Outcome};
use crate::core::CancelRequest;
use crate::failure::{Cancelled, Failure, NoRuntime, TimedOut, report};
use crate::sync::Numbers;
use crate::task::Clock;
use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// One timeout.
#[derive(Clone, Copy, Debug)]
struct Timeout {
    number: u64,
    after: Duration,
    made: &'static Location<'static>,
}

static NEXT: Numbers = Numbers::new();

/// Why a timeout cancels.
#[derive(Clone, Copy, Debug)]
enum Cause {
    Deadline,
    NoRuntime(NoRuntime),
}

/// The reason of a timeout's cancel. Its source says what it is.
#[derive(Debug)]
struct Expired {
    number: u64,
    error: ExpiredError,
}

#[derive(Debug)]
enum ExpiredError {
    TimedOut(TimedOut),
    NoRuntime(NoRuntime),
}

impl ExpiredError {
    fn error(&self) -> &(dyn Error + 'static) {
        match self {
            ExpiredError::TimedOut(error) => error,
            ExpiredError::NoRuntime(error) => error,
        }
    }
}

impl fmt::Display for Expired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.error.error(), f)
    }
}

impl Error for Expired {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.error.error())
    }
}

/// What a failure has to do with the cancel of a timeout that is over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// It is that cancel.
    Cancel,
    /// It is the operation's own word.
    Failure,
    /// Nothing: another cancel made it.
    None,
}

impl Timeout {
    fn new(after: Duration, made: &'static Location<'static>) -> Self {
        Timeout {
            number: NEXT.next(),
            after,
            made,
        }
    }

    fn request(&self, cause: Cause) -> CancelRequest {
        let number = self.number;
        let error = match cause {
            Cause::Deadline => ExpiredError::TimedOut(TimedOut::new(self.after)),
            Cause::NoRuntime(none) => ExpiredError::NoRuntime(none),
        };
        CancelRequest {
            reason: Some(Box::new(Expired { number, error })),
            quiet: false,
            at: self.made,
        }
    }

    /// What `failure`, which came after this timeout's cancel, has to do with
    /// that; it came `at_once` if it came before the cancel returned.
    fn answer(&self, failure: &Failure, at_once: bool) -> Answer {
        let cancelled = failure.error().downcast_ref::<Cancelled>();
        match (failure.check::<Expired>(), cancelled) {
            (Some(expired), _) if expired.number != self.number => Answer::None,
            (Some(_), Some(_)) => Answer::Cancel,
            (_, None) => Answer::Failure,
            // A canceller may answer with a `Cancelled` of its own.
            (None, Some(cancelled)) => match (at_once, &cancelled.reason) {
                (true, None) => Answer::Cancel,
                (true, Some(_)) => Answer::Failure,
                (false, _) => Answer::None,
            },
        }
    }

    /// Makes of a result that came after this timeout's cancel what the timeout
    /// says of it.
    fn translate<T>(
        &self,
        result: Result<T, Failure>,
        cause: Cause,
        at_once: bool,
    ) -> Result<T, Failure> {
        result.map_err(|failure| match (cause, self.answer(&failure, at_once)) {
            (_, Answer::None) => failure,
            (Cause::Deadline, Answer::Cancel) => {
                Failure::from_error(TimedOut::new(self.after), self.made)
            }
            (Cause::Deadline, Answer::Failure) => Failure::timed_out(self.after, failure),
            (Cause::NoRuntime(none), Answer::Cancel) => Failure::from_error(none, self.made),
            (Cause::NoRuntime(_), Answer::Failure) => failure,
        })
    }
}

/// What a timer does when it is due.
pub(crate) struct Strike<T> {
    scope: Arc<CancelScope<T, Cause>>,
    timeout: Timeout,
}

impl<T: Send + 'static> Strike<T> {
    /// The deadline came, or it will not, as there is no runtime any more.
    pub(crate) fn strike(self, due: Result<(), NoRuntime>) {
        let cause = match due {
            Ok(()) => Cause::Deadline,
            Err(none) => Cause::NoRuntime(none),
        };
        self.scope.strike(cause, self.timeout.request(cause));
    }

    /// Starts a timer of the runtime.
    fn on_the_clock(self) -> Result<impl FnOnce() + Send + 'static, NoRuntime> {
        let clock = Clock::find()?;
        let timer = clock.call_later(self.timeout.after, move |due| match due {
            Ok(()) => self.strike(due),
            // This may be inside of `call_later`.
            Err(_) => deliver_failure(self.timeout.made, move || self.strike(due)),
        });
        Ok(move || timer.stop())
    }
}

/// # Cancelling: in time
impl<T: Send + 'static> Deferred<T> {
    /// Cancels this Deferred if it has no result `after` from now; the failure
    /// that comes of that becomes [`TimedOut`]: Twisted's `addTimeout`.
    ///
    /// The limit is on the stages that were added before it: those that are added
    /// behind it have all the time they want. If a stage is running at the
    /// deadline, the cancel reaches what that stage returns. When the result comes
    /// first, the timer is stopped, and nothing of it is left.
    ///
    /// What comes of the cancel:
    ///
    /// | the operation | the result |
    /// |---|---|
    /// | has no canceller, or one that answers `None` | `TimedOut` |
    /// | fails, at once or later, with its own error | `TimedOut`, whose `source()` is that failure |
    /// | answers with a value | that value |
    /// | was cancelled by somebody else, and fails with that `Cancelled` | that `Cancelled` |
    /// | does not end | none, also after the deadline |
    ///
    /// The last row is a loop that takes the cancel for one more error. A
    /// coroutine gets a cancel as the failure of what it awaits, and may go on: one
    /// that retries on *any* error retries on its own timeout, too, and never ends:
    ///
    /// ```
    /// use std::time::Duration;
    /// use tokio_deferred::{Deferred, DeferredError};
    ///
    /// # async fn call() -> Result<u32, DeferredError> {
    /// #     let (_resolver, d) = Deferred::<u32>::new();
    /// #     d.add_timeout(Duration::from_secs(1)).await
    /// # }
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// let d = Deferred::from_coroutine(async {
    ///     loop {
    ///         match call().await {
    ///             // A cancel comes from outside: it ends the loop.
    ///             Err(error) if error.is_cancelled() => return Err(error),
    ///             Err(_) => continue,
    ///             Ok(value) => return Ok(value),
    ///         }
    ///     }
    /// });
    /// let error = d.add_timeout(Duration::from_millis(2500)).await.unwrap_err();
    /// assert!(error.is_timed_out());
    /// # }
    /// ```
    ///
    /// The deadline comes also if the thread that added the timeout blocks, and on
    /// a multi-thread runtime also if other workers block. The cancel, and the
    /// stages that its failure runs, run in a task of the runtime.
    ///
    /// # Errors
    ///
    /// Without a Tokio runtime (the current one, or the one of
    /// [`set_default_runtime`](crate::set_default_runtime)), or without timers
    /// in it, a limit cannot be kept: the Deferred is cancelled, and the
    /// failure is [`NoRuntime`]. The same becomes of it if the runtime shuts
    /// down before the deadline. One that has its result needs no runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use tokio_deferred::Deferred;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// let (resolver, d) = Deferred::<()>::new();
    /// let d = d.add_timeout(Duration::from_secs(5));
    /// assert!(d.await.unwrap_err().is_timed_out());
    /// assert!(resolver.is_cancelled());
    /// # }
    /// ```
    #[doc(alias = "addTimeout")]
    #[track_caller]
    pub fn add_timeout(self, after: Duration) -> Deferred<T> {
        self.add_timeout_by_timer(after, Location::caller(), Strike::on_the_clock)
    }

    /// As [`add_timeout`](Deferred::add_timeout), with a timer that `start`
    /// starts, and which the function that it returns stops.
    pub(crate) fn add_timeout_by_timer<S: FnOnce() + Send + 'static>(
        self,
        after: Duration,
        made: &'static Location<'static>,
        start: impl FnOnce(Strike<T>) -> Result<S, NoRuntime>,
    ) -> Deferred<T> {
        let timeout = Timeout::new(after, made);
        let late = move |result, at_once| timeout.translate(result, Cause::Deadline, at_once);
        self.pass_through(|d| d.limit(timeout, late, start))
    }

    /// Cancels this Deferred if it has no result `after` from now, and makes
    /// of what then comes what `f` returns: Twisted's `addTimeout` with
    /// `onTimeoutCancel`.
    ///
    /// `f` runs only if the deadline was first, and then gets the result as it
    /// is: most often a [`Cancelled`], which
    /// [`is_timed_out`](Failure::is_timed_out) as well. If the result comes first,
    /// `f` is dropped by the thread that brings it. In all else this is
    /// [`add_timeout`](Deferred::add_timeout).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use tokio_deferred::Deferred;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// let (_resolver, d) = Deferred::new();
    /// let d = d.add_timeout_with(Duration::from_secs(5), |result| {
    ///     assert!(result.is_err_and(|failure| failure.is_cancelled()));
    ///     Ok("the cached page")
    /// });
    /// assert_eq!(d.await.unwrap(), "the cached page");
    /// # }
    /// ```
    #[doc(alias = "addTimeout")]
    #[doc(alias = "onTimeoutCancel")]
    #[track_caller]
    pub fn add_timeout_with<R: Outcome<Output = T>>(
        self,
        after: Duration,
        f: impl FnOnce(Result<T, Failure>) -> R + Send + 'static,
    ) -> Deferred<T> {
        self.add_timeout_with_by_timer(after, Location::caller(), f, Strike::on_the_clock)
    }

    /// As [`add_timeout_with`](Deferred::add_timeout_with), with a timer as in
    /// [`add_timeout_by_timer`](Deferred::add_timeout_by_timer).
    pub(crate) fn add_timeout_with_by_timer<R, S>(
        self,
        after: Duration,
        made: &'static Location<'static>,
        f: impl FnOnce(Result<T, Failure>) -> R + Send + 'static,
        start: impl FnOnce(Strike<T>) -> Result<S, NoRuntime>,
    ) -> Deferred<T>
    where
        R: Outcome<Output = T>,
        S: FnOnce() + Send + 'static,
    {
        let timeout = Timeout::new(after, made);
        self.pass_through(|d| d.limit(timeout, move |result, _| f(result), start))
    }

    #[track_caller]
    fn limit<R, S>(
        mut self,
        timeout: Timeout,
        late: impl FnOnce(Result<T, Failure>, bool) -> R + Send + 'static,
        start: impl FnOnce(Strike<T>) -> Result<S, NoRuntime>,
    ) -> Deferred<T>
    where
        R: Outcome<Output = T>,
        S: FnOnce() + Send + 'static,
    {
        // Where `late` is not called, its drop is a stage's: a panic in it is
        // the failure. It comes before the result is made, as in the stages of
        // a chain.
        if self.is_fired() {
            return self.finally(move || drop(late));
        }
        let made = timeout.made;
        let limit = CancelScope::new(self.core_handle(), made);
        let strike = Strike {
            scope: limit.clone(),
            timeout,
        };
        let stop = match start(strike) {
            Ok(stop) => stop,
            Err(none) => {
                let failed = self.without_clock(timeout, none);
                return failed.finally(move || drop(late));
            }
        };
        self.add_both(move |result| match limit.meet(result) {
            Met::First(result) => {
                stop();
                drop(late);
                Deferred::ready(result, made)
            }
            Met::Struck {
                result,
                cause: Cause::Deadline,
                at_once,
            } => result.add_both(move |result| late(result, at_once)),
            Met::Struck {
                result,
                cause,
                at_once,
            } => {
                drop(late);
                result.add_both(move |result| timeout.translate(result, cause, at_once))
            }
        })
    }

    /// Cancels this Deferred because no limit can be kept.
    fn without_clock(mut self, timeout: Timeout, none: NoRuntime) -> Deferred<T> {
        let (made, handle) = (timeout.made, self.core_handle());
        self.end(move |result| match result {
            Err(failure) if !failure.is_cancelled() => report(failure, made, None),
            _ => {}
        });
        handle.cancel(timeout.request(Cause::NoRuntime(none)));
        failed_start(Failure::from_error(none, made), made)
    }
}
