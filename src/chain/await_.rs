//! The Deferred as a future.

use super::deferred::Held;
use super::{Deferred, awaited};
use crate::core::LazyAnchor;
use crate::failure::{DeferredError, Failure, Place};
use futures::future::FusedFuture;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

impl<T: Send + 'static> Future for Deferred<T> {
    type Output = Result<T, DeferredError>;

    /// Awaiting needs no runtime: who fires the Deferred wakes the task.
    ///
    /// # Panics
    ///
    /// When polled again after it gave its result.
    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let result = if this.is_plain() {
            this.take_held()
        } else {
            ready!(this.poll_slowly(cx))
        };
        match result {
            Ok(value) => Poll::Ready(Ok(value)),
            Err(failure) => Poll::Ready(Err(this.crossed(failure))),
        }
    }
}

impl<T: Send + 'static> FusedFuture for Deferred<T> {
    /// Returns whether an await through `&mut` took the result.
    fn is_terminated(&self) -> bool {
        matches!(self.held, Held::Taken)
    }
}

impl<T: Send + 'static> Deferred<T> {
    /// Notes in the failure's path that it crossed an await of this Deferred.
    #[cold]
    fn crossed(&self, mut failure: Failure) -> DeferredError {
        failure.note(Place::awaited(self.made, self.label_of()));
        DeferredError::from(failure)
    }

    fn poll_slowly(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Failure>> {
        if matches!(self.held, Held::Ready(_))
            && self.anchor.get().is_some_and(|anchor| anchor.is_held())
            && let Some(anchor) = self.anchor.take()
        {
            let result = self.take_held();
            self.held = Held::Chain(anchor.put_back(result));
        }
        // A waker may panic when it is cloned; until the result is there the
        // chain stays where it is.
        if let Held::Chain(tail) = &mut self.held {
            if tail.poll_rest(cx).is_pending() {
                self.awaited_by = awaited::note(self.awaited_by, || tail.handle());
                return Poll::Pending;
            }
            if self.awaited_by != 0 {
                awaited::forget(self.awaited_by, |handle| tail.is_of(handle));
                self.awaited_by = 0;
            }
        }
        Poll::Ready(self.take_held())
    }

    /// Takes the result of a Deferred that has one.
    #[inline]
    fn take_held(&mut self) -> Result<T, Failure> {
        match std::mem::replace(&mut self.held, Held::Taken) {
            Held::Ready(result) => result.into_inner(),
            Held::Chain(tail) => match tail.take() {
                Ok((result, anchor)) => {
                    self.anchor = LazyAnchor::new(anchor);
                    result
                }
                Err(_) => unreachable!("at rest it stays at rest while we have it"),
            },
            Held::Taken => panic!("a Deferred was polled again after it gave its result"),
        }
    }

    /// Returns whether a result is there to take: not while a stage runs, a
    /// pause holds it up, or a Deferred that a stage returned has none; and not
    /// after an await took it.
    #[doc(alias = "called")]
    pub fn is_fired(&self) -> bool {
        match &self.held {
            Held::Chain(tail) => tail.is_at_rest(),
            Held::Ready(_) => !self.anchor.get().is_some_and(|anchor| anchor.is_held()),
            Held::Taken => false,
        }
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
    pub fn try_result(self) -> Result<Result<T, Failure>, Deferred<T>> {
        if matches!(self.held, Held::Taken) {
            return Err(self);
        }
        let made = self.made;
        match self.into_result() {
            Ok((result, _)) => Ok(result),
            Err(tail) => Err(Deferred::in_chain(tail, made)),
        }
    }
}
