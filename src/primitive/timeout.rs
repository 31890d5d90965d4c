//! Timeouts: a Deferred that is cancelled at a deadline.
//!
//! The reason of that cancel is an [`Expired`], which names its timeout: so a
//! timeout knows its own cancellation again, whatever it went through, and
//! leaves those from elsewhere alone. What an [`Expired`] says is its source.

use super::cancel_scope::{CancelScope, Met};
use crate::chain::{Deferred, Outcome};
use crate::core::CancelRequest;
use crate::failure::{Cancelled, Failure, NoRuntime, TimedOut, report};
use crate::sync::Numbers;
use crate::task::Clock;
use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

/// One timeout.
#[derive(Clone, Copy, Debug)]
struct Timeout {
    number: u64,
    after: TimedOut,
    made: &'static Location<'static>,
}

static NEXT: Numbers = Numbers::new();

/// Why a timeout cancels.
#[derive(Clone, Copy, Debug)]
enum Cause {
    TimedOut(TimedOut),
    NoRuntime(NoRuntime),
}

impl Cause {
    fn error(&self) -> &(dyn Error + 'static) {
        match self {
            Cause::TimedOut(error) => error,
            Cause::NoRuntime(error) => error,
        }
    }
}

/// The reason of a timeout's cancel.
#[derive(Debug)]
struct Expired {
    number: u64,
    cause: Cause,
}

impl fmt::Display for Expired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.cause.error(), f)
    }
}

impl Error for Expired {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.cause.error())
    }
}

impl Timeout {
    fn new(after: Duration, made: &'static Location<'static>) -> Self {
        Timeout {
            number: NEXT.next(),
            after: TimedOut { after },
            made,
        }
    }

    fn request(&self, cause: Cause) -> CancelRequest {
        let number = self.number;
        CancelRequest {
            reason: Some(Box::new(Expired { number, cause })),
            quiet: false,
            at: self.made,
        }
    }

    /// Whether `failure` is what this timeout's cancel came to. A canceller
    /// may also answer, at once, with a `Cancelled` of its own.
    fn is_own(&self, failure: &Failure, at_once: bool) -> bool {
        if let Some(expired) = failure.check::<Expired>() {
            return expired.number == self.number;
        }
        at_once && matches!(failure.check(), Some(Cancelled { reason: None }))
    }

    /// Says why a cancellation of this timeout's came; all else passes.
    fn translate<T>(
        &self,
        result: Result<T, Failure>,
        cause: Cause,
        at_once: bool,
    ) -> Result<T, Failure> {
        result.map_err(|failure| {
            if !self.is_own(&failure, at_once) {
                return failure;
            }
            match cause {
                Cause::TimedOut(error) => Failure::from_error(error, self.made),
                Cause::NoRuntime(error) => Failure::from_error(error, self.made),
            }
        })
    }
}

impl<T: Send + 'static> Deferred<T> {
    /// Cancels this Deferred if it has no result `after` from now; the
    /// [`Cancelled`] that comes of that becomes [`TimedOut`]: Twisted's
    /// `addTimeout`.
    ///
    /// The limit is on what was added before it: stages added behind it have
    /// all the time they want. Only the timeout's own cancellation becomes
    /// `TimedOut`. One from elsewhere stays what it is, and where the canceller
    /// answers with a value, or with another failure, that is passed on. An
    /// operation that does not answer its cancel at all has no result at the
    /// deadline either.
    ///
    /// When the result comes first, the timer is stopped, and nothing of it is
    /// left.
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
        let timeout = Timeout::new(after, Location::caller());
        self.limit(timeout, move |result, at_once| {
            timeout.translate(result, Cause::TimedOut(timeout.after), at_once)
        })
    }

    /// Cancels this Deferred if it has no result `after` from now, and makes
    /// of what then comes what `f` returns: Twisted's `addTimeout` with
    /// `onTimeoutCancel`.
    ///
    /// `f` runs only if the deadline was first. It gets whatever the cancel
    /// came to: most often a [`Cancelled`], which
    /// [`is_timed_out`](Failure::is_timed_out) as well. In all else this is
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
        let timeout = Timeout::new(after, Location::caller());
        self.limit(timeout, move |result, _| f(result))
    }

    #[track_caller]
    fn limit<R: Outcome<Output = T>>(
        mut self,
        timeout: Timeout,
        late: impl FnOnce(Result<T, Failure>, bool) -> R + Send + 'static,
    ) -> Deferred<T> {
        // Where `late` is not called, its drop is a stage's: a panic in it is
        // the failure. It comes before the result is made, as in the stages of
        // a chain.
        if self.is_fired() {
            return self.finally(move || drop(late));
        }
        let made = timeout.made;
        let clock = match Clock::find() {
            Ok(clock) => clock,
            Err(none) => {
                let failed = self.without_clock(timeout, none);
                return failed.finally(move || drop(late));
            }
        };
        let limit = CancelScope::new(self.core_handle(), made);
        let struck = limit.clone();
        let timer = clock.call_later(timeout.after.after, move |due| {
            let cause = match due {
                Ok(()) => Cause::TimedOut(timeout.after),
                Err(none) => Cause::NoRuntime(none),
            };
            struck.strike(cause, timeout.request(cause));
        });
        self.add_both(move |result| match limit.meet(result) {
            Met::First(result) => {
                timer.stop();
                drop(late);
                Deferred::ready(result, made)
            }
            Met::Struck {
                result,
                cause: Cause::TimedOut(_),
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
        Deferred::ready(Err(Failure::from_error(none, made)), made)
    }
}
