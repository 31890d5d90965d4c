//! Results that come from other threads, and wakers that go to them.

use crate::support::{Here, Log, failure_of, value_of, wait_for_wake};
use futures::executor::LocalPool;
use futures::{FutureExt, future};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Barrier, mpsc};
use std::task::Poll;
use std::thread;
use tokio_deferred::local::{self, LocalDeferred};
use tokio_deferred::{Deferred, DeferredError, Failure, testing};

fn pool() -> LocalPool {
    let pool = LocalPool::new();
    local::set_spawner(pool.spawner());
    pool
}

#[test]
fn fire_on_another_thread_runs_the_local_stages_here() {
    let mut pool = pool();
    let here = Here::new();
    let (resolver, d) = Deferred::<i32>::new();
    let d = d.into_local().map(move |n| {
        here.check();
        Rc::new(n)
    });
    thread::spawn(move || resolver.callback(1)).join().unwrap();
    assert!(!d.is_fired());
    assert_eq!(*pool.run_until(d).unwrap(), 1);
}

#[test]
fn failure_from_another_thread_keeps_its_identity() {
    let mut pool = pool();
    let (resolver, d) = Deferred::<i32>::new();
    let d = d.into_local();
    thread::spawn(move || resolver.errback(std::io::Error::other("gone")))
        .join()
        .unwrap();
    let error = pool.run_until(d).unwrap_err();
    assert!(error.downcast_ref::<std::io::Error>().is_some());
}

#[test]
fn callback_returns_a_deferred_that_another_thread_fires() {
    let mut pool = pool();
    let (resolver, other) = Deferred::<i32>::new();
    let text = Rc::new("n");
    let d = LocalDeferred::succeed(())
        .add_callback(move |()| other)
        .map(move |n| format!("{text} = {n}"));
    thread::spawn(move || resolver.callback(1));
    assert_eq!(pool.run_until(d).unwrap(), "n = 1");
}

#[test]
fn coroutine_awaits_deferreds_of_both_kinds() {
    let mut pool = pool();
    let here = Here::new();
    let (far, a) = Deferred::<i32>::new();
    let (near, b) = LocalDeferred::<Rc<i32>>::new();
    let d = LocalDeferred::from_coroutine(async move {
        let a = a.await?;
        here.check();
        let b = b.await?;
        Ok::<_, DeferredError>(a + *b)
    });
    thread::spawn(move || far.callback(1)).join().unwrap();
    pool.run_until_stalled();
    near.callback(Rc::new(2)); // resumes it at once, with its task in the pool
    assert_eq!(value_of(d), 3);
    pool.run();
}

#[test]
fn cancel_of_the_local_half_cancels_the_other_thread_s_operation() {
    let _pool = pool();
    let (resolver, d) = Deferred::<i32>::new();
    let (told, tells) = mpsc::channel();
    let mut resolver = resolver;
    resolver.on_cancel(move || told.send(()).unwrap());
    let d = d.into_local();
    d.cancel();
    tells.recv().unwrap();
    // The failure comes by the loop, as every result of that Deferred.
    let mut pool = _pool;
    assert!(pool.run_until(d).unwrap_err().is_cancelled());
}

#[test]
fn cancel_races_with_the_fire_of_another_thread() {
    for _ in 0..if cfg!(miri) { 3 } else { 300 } {
        let mut pool = pool();
        let (resolver, d) = Deferred::<i32>::new();
        let here = Here::new();
        let d = d.into_local().add_both(move |result| {
            here.check();
            Ok(result.is_ok_and(|n| n == 1))
        });
        let both = Arc::new(Barrier::new(2));
        let other = {
            let both = both.clone();
            thread::spawn(move || {
                both.wait();
                resolver.callback(1);
            })
        };
        both.wait();
        d.cancel();
        // Either way it ends, and here.
        pool.run_until(d).unwrap();
        other.join().unwrap();
    }
}

#[test]
fn waker_is_woken_and_dropped_on_many_threads() {
    let mut pool = pool();
    let place = Rc::new(RefCell::new(None));
    let here = Here::new();
    let waits = wait_for_wake(place.clone());
    let d = LocalDeferred::from_coroutine(async move {
        waits.await;
        here.check();
        Ok::<_, Failure>(())
    });
    let waker = place.take().expect("it was polled");
    let threads = [(); 4].map(|()| {
        let waker = waker.clone();
        thread::spawn(move || {
            waker.wake_by_ref();
            drop(waker.clone());
        })
    });
    drop(waker);
    pool.run_until(d).unwrap();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn waker_outlives_the_coroutine_and_its_thread() {
    let waker = thread::spawn(|| {
        let mut pool = pool();
        let place = Rc::new(RefCell::new(None));
        let held = Here::new();
        let waits = wait_for_wake(place.clone());
        let d = LocalDeferred::from_coroutine(async move {
            let _held = held;
            waits.await;
            Ok::<_, Failure>(())
        });
        let waker = place.take().expect("it was polled");
        d.cancel();
        pool.run_until_stalled();
        assert!(failure_of(d).is_cancelled());
        waker
    })
    .join()
    .unwrap();
    waker.wake_by_ref();
    drop(waker);
}

thread_local! {
    static KEPT: RefCell<Option<LocalDeferred<i32>>> = const { RefCell::new(None) };
}

/// Polls the local Deferred of this thread, whatever polls.
fn poll_kept(cx: &mut std::task::Context<'_>) -> Poll<Result<i32, DeferredError>> {
    KEPT.with_borrow_mut(|kept| match kept {
        Some(kept) => kept.poll_unpin(cx),
        None => Poll::Ready(Ok(0)),
    })
}

#[test]
fn coroutine_of_any_thread_polls_a_local_deferred_and_is_cancelled_elsewhere() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let log = Log::default();
    let (resolver, local) = LocalDeferred::<i32>::new();
    let seen = log.clone();
    let here = Here::new();
    let local = local.add_both(move |result| {
        here.check();
        seen.add(format!("{:?}", result.is_ok()));
        Ok(0)
    });
    KEPT.set(Some(local));
    let _entered = runtime.enter();
    let mut d = Deferred::from_coroutine(async {
        // The future is `Send`, as it keeps nothing of the local Deferred.
        let first = future::poll_fn(|cx| Poll::Ready(poll_kept(cx).is_pending())).await;
        assert!(first);
        future::pending::<Result<i32, DeferredError>>().await
    });
    let handle = d.cancel_handle();
    thread::spawn(move || handle.cancel()).join().unwrap();
    log.assert(&[]); // the cancel did not come to know of it
    assert!(!resolver.is_cancelled());
    assert!(runtime.block_on(d).unwrap_err().is_cancelled());
    resolver.callback(1);
    log.assert(&["true"]);
    KEPT.take();
}

#[test]
fn reports_of_local_failures_go_to_the_capture_of_this_thread() {
    let mut pool = pool();
    let (resolver, d) = Deferred::<i32>::new();
    d.into_local().map(Rc::new).detach();
    thread::spawn(move || resolver.errback("lost"))
        .join()
        .unwrap();
    let reports = testing::capture_unhandled(|| pool.run_until_stalled());
    assert_eq!(reports.len(), 1);
}
