//! User code: values, closures, errors, futures, iterators and wakers, all of
//! which may panic.

#![allow(unsafe_code)] // A waker whose clone and drop are known cannot be had without.

use crate::trial::{Kind, Trial};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};
use tokio_deferred::Failure;

/// Something whose drop is user code, and which has to be dropped once.
pub(crate) struct Thing {
    trial: Trial,
    id: u64,
    kind: Kind,
}

impl Thing {
    pub(crate) fn new(trial: &Trial, kind: Kind) -> Self {
        Thing {
            trial: trial.clone(),
            id: trial.made(kind),
            kind,
        }
    }

    fn site(&self, kind: Kind) {
        self.trial.site(kind);
    }
}

impl Drop for Thing {
    fn drop(&mut self) {
        self.trial.dropped(self.id, self.kind);
        self.trial.site(self.kind);
    }
}

/// A value.
pub(crate) struct Value(Thing);

impl Clone for Value {
    fn clone(&self) -> Self {
        self.0.site(Kind::ValueClone);
        Value(Thing::new(&self.0.trial, self.0.kind))
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "value {}", self.0.id)
    }
}

/// An error.
pub(crate) struct Oops(Thing);

impl Oops {
    pub(crate) fn id(&self) -> u64 {
        self.0.id
    }
}

impl fmt::Debug for Oops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Oops {}", self.0.id)
    }
}

impl fmt::Display for Oops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl std::error::Error for Oops {}

/// A future that owns something.
pub(crate) struct Work<F> {
    inner: Pin<Box<F>>,
    thing: Thing,
}

impl<F: Future> Future for Work<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.thing.site(Kind::Poll);
        self.inner.as_mut().poll(cx)
    }
}

/// An iterator that owns something.
pub(crate) struct Items<I> {
    inner: I,
    thing: Thing,
}

impl<I: Iterator> Iterator for Items<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        self.thing.site(Kind::Next);
        self.inner.next()
    }
}

impl Trial {
    pub(crate) fn value(&self) -> Value {
        Value(Thing::new(self, Kind::ValueDrop))
    }

    pub(crate) fn oops(&self) -> Oops {
        Oops(Thing::new(self, Kind::ErrorDrop))
    }

    /// A closure of one argument that owns something.
    pub(crate) fn call<A, R>(
        &self,
        kind: Kind,
        f: impl FnOnce(A) -> R + Send + 'static,
    ) -> impl FnOnce(A) -> R + Send + 'static {
        let thing = Thing::new(self, Kind::ClosureDrop);
        move |argument| {
            thing.site(kind);
            let result = f(argument);
            // Not at the end of the scope: there the compiler forgets the
            // result if a drop panics (rust-lang/rust#47949).
            drop(thing);
            result
        }
    }

    /// A closure without arguments that owns something.
    pub(crate) fn run<R>(
        &self,
        kind: Kind,
        f: impl FnOnce() -> R + Send + 'static,
    ) -> impl FnOnce() -> R + Send + 'static {
        let f = self.call(kind, move |()| f());
        move || f(())
    }

    /// A closure that looks at a failure.
    pub(crate) fn look(&self) -> impl FnOnce(&Failure) + Send + 'static {
        let thing = Thing::new(self, Kind::ClosureDrop);
        move |_: &Failure| thing.site(Kind::Errback)
    }

    /// A closure for several calls.
    pub(crate) fn calls<A, R>(
        &self,
        mut f: impl FnMut(A) -> R + Send + 'static,
    ) -> impl FnMut(A) -> R + Send + 'static {
        let thing = Thing::new(self, Kind::ClosureDrop);
        move |argument| {
            thing.site(Kind::Callback);
            f(argument)
        }
    }

    pub(crate) fn work<F: Future>(&self, future: F) -> Work<F> {
        Work {
            inner: Box::pin(future),
            thing: Thing::new(self, Kind::FutureDrop),
        }
    }

    pub(crate) fn items<I: IntoIterator>(&self, items: I) -> Items<I::IntoIter> {
        Items {
            inner: items.into_iter(),
            thing: Thing::new(self, Kind::ClosureDrop),
        }
    }
}

/// A task that is woken by wakers of its own.
pub(crate) struct Task {
    waker: Waker,
    woken: Arc<Woken>,
}

struct Woken {
    trial: Trial,
    woken: AtomicBool,
}

impl Task {
    pub(crate) fn new(trial: &Trial) -> Self {
        let woken = Arc::new(Woken {
            trial: trial.clone(),
            woken: AtomicBool::new(false),
        });
        trial.wakers(1);
        // SAFETY: the pointer comes from an Arc<Woken>, one count of which is
        // this waker's, as the table takes it; Woken is Send and Sync.
        let waker = unsafe { Waker::from_raw(raw(woken.clone())) };
        Task { waker, woken }
    }

    pub(crate) fn was_woken(&self) -> bool {
        // ORDERING: the firing thread is this one, or was joined.
        self.woken.woken.swap(false, Ordering::Relaxed)
    }

    /// Polls; a panic of a waker that is cloned or dropped in a poll is the
    /// executor's own, which polls again.
    pub(crate) fn poll<F: Future + Unpin>(&self, future: &mut F) -> Poll<F::Output> {
        loop {
            let mut cx = Context::from_waker(&self.waker);
            let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut *future).poll(&mut cx)));
            match polled {
                Ok(polled) => return polled,
                Err(payload) => {
                    if !self.woken.trial.came_out(payload, None) {
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    /// Polls a future once, which is then dropped.
    pub(crate) fn begin<F: Future>(&self, future: F) -> Option<Poll<F::Output>> {
        self.woken.trial.own(|| {
            let mut cx = Context::from_waker(&self.waker);
            pin!(future).poll(&mut cx)
        })
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let waker = std::mem::replace(&mut self.waker, Waker::noop().clone());
        self.woken.trial.own(|| drop(waker));
    }
}

static TABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, release);

fn raw(woken: Arc<Woken>) -> RawWaker {
    RawWaker::new(Arc::into_raw(woken).cast(), &TABLE)
}

// SAFETY (of all four): the pointer is that of `raw`, as only its wakers have
// the table.
unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: as above; the count is the caller's, who keeps it.
    let woken = unsafe { std::mem::ManuallyDrop::new(Arc::from_raw(data.cast::<Woken>())) };
    woken.trial.site(Kind::WakerClone);
    woken.trial.wakers(1);
    raw(Arc::clone(&woken))
}

unsafe fn wake(data: *const ()) {
    // SAFETY: as above; the count is the caller's, who gives it up.
    let woken = unsafe { Arc::from_raw(data.cast::<Woken>()) };
    woken.trial.wakers(-1);
    woken.woken.store(true, Ordering::Relaxed);
    woken.trial.site(Kind::Wake);
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: as above; the count is the caller's, who keeps it.
    let woken = unsafe { std::mem::ManuallyDrop::new(Arc::from_raw(data.cast::<Woken>())) };
    woken.woken.store(true, Ordering::Relaxed);
    woken.trial.site(Kind::Wake);
}

unsafe fn release(data: *const ()) {
    // SAFETY: as above; the count is the caller's, who gives it up.
    let woken = unsafe { Arc::from_raw(data.cast::<Woken>()) };
    woken.trial.wakers(-1);
    woken.trial.site(Kind::WakerDrop);
}
