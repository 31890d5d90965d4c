//! How a coroutine ends when what belongs to it wakes, panics, or is dropped at
//! an awkward moment.

use std::error::Error;
use std::fmt;
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use test_support::runtime::current_thread;
use test_support::{Later, OnDrop};
use tokio::runtime::Builder;
use tokio::task::yield_now;
use tokio_deferred::{Deferred, DeferredError, Failure, testing};

/// Keeps the waker of the last poll.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Option<Waker>>>);

impl Kept {
    fn keep(&self, cx: &Context<'_>) {
        *self.0.lock().unwrap() = Some(cx.waker().clone());
    }

    fn wake(&self) {
        let waker = self.0.lock().unwrap().clone();
        waker.into_iter().for_each(Waker::wake);
    }
}

/// A reason that does something when it is dropped.
struct Reason<F: FnMut()>(#[allow(dead_code)] OnDrop<F>);

impl<F: FnMut()> fmt::Debug for Reason<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reason")
    }
}

impl<F: FnMut()> fmt::Display for Reason<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reason")
    }
}

impl<F: FnMut()> Error for Reason<F> {}

#[test]
fn second_kept_cancel_whose_reason_wakes_the_coroutine_when_dropped() {
    let runtime = current_thread();
    let kept = Kept::default();
    let d = {
        let _entered = runtime.enter();
        let kept = kept.clone();
        Deferred::from_infallible(poll_fn(move |cx| -> Poll<()> {
            kept.keep(cx);
            Poll::Pending
        }))
    };
    kept.wake();
    d.cancel_with("the first");
    d.cancel_with(Reason(OnDrop(move || kept.wake())));
    assert!(runtime.block_on(d).unwrap_err().is_cancelled());
}

#[test]
fn kept_cancel_whose_reason_panics_when_dropped_leaves_the_result() {
    let runtime = current_thread();
    let (kept, done) = (Kept::default(), Arc::new(AtomicBool::new(false)));
    let d = {
        let _entered = runtime.enter();
        let (kept, done) = (kept.clone(), done.clone());
        Deferred::from_infallible(poll_fn(move |cx| {
            kept.keep(cx);
            if done.load(Ordering::Relaxed) {
                Poll::Ready(5)
            } else {
                Poll::Pending
            }
        }))
    };
    done.store(true, Ordering::Relaxed);
    kept.wake();
    d.cancel_with(Reason(OnDrop(|| panic!("the drop of a reason"))));
    assert_eq!(runtime.block_on(d).unwrap(), 5);
}

#[test]
fn cancel_of_a_coroutine_that_owns_its_runtime() {
    let several = Builder::new_multi_thread().worker_threads(1).build();
    for owned in [current_thread(), several.unwrap()] {
        let handle = owned.handle().clone();
        let d = Deferred::from_coroutine_on(&handle, async move {
            let _owned = owned;
            pending::<()>().await;
            Ok::<_, Failure>(())
        });
        d.cancel();
        assert!(testing::failure_of(d).is_cancelled());
    }
}

#[test]
fn awaited_fires_then_is_paused_in_the_next_poll_then_cancel() {
    let runtime = current_thread();
    let (resolver, mut awaited) = Deferred::new();
    let (pause_now, pauses) = (Arc::new(AtomicBool::new(false)), mpsc::channel());
    let coroutine = {
        let _entered = runtime.enter();
        let (pause_now, pauses) = (pause_now.clone(), pauses.0);
        Deferred::from_coroutine(poll_fn(move |cx| {
            if pause_now.swap(false, Ordering::Relaxed) {
                pauses.send(awaited.pause()).unwrap();
            }
            Pin::new(&mut awaited).poll(cx).map_err(Failure::from)
        }))
    };
    pause_now.store(true, Ordering::Relaxed);
    resolver.callback(7);
    let pause = runtime.block_on(async {
        loop {
            match pauses.1.try_recv() {
                Ok(pause) => break pause,
                Err(_) => yield_now().await,
            }
        }
    });
    // What it awaits has its result, so the cancel does nothing there.
    coroutine.cancel();
    drop(pause);
    assert_eq!(runtime.block_on(coroutine).unwrap(), 7);
}

#[test]
fn started_while_its_thread_ends() {
    struct AtEnd(mpsc::Sender<i32>);
    impl Drop for AtEnd {
        fn drop(&mut self) {
            let d = Deferred::from_coroutine(async { Ok::<_, Failure>(1) });
            self.0.send(testing::success_of(d)).unwrap();
        }
    }
    thread_local! {
        static AT_END: Mutex<Option<AtEnd>> = const { Mutex::new(None) };
    }
    let (tx, rx) = mpsc::channel();
    std::thread::spawn(move || {
        AT_END.with(|place| *place.lock().unwrap() = Some(AtEnd(tx)));
        // The thread-locals that the library has are made after, and so are
        // gone before.
        testing::success_of(Deferred::from_infallible(async { 0 }));
    })
    .join()
    .unwrap();
    assert_eq!(rx.recv(), Ok(1));
}

#[test]
fn future_that_panics_in_its_poll_and_in_its_drop() {
    let bomb = OnDrop(|| panic!("the drop of a future"));
    let made = catch_unwind(AssertUnwindSafe(|| {
        Deferred::from_infallible(poll_fn(move |_| -> Poll<()> {
            let _bomb = &bomb;
            panic!("the poll");
        }))
    }));
    let failure = testing::failure_of(made.expect("no panic comes out"));
    assert!(failure.is_panic());
    assert_eq!(failure.to_string(), "panicked: the poll");
}

#[test]
fn future_that_panics_in_a_later_poll_is_gone_when_the_failure_comes() {
    let runtime = current_thread();
    let (kept, captured) = (Kept::default(), Arc::new(()));
    let d = {
        let _entered = runtime.enter();
        let (kept, captured) = (kept.clone(), captured.clone());
        let mut polled = false;
        Deferred::from_infallible(poll_fn(move |cx| -> Poll<()> {
            let _captured = &captured;
            kept.keep(cx);
            assert!(!polled, "the second poll");
            polled = true;
            Poll::Pending
        }))
    };
    let d = d.add_errback(move |failure| {
        assert!(failure.is_panic());
        assert_eq!(Arc::strong_count(&captured), 1);
        Ok(())
    });
    kept.wake();
    runtime.block_on(d).unwrap();
}

#[test]
fn cancel_from_inside_a_stage_of_what_is_awaited_does_nothing() {
    let runtime = current_thread();
    let (resolver, d) = Deferred::new();
    let (own, started) = (Later::new(), Later::new());
    let d = {
        let (own, started) = (own.clone(), started.clone());
        d.map(move |n: i32| {
            let own: Deferred<i32> = own.take();
            let (next, awaited_next) = Deferred::<i32>::new();
            let coroutine = Deferred::from_coroutine(async move {
                Ok::<_, Failure>(own.await? + awaited_next.await?)
            });
            coroutine.cancel();
            started.put((coroutine, next));
            n
        })
    };
    own.put(d);
    {
        let _entered = runtime.enter();
        resolver.callback(1);
    }
    let (coroutine, next) = started.take();
    runtime.block_on(yield_now());
    assert!(!next.is_cancelled());
    next.callback(2);
    assert_eq!(runtime.block_on(coroutine).unwrap(), 3);
}

/// Whose number it has from the first await, it must not have at the second.
#[test]
fn awaited_beside_a_handle_then_its_stage_is_awaited_then_cancel() {
    let runtime = current_thread();
    let _entered = runtime.enter();
    let (resolver, mut first) = Deferred::<i32>::new();
    let (second, returned) = Deferred::<i32>::new();
    let handle = first.cancel_handle();
    let d = Deferred::from_coroutine(async move {
        assert!(futures::poll!(&mut first).is_pending());
        resolver.callback(1);
        assert_eq!((&mut first).await.unwrap(), 1);
        first.add_errback(move |_| returned).await
    });
    runtime.block_on(async {
        // It was woken before it looked again, and is polled once more.
        yield_now().await;
        d.cancel();
        assert!(second.is_cancelled());
        assert!(d.await.unwrap_err().is_cancelled());
    });
    drop(handle);
}

/// The value of that stage is on its way, and comes; the cancel waits for it,
/// and reaches what is awaited then.
#[test]
fn cancel_from_another_thread_while_a_stage_of_what_is_awaited_runs() {
    let runtime = current_thread();
    let (resolver, first) = Deferred::<i32>::new();
    let (running, is_running) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    let first = first.map(move |n| {
        running.send(()).unwrap();
        may_go_on.recv().unwrap();
        n
    });
    let (second, awaited_then) = Deferred::<i32>::new();
    let d = Deferred::from_coroutine_on(runtime.handle(), async move {
        let n = first.await?;
        let failure = awaited_then.await.unwrap_err();
        Ok::<_, DeferredError>((n, failure.is_cancelled()))
    });
    let firing = thread::spawn(move || resolver.callback(7));
    is_running.recv().unwrap();
    // This thread has run a chain before, and runs none now.
    let (ran, runs) = Deferred::<()>::new();
    let runs = runs.map(|()| ());
    ran.callback(());
    testing::success_of(runs);
    d.cancel();
    go_on.send(()).unwrap();
    firing.join().unwrap();
    // The poll that brings the value, and the one that brings the cancel.
    runtime.block_on(async {
        yield_now().await;
        yield_now().await;
    });
    assert!(second.is_cancelled());
    assert_eq!(runtime.block_on(d).unwrap(), (7, true));
}

#[test]
fn runtime_shuts_down_under_a_detached_coroutine_then_nothing_is_reported() {
    let runtime = current_thread();
    let d = {
        let _entered = runtime.enter();
        Deferred::from_infallible(pending::<()>())
    };
    d.detach();
    let reports = testing::capture_unhandled(|| drop(runtime));
    assert!(reports.is_empty(), "{reports:?}");
}

#[test]
fn cancel_of_a_coroutine_in_a_try_join_reports_the_coroutine_alone() {
    for handled in [true, false] {
        let reports = testing::capture_unhandled(|| {
            let (_one, first) = Deferred::<i32>::new();
            let (_two, second) = Deferred::<i32>::new();
            let d = Deferred::from_coroutine(async move {
                let (a, b) = tokio::try_join!(first, second)?;
                Ok::<_, DeferredError>(a + b)
            });
            d.cancel();
            if handled {
                assert!(testing::failure_of(d).is_cancelled());
            } else {
                drop(d);
            }
        });
        let expected = if handled { 0 } else { 1 };
        assert_eq!(reports.len(), expected, "{reports:?}");
    }
}
