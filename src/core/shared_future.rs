//! A future in a shared object, polled in place by whoever has its turn.

use super::memory::cancel_hooks::{CancelRequest, Delegate};
use crate::sync::{AtomicBool, Ordering, Spin, UnsafeCell};
use futures::task::{ArcWake, waker, waker_ref};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// A future with what controls it, in one allocation: that object is also the
/// future's waker, and what a cancel is passed to.
///
/// Which thread may poll or drop the future is the controller's business, so a
/// turn is hardly ever waited for: only by a cancel that meets the poll of one
/// of Tokio's own futures, and by the end of a runtime that meets a cancel. So
/// what keeps a second one out is cheaper than a mutex, which would be half of
/// the cost of a short poll.
pub(crate) struct SharedFuture<F, C>(Arc<Inner<F, C>>);

struct Inner<F, C> {
    /// Somebody polls or drops the future.
    taken: AtomicBool,
    future: UnsafeCell<Option<F>>,
    control: C,
}

// SAFETY: the future is reached by whoever set `taken`, one at a time, and so
// has to be Send only.
unsafe impl<F: Send, C: Sync> Sync for Inner<F, C> {}

/// A [`SharedFuture`] future with its first turn.
pub(crate) struct FirstTurn<F, C>(SharedFuture<F, C>);

impl<F: Future + Send + 'static, C: Controller> FirstTurn<F, C> {
    /// Polls the future; a panic of it is the caller's.
    pub(crate) fn poll(self) -> (SharedFuture<F, C>, std::thread::Result<Poll<F::Output>>) {
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let turn = Turn(&self.0.0.taken);
            Inner::poll_in(&self.0.0, turn)
        }));
        (self.0, polled)
    }
}

/// The turn of one thread at the future.
struct Turn<'a>(&'a AtomicBool);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // ORDERING: Release: the next one sees what this one did.
        self.0.store(false, Ordering::Release);
    }
}

/// What controls a [`SharedFuture`] future.
pub(crate) trait Controller: Send + Sync + 'static {
    /// The future's waker was woken.
    fn woken(&self);
    /// The Deferred was cancelled; `clear` drops the future.
    ///
    /// `waker` makes a waker that calls [`woken`](Controller::woken).
    fn cancel(&self, request: CancelRequest, clear: &dyn Fn(), waker: &dyn Fn() -> Waker);
    /// The Deferred was dropped, unfired and with nothing on it.
    fn unseen(&self, _clear: &dyn Fn()) {}
}

/// A [`Controller`] of a future that somebody keeps among others.
pub(crate) trait OutputSink<O>: Controller {
    /// The future came to `output`.
    fn ready(&self, output: O);
}

/// A [`SharedFuture`] future of whatever type.
pub(crate) trait PollErased: Send + Sync {
    /// Polls the future; if it is pending, it is returned.
    fn look(self: Arc<Self>) -> Option<Arc<dyn PollErased>>;
    /// Drops the future, in place.
    fn clear(&self);
}

impl<F, C> Clone for SharedFuture<F, C> {
    fn clone(&self) -> Self {
        SharedFuture(self.0.clone())
    }
}

impl<F, C> SharedFuture<F, C> {
    pub(crate) fn new(future: F, control: C) -> Self {
        SharedFuture(Inner::new(future, control, false))
    }

    /// Makes one whose first turn is the maker's: nobody else can want it yet,
    /// so it need not be taken.
    pub(crate) fn with_turn(future: F, control: C) -> FirstTurn<F, C> {
        FirstTurn(SharedFuture(Inner::new(future, control, true)))
    }

    pub(crate) fn control(&self) -> &C {
        &self.0.control
    }

    /// Drops the future, in place.
    pub(crate) fn clear(&self) {
        self.0.clear();
    }
}

impl<F: Future + Send + 'static, C: Controller> SharedFuture<F, C> {
    /// Polls the future; pending for ever, once it was dropped.
    pub(crate) fn poll(&self) -> Poll<F::Output> {
        Inner::poll(&self.0)
    }

    /// Makes a waker that calls [`Controller::woken`].
    pub(crate) fn waker(&self) -> Waker {
        waker(self.0.clone())
    }

    pub(crate) fn delegate(&self) -> Arc<dyn Delegate> {
        self.0.clone()
    }

    pub(crate) fn look(&self) -> Arc<dyn PollErased>
    where
        C: OutputSink<F::Output>,
    {
        self.0.clone()
    }
}

impl<F: Future + Send + 'static, C: Controller> Inner<F, C> {
    fn poll(this: &Arc<Self>) -> Poll<F::Output> {
        Inner::poll_in(this, this.turn())
    }

    fn poll_in(this: &Arc<Self>, _turn: Turn<'_>) -> Poll<F::Output> {
        let waker = waker_ref(this);
        this.future.with_mut(|future| {
            // SAFETY: it is our turn.
            let Some(future) = (unsafe { &mut *future }) else {
                return Poll::Pending;
            };
            // SAFETY: the future stays where it is until it is dropped: it is
            // inside an Arc that is private to this module, which never moves
            // its content out, and `clear` drops it in place.
            let future = unsafe { Pin::new_unchecked(future) };
            future.poll(&mut Context::from_waker(&waker))
        })
    }
}

impl<F, C> PollErased for Inner<F, C>
where
    F: Future + Send + 'static,
    C: OutputSink<F::Output>,
{
    fn look(self: Arc<Self>) -> Option<Arc<dyn PollErased>> {
        match Inner::poll(&self) {
            Poll::Ready(output) => {
                self.control.ready(output);
                None
            }
            Poll::Pending => Some(self),
        }
    }

    fn clear(&self) {
        Inner::clear(self);
    }
}

impl<F, C> Inner<F, C> {
    fn new(future: F, control: C, taken: bool) -> Arc<Self> {
        Arc::new(Inner {
            taken: AtomicBool::new(taken),
            future: UnsafeCell::new(Some(future)),
            control,
        })
    }

    fn turn(&self) -> Turn<'_> {
        let mut spin = Spin::new();
        // ORDERING: Acquire: we see what the one before did; of a failure there
        // is nothing to see.
        while self
            .taken
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            spin.wait();
        }
        Turn(&self.taken)
    }

    fn clear(&self) {
        let _turn = self.turn();
        self.future.with_mut(|future| {
            // SAFETY: it is our turn. Not by `take`, which would move it.
            unsafe { *future = None };
        });
    }
}

impl<F: Send + 'static, C: Controller> ArcWake for Inner<F, C> {
    fn wake_by_ref(this: &Arc<Self>) {
        this.control.woken();
    }
}

impl<F: Send + 'static, C: Controller> Delegate for Inner<F, C> {
    fn cancel(self: Arc<Self>, request: CancelRequest) {
        let waker = || waker(self.clone());
        self.control
            .cancel(request, &|| Inner::clear(&self), &waker);
    }

    fn unseen(&self) {
        self.control.unseen(&|| self.clear());
    }
}
