//! A future in a shared object, polled in place by whoever has its turn.

use super::engine::resume::{self, Resume};
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
/// of Tokio's own futures. So what keeps a second one out is cheaper than a
/// mutex, which would be half of the cost of a short poll.
pub(crate) struct SharedFuture<F, C: Controller<F>>(Arc<Inner<F, C>>);

struct Inner<F, C: Controller<F>> {
    /// A thread has its turn.
    taken: AtomicBool,
    inside: UnsafeCell<Inside<F, C::Local>>,
    control: C,
}

/// What belongs to the thread that has its turn.
struct Inside<F, L> {
    future: Option<F>,
    local: L,
}

// SAFETY: the future and the local part are reached by whoever set `taken`, one
// at a time, and so have to be Send only.
unsafe impl<F: Send, C: Controller<F>> Sync for Inner<F, C> {}

/// A [`SharedFuture`] future with its first turn.
pub(crate) struct FirstTurn<F, C: Controller<F>>(SharedFuture<F, C>);

impl<F: Future + Send + 'static, C: Controller<F>> FirstTurn<F, C> {
    /// Polls the future; a panic of it is the caller's.
    pub(crate) fn poll(self) -> (SharedFuture<F, C>, std::thread::Result<Poll<F::Output>>) {
        let polled = catch_unwind(AssertUnwindSafe(|| {
            Inner::poll(&self.0.0, &mut Turn(&self.0.0))
        }));
        (self.0, polled)
    }
}

/// The turn of one thread at the future.
pub(crate) struct Turn<'a, F, C: Controller<F>>(&'a Inner<F, C>);

impl<F, C: Controller<F>> Turn<'_, F, C> {
    /// What belongs to the thread that has its turn, beside the future.
    pub(crate) fn local(&mut self) -> &mut C::Local {
        self.0.inside.with_mut(|inside| {
            // SAFETY: it is our turn, and `self` is borrowed as long as this is.
            unsafe { &mut (*inside).local }
        })
    }

    /// Drops the future, in place.
    pub(crate) fn clear(&mut self) {
        self.0.inside.with_mut(|inside| {
            // SAFETY: it is our turn. Not by `take`, which would move it.
            unsafe { (*inside).future = None };
        });
    }
}

impl<F, C: Controller<F>> Drop for Turn<'_, F, C> {
    fn drop(&mut self) {
        // ORDERING: Release: the next one sees what this one did.
        self.0.taken.store(false, Ordering::Release);
    }
}

/// What controls a [`SharedFuture`] future.
pub(crate) trait Controller<F>: Send + Sync + Sized + 'static {
    /// What belongs to the thread that has its turn, beside the future.
    type Local: Send;
    /// The future's waker was woken.
    fn woken(co: SharedFuture<F, Self>);
    /// The Deferred was cancelled.
    fn cancel(co: SharedFuture<F, Self>, request: CancelRequest);
    /// The Deferred was dropped, unfired and with nothing on it.
    fn unseen(&self, _clear: &dyn Fn()) {}
    /// A thread of this library, to which the controller gave the future by
    /// [`SharedFuture::resume`], is ready for it.
    fn resumed(_co: SharedFuture<F, Self>) {}
}

/// A [`Controller`] of a future that somebody keeps among others.
pub(crate) trait OutputSink<F: Future>: Controller<F> {
    /// The future came to `output`.
    fn ready(&self, output: F::Output);
}

/// A [`SharedFuture`] future of whatever type.
pub(crate) trait PollErased: Send + Sync {
    /// Polls the future; if it is pending, it is returned.
    fn look(self: Arc<Self>) -> Option<Arc<dyn PollErased>>;
    /// Drops the future, in place.
    fn clear(&self);
}

impl<F, C: Controller<F>> Clone for SharedFuture<F, C> {
    fn clone(&self) -> Self {
        SharedFuture(self.0.clone())
    }
}

impl<F, C: Controller<F>> SharedFuture<F, C> {
    pub(crate) fn new(future: F, local: C::Local, control: C) -> Self {
        SharedFuture(Inner::new(future, local, control, false))
    }

    /// Makes one whose first turn is the maker's: nobody else can want it yet,
    /// so it need not be taken.
    pub(crate) fn with_turn(future: F, local: C::Local, control: C) -> FirstTurn<F, C> {
        FirstTurn(SharedFuture(Inner::new(future, local, control, true)))
    }

    pub(crate) fn control(&self) -> &C {
        &self.0.control
    }

    /// Takes a turn. The thread that has it must not ask for another.
    pub(crate) fn turn(&self) -> Turn<'_, F, C> {
        self.0.turn()
    }
}

impl<F: Future + Send + 'static, C: Controller<F>> SharedFuture<F, C> {
    /// Polls the future; pending for ever, once it was dropped.
    pub(crate) fn poll(&self) -> Poll<F::Output> {
        self.poll_in(&mut self.turn())
    }

    /// The same, in a turn at this future.
    pub(crate) fn poll_in(&self, turn: &mut Turn<'_, F, C>) -> Poll<F::Output> {
        Inner::poll(&self.0, turn)
    }

    /// Whether this thread polls this future, and no other inside of that.
    pub(crate) fn is_polled_here(&self) -> bool {
        resume::is_polled(Arc::as_ptr(&self.0).cast())
    }

    /// Makes a waker that calls [`Controller::woken`].
    pub(crate) fn waker(&self) -> Waker {
        waker(self.0.clone())
    }

    pub(crate) fn delegate(&self) -> Arc<dyn Delegate> {
        self.0.clone()
    }

    /// Has [`Controller::resumed`] called by this thread, outside of wakers: at
    /// once, if `now`, else when the fire that it is in is over.
    pub(crate) fn resume(self, now: bool) {
        if now {
            resume::resume(self.0);
        } else {
            resume::put(self.0);
        }
    }

    pub(crate) fn look(&self) -> Arc<dyn PollErased>
    where
        C: OutputSink<F>,
    {
        self.0.clone()
    }
}

impl<F, C> PollErased for Inner<F, C>
where
    F: Future + Send + 'static,
    C: OutputSink<F>,
{
    fn look(self: Arc<Self>) -> Option<Arc<dyn PollErased>> {
        let polled = Inner::poll(&self, &mut self.turn());
        match polled {
            Poll::Ready(output) => {
                self.control.ready(output);
                None
            }
            Poll::Pending => Some(self),
        }
    }

    fn clear(&self) {
        self.turn().clear();
    }
}

impl<F, C: Controller<F>> Inner<F, C> {
    fn new(future: F, local: C::Local, control: C, taken: bool) -> Arc<Self> {
        let future = Some(future);
        Arc::new(Inner {
            taken: AtomicBool::new(taken),
            inside: UnsafeCell::new(Inside { future, local }),
            control,
        })
    }

    fn turn(&self) -> Turn<'_, F, C> {
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
        Turn(self)
    }
}

impl<F: Future + Send + 'static, C: Controller<F>> Inner<F, C> {
    fn poll(this: &Arc<Self>, _turn: &mut Turn<'_, F, C>) -> Poll<F::Output> {
        let _polled = resume::Polled::enter(Arc::as_ptr(this).cast());
        let waker = waker_ref(this);
        this.inside.with_mut(|inside| {
            // SAFETY: it is our turn.
            let Some(future) = (unsafe { &mut (*inside).future }) else {
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

impl<F: Send + 'static, C: Controller<F>> ArcWake for Inner<F, C> {
    fn wake(self: Arc<Self>) {
        C::woken(SharedFuture(self));
    }

    fn wake_by_ref(this: &Arc<Self>) {
        C::woken(SharedFuture(this.clone()));
    }
}

impl<F: Send + 'static, C: Controller<F>> Resume for Inner<F, C> {
    fn resume(self: Arc<Self>) {
        C::resumed(SharedFuture(self));
    }
}

impl<F: Send + 'static, C: Controller<F>> Delegate for Inner<F, C> {
    fn cancel(self: Arc<Self>, request: CancelRequest) {
        C::cancel(SharedFuture(self), request);
    }

    fn unseen(&self) {
        self.control.unseen(&|| self.turn().clear());
    }
}
