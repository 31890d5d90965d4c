//! Blocking a thread until a Deferred has its result.
//!
//! Rules:
//!
//! - \[no lost wake\] The waker sets a flag under the lock under which the waiting
//!   thread looks at it, so a fire between the look and the wait is not missed.
//! - \[nobody awaits\] A coroutine on this thread does not count as awaiting what
//!   its thread waits for: a cancel of it cannot reach a thread that is blocked.

use super::Deferred;
use crate::failure::{DeferredError, Place};
use crate::sync::{Condvar, Mutex, lock};
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// What wakes a thread that is blocked.
struct Parker {
    is_woken: Mutex<bool>,
    changed: Condvar,
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        *lock(&self.is_woken) = true;
        self.changed.notify_one();
    }
}

impl Parker {
    /// Waits for a wake. False if the deadline came first.
    fn park(&self, deadline: Option<Instant>) -> bool {
        let mut is_woken = lock(&self.is_woken);
        while !std::mem::take(&mut *is_woken) {
            is_woken = match deadline.map(|at| at.saturating_duration_since(Instant::now())) {
                None => {
                    let waited = self.changed.wait(is_woken);
                    waited.unwrap_or_else(PoisonError::into_inner)
                }
                Some(Duration::ZERO) => return false,
                Some(left) => {
                    let waited = self.changed.wait_timeout(is_woken, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        true
    }
}

impl<T: Send + 'static> Deferred<T> {
    /// Blocks this thread until the Deferred has its result, or until the
    /// deadline, if there is one. Returns whether the result is there.
    pub(crate) fn park_until_fired(&mut self, deadline: Option<Instant>) -> bool {
        let parker = Arc::new(Parker {
            is_woken: Mutex::new(false),
            changed: Condvar::new(),
        });
        let waker = Waker::from(parker.clone());
        let mut cx = Context::from_waker(&waker);
        loop {
            let polled = self
                .repr
                .with_consumer(|consumer| consumer.poll_rest(&mut cx));
            if polled != Some(Poll::Pending) {
                return true;
            }
            if !parker.park(deadline) {
                return self.is_settled();
            }
        }
    }

    /// Returns whether there is nothing to wait for: the result is there, or an
    /// await took it.
    pub(crate) fn is_settled(&self) -> bool {
        self.repr
            .consumer()
            .is_none_or(|consumer| consumer.is_at_rest())
    }

    /// Takes the result as an await does.
    ///
    /// # Errors
    ///
    /// The Deferred, if it has no result.
    pub(crate) fn try_into_awaited(self) -> Result<Result<T, DeferredError>, Self> {
        let (made, label) = (self.made(), self.label_of());
        match self.into_result() {
            Ok(result) => Ok(result.map_err(|mut failure| {
                failure.note(Place::awaited(made, label));
                DeferredError::from(failure)
            })),
            Err(consumer) => Err(Deferred::in_chain(consumer)),
        }
    }
}
