//! The Deferred as a future.

use super::{Deferred, await_list};
use crate::failure::{DeferredError, Failure, Place};
use futures::future::FusedFuture;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::task::coop;

impl<T: Send + 'static> Future for Deferred<T> {
    type Output = Result<T, DeferredError>;

    /// Awaiting needs no runtime: who fires the Deferred wakes the task.
    ///
    /// In a Tokio task it takes part in [cooperative scheduling], as Tokio's own
    /// channels do: a task that awaits one ready Deferred after the other lets
    /// others run now and then.
    ///
    /// [cooperative scheduling]: tokio::task::coop
    ///
    /// # Panics
    ///
    /// When polled again after it gave its result.
    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Poll::Ready(budget) = coop::poll_proceed(cx) else {
            return yield_now(cx);
        };
        let polled = match self.repr.take_plain() {
            Some(Ok(value)) => Poll::Ready(Ok(value)),
            Some(Err(failure)) => Poll::Ready(Err(self.crossed(failure))),
            None => self.poll_slowly(cx),
        };
        if polled.is_ready() {
            budget.made_progress();
        }
        polled
    }
}

/// Ends a poll because the task has used up its turn: Tokio wakes it again.
#[cold]
fn yield_now<O>(cx: &mut Context<'_>) -> Poll<O> {
    if await_list::is_in_coroutine() {
        // A coroutine is woken at once: a cancel that comes before its next poll
        // is then kept for it.
        cx.waker().wake_by_ref();
    }
    Poll::Pending
}

impl<T: Send + 'static> FusedFuture for Deferred<T> {
    /// Returns whether an await through `&mut` took the result.
    fn is_terminated(&self) -> bool {
        self.repr.is_taken()
    }
}

/// # Awaiting, and looking at the result
impl<T: Send + 'static> Deferred<T> {
    /// Notes in the failure's path that it crossed an await of this Deferred.
    #[cold]
    fn crossed(&self, mut failure: Failure) -> DeferredError {
        failure.note(Place::awaited(self.made(), self.label_of()));
        DeferredError::from(failure)
    }

    /// Polls one that others refer to, or that has no result yet.
    #[inline(never)]
    fn poll_slowly(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, DeferredError>> {
        // A waker may panic when it is cloned; until the result is there the
        // chain stays where it is.
        let pending = self.repr.with_consumer(|consumer| {
            if consumer.poll_rest(cx).is_pending() {
                await_list::note(consumer);
                return true;
            }
            await_list::forget(consumer);
            false
        });
        if pending == Some(true) {
            return Poll::Pending;
        }
        let Some(result) = self.repr.take() else {
            panic!("a Deferred was polled again after it gave its result");
        };
        Poll::Ready(result.map_err(|failure| self.crossed(failure)))
    }

    /// Returns whether a result is there to take: not while a stage runs, a
    /// pause holds it up, or a Deferred that a stage returned has none; and not
    /// after an await took it.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::Deferred;
    ///
    /// let (resolver, d) = Deferred::new();
    /// assert!(!d.is_fired());
    /// resolver.callback(1);
    /// assert!(d.is_fired());
    /// ```
    #[doc(alias = "called")]
    #[must_use]
    pub fn is_fired(&self) -> bool {
        self.repr.is_fired()
    }

    /// Takes the result, if it is there.
    ///
    /// # Errors
    ///
    /// The Deferred, if there is none to take ([`is_fired`](Deferred::is_fired)).
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::Deferred;
    ///
    /// let (resolver, d) = Deferred::new();
    /// let d = d.try_result().unwrap_err();
    /// resolver.callback(5);
    /// assert_eq!(d.try_result().unwrap().unwrap(), 5);
    /// ```
    #[inline]
    pub fn try_result(self) -> Result<Result<T, Failure>, Deferred<T>> {
        if self.is_terminated() {
            return Err(self);
        }
        match self.into_result() {
            Ok(result) => Ok(result),
            Err(consumer) => Err(Deferred::in_chain(consumer)),
        }
    }
}
