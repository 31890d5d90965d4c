//! Futures that are polled by whoever wakes them, on that thread: no task, no
//! runtime. Only for futures of this crate and of Tokio, whose polls are short
//! and run no code of the user's.
//!
//! `looks` counts who wants a poll: who finds it at zero polls, and polls again
//! until nobody came meanwhile. So a poll never waits for another, and no wake
//! is lost.

use crate::sync::lock;
use futures::task::{ArcWake, waker, waker_ref};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

struct Direct<F, D> {
    looks: AtomicUsize,
    parts: Mutex<Option<(F, D)>>,
}

/// Calls `done` with the output of `future`, on the thread that completes it;
/// now, if it is ready. Returns a waker that makes it be polled.
pub(super) fn run<F, D>(future: F, done: D) -> Waker
where
    F: Future + Unpin + Send + 'static,
    D: FnOnce(F::Output) + Send + 'static,
{
    let mut done = Some(done);
    run_each(future, move |output| {
        if let Some(done) = done.take() {
            done(output);
        }
        None
    })
}

/// Calls `step` with the output of `future`, as [`run`] does, and goes on with
/// the future that it returns, until it returns none.
pub(crate) fn run_each<F, D>(future: F, step: D) -> Waker
where
    F: Future + Unpin + Send + 'static,
    D: FnMut(F::Output) -> Option<F> + Send + 'static,
{
    let direct = Arc::new(Direct {
        looks: AtomicUsize::new(0),
        parts: Mutex::new(Some((future, step))),
    });
    ArcWake::wake_by_ref(&direct);
    waker(direct)
}

impl<F, D> ArcWake for Direct<F, D>
where
    F: Future + Unpin + Send + 'static,
    D: FnMut(F::Output) -> Option<F> + Send + 'static,
{
    fn wake_by_ref(this: &Arc<Self>) {
        // ORDERING: AcqRel: the one who polls next sees what the last one did
        // and what the waker's thread did before it woke.
        if this.looks.fetch_add(1, Ordering::AcqRel) > 0 {
            return;
        }
        let mut seen = 1;
        loop {
            if let Some((output, mut step)) = this.poll() {
                let Some(next) = step(output) else {
                    // `looks` stays above zero: nobody polls any more.
                    return;
                };
                *lock(&this.parts) = Some((next, step));
                continue;
            }
            // ORDERING: as above.
            match this
                .looks
                .compare_exchange(seen, 0, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }
}

impl<F, D> Direct<F, D>
where
    F: Future + Unpin + Send + 'static,
    D: FnMut(F::Output) -> Option<F> + Send + 'static,
{
    fn poll(self: &Arc<Self>) -> Option<(F::Output, D)> {
        let waker = waker_ref(self);
        let mut cx = Context::from_waker(&waker);
        let mut parts = lock(&self.parts);
        let (future, _) = parts.as_mut()?;
        // Who wakes us may be a task whose budget is spent: Tokio would then
        // say "pending" and wake us again, for ever.
        let mut future = tokio::task::unconstrained(future);
        let Poll::Ready(output) = Pin::new(&mut future).poll(&mut cx) else {
            return None;
        };
        let (future, step) = parts.take().expect("it was there just now");
        drop(parts);
        drop(future);
        Some((output, step))
    }
}
