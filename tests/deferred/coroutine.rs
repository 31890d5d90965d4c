//! Futures as Deferreds: the first poll, the task, cancelling, runtimes.

use futures::FutureExt;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use test_support::runtime::current_thread;
use test_support::{Later, Log, OnDrop};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Notify, oneshot};
use tokio_deferred::{Deferred, DeferredError, Failure, NoRuntime, inline_callbacks, testing};

#[test]
fn a_ready_one_needs_no_runtime_and_no_task() {
    let d = Deferred::from_coroutine(async { Ok::<_, Failure>(Deferred::succeed(1).await? + 1) });
    assert_eq!(testing::success_of(d), 2);
    assert_eq!(
        testing::success_of(Deferred::from_infallible(async { 3 })),
        3
    );
}

#[test]
fn a_pending_one_without_a_runtime_fails_and_its_future_is_dropped() {
    let dropped = Arc::new(AtomicBool::new(false));
    let flag = dropped.clone();
    let d = Deferred::from_infallible(async move {
        let _guard = OnDrop(move || flag.store(true, Ordering::Relaxed));
        pending::<()>().await;
    });
    assert!(testing::failure_of(d).is::<NoRuntime>());
    assert!(dropped.load(Ordering::Relaxed));
}

#[tokio::test]
async fn the_first_poll_is_at_once_on_the_callers_thread_with_its_task_locals() {
    tokio::task_local! { static NAME: &'static str; }
    let log = Log::default();
    let there = log.clone();
    let d = NAME.sync_scope("mine", || {
        Deferred::from_infallible(async move {
            there.add(format!("{:?}", NAME.try_get()));
            tokio::task::yield_now().await;
            there.add(format!("{}", NAME.try_get().is_err()));
        })
    });
    assert_eq!(log.all(), ["Ok(\"mine\")"]);
    d.await.unwrap();
    assert_eq!(log.all(), ["Ok(\"mine\")", "true"]);
}

#[tokio::test]
async fn the_first_poll_is_outside_the_callers_budget() {
    // A semaphore's permit costs budget; a task has 128 of it.
    let semaphore = Arc::new(tokio::sync::Semaphore::new(10_000));
    for _ in 0..1000 {
        let permit = semaphore.clone().acquire_owned();
        let d = Deferred::from_coroutine(permit);
        drop(testing::success_of(d));
    }
}

#[test]
fn the_default_runtime_and_the_wrapping_one_serve_threads_without_any() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let wrapped = {
        let _entered = runtime.enter();
        inline_callbacks(|n: i32| async move {
            // Entered for the first poll: this panics outside of a runtime.
            let handle = Handle::current();
            tokio::task::yield_now().await;
            assert_eq!(handle.id(), Handle::current().id());
            Ok::<_, Failure>(n + 1)
        })
    };
    let d = std::thread::spawn(move || wrapped(1)).join().unwrap();
    assert_eq!(futures::executor::block_on(d).unwrap(), 2);
    let d = Deferred::from_coroutine_on(runtime.handle(), async {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        Ok::<_, Failure>(3)
    });
    assert_eq!(futures::executor::block_on(d).unwrap(), 3);
}

#[tokio::test]
async fn cancel_reaches_the_awaited_deferred_and_the_coroutine_cleans_up() {
    let (resolver, d) = Deferred::<i32>::new();
    let d = Deferred::from_coroutine(async move {
        match d.await {
            Err(error) if error.is_cancelled() => Ok::<_, DeferredError>(-1),
            other => other,
        }
    });
    d.cancel();
    assert!(
        resolver.is_cancelled(),
        "at once, on the canceller's thread"
    );
    assert_eq!(d.await.unwrap(), -1);
}

#[tokio::test]
async fn a_second_cancel_reaches_what_is_awaited_then() {
    let (_one, first) = Deferred::<i32>::new();
    let (two, second) = Deferred::<i32>::new();
    let waiting = Arc::new(Notify::new());
    let told = waiting.clone();
    let d = Deferred::from_coroutine(async move {
        let _ = first.await;
        told.notify_one();
        second.await
    });
    d.cancel();
    waiting.notified().await;
    tokio::task::yield_now().await;
    assert!(!two.is_cancelled());
    d.cancel();
    assert!(d.await.unwrap_err().is_cancelled());
    assert!(two.is_cancelled());
}

#[tokio::test]
async fn cancel_reaches_every_deferred_polled_and_not_those_done_or_dropped() {
    let (a, da) = Deferred::<i32>::new();
    let (b, db) = Deferred::<i32>::new();
    let (c, mut dc) = Deferred::<i32>::new();
    let d = Deferred::from_infallible(async move {
        assert!(futures::poll!(&mut dc).is_pending());
        drop(dc);
        let (x, y) = tokio::join!(da, db);
        (x.is_ok(), y.is_err_and(|error| error.is_cancelled()))
    });
    a.callback(1);
    // Woken and not yet polled: the cancel is kept for after that poll.
    d.cancel();
    assert!(!b.is_cancelled());
    assert_eq!(d.await.unwrap(), (true, true));
    assert!(b.is_cancelled() && !c.is_cancelled());
}

#[tokio::test]
async fn beside_plain_futures_only_the_deferreds_are_cancelled() {
    let (resolver, inner) = Deferred::<i32>::new();
    let (tx, rx) = oneshot::channel::<i32>();
    let d = Deferred::from_infallible(async move {
        let (a, b) = tokio::join!(inner, rx);
        (a.unwrap_err().is_cancelled(), b.unwrap())
    });
    d.cancel();
    assert!(resolver.is_cancelled());
    tx.send(5).unwrap();
    assert_eq!(d.await.unwrap(), (true, 5));
}

#[tokio::test]
async fn with_no_deferred_awaited_the_future_is_dropped_before_the_failure_comes() {
    let log = Log::default();
    let (one, two) = (log.clone(), log.clone());
    let d = Deferred::from_infallible(async move {
        let _guard = OnDrop(move || one.add("dropped"));
        pending::<()>().await;
    })
    .add_errback(move |failure| {
        two.add("failed");
        Err(failure)
    });
    d.cancel_with("enough");
    assert_eq!(log.all(), ["dropped", "failed"]);
    let failure = testing::failure_of(d);
    assert_eq!(
        failure
            .check::<tokio_deferred::Cancelled>()
            .unwrap()
            .reason
            .as_ref()
            .unwrap()
            .to_string(),
        "enough"
    );
}

#[tokio::test]
async fn a_cancel_from_inside_the_running_coroutine_is_applied_after_the_poll() {
    let handle = Later::<tokio_deferred::CancelHandle>::new();
    let mine = handle.clone();
    let mut d = Deferred::from_infallible(async move {
        tokio::task::yield_now().await;
        mine.take().cancel();
        pending::<()>().await;
    });
    handle.put(d.cancel_handle());
    assert!(d.await.unwrap_err().is_cancelled());
}

/// Polls `d` so that the coroutine which does it is not woken by it.
fn poll_unheard<T: Send + 'static>(d: &mut Deferred<T>) -> Poll<Result<T, DeferredError>> {
    d.poll_unpin(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn await_then_fire_and_take_in_one_poll_then_cancel_drops_the_future() {
    let d = Deferred::from_infallible(async {
        let (resolver, mut inner) = Deferred::new();
        assert!(poll_unheard(&mut inner).is_pending());
        resolver.callback(1);
        assert_eq!(inner.await.unwrap(), 1);
        pending::<()>().await;
    });
    // It awaits no Deferred any more, so there is nothing to wait for.
    d.cancel();
    assert!(testing::failure_of(d).is_cancelled());
}

#[tokio::test]
async fn await_then_drop_what_was_awaited_then_cancel_drops_the_future() {
    let (resolver, mut inner) = Deferred::<i32>::new();
    let d = Deferred::from_infallible(async move {
        assert!(poll_unheard(&mut inner).is_pending());
        drop(inner);
        pending::<()>().await;
    });
    d.cancel();
    assert!(testing::failure_of(d).is_cancelled());
    assert!(!resolver.is_cancelled());
}

#[tokio::test]
async fn await_then_fire_then_cancel_before_the_wake_lets_the_future_have_the_result() {
    let (resolver, mut inner) = Deferred::new();
    let d = Deferred::from_coroutine(std::future::poll_fn(move |_| poll_unheard(&mut inner)));
    resolver.callback(1);
    d.cancel();
    assert_eq!(d.await.unwrap(), 1);
}

#[tokio::test]
async fn panics_at_the_first_poll_and_later_are_failures() {
    for yields in [false, true] {
        let d = Deferred::<()>::from_coroutine(async move {
            if yields {
                tokio::task::yield_now().await;
            }
            std::panic::panic_any("expected") as Result<(), Failure>
        });
        let error = d.await.unwrap_err();
        assert_eq!(
            *error
                .into_failure()
                .into_panic()
                .unwrap()
                .downcast::<&str>()
                .unwrap(),
            "expected"
        );
    }
}

#[test]
fn a_runtime_that_goes_away_drops_the_future_and_fails_the_deferred() {
    let runtime = current_thread();
    let dropped = Arc::new(AtomicBool::new(false));
    let flag = dropped.clone();
    let d = runtime.block_on(async {
        Deferred::from_infallible(async move {
            let _guard = OnDrop(move || flag.store(true, Ordering::Relaxed));
            pending::<()>().await;
        })
    });
    testing::assert_no_result(&d);
    drop(runtime);
    assert!(dropped.load(Ordering::Relaxed));
    assert!(testing::failure_of(d).is::<NoRuntime>());
}

#[test]
fn a_coroutine_spawned_on_a_runtime_that_is_gone_fails() {
    let runtime = current_thread();
    let handle = runtime.handle().clone();
    drop(runtime);
    let d = Deferred::<()>::from_coroutine_on(&handle, pending::<Result<(), Failure>>());
    assert!(testing::failure_of(d).is::<NoRuntime>());
}

#[tokio::test]
async fn no_task_is_left_behind() {
    let (resolver, d) = Deferred::<i32>::new();
    let finished = Deferred::from_coroutine(d);
    let dropped = Deferred::from_infallible(pending::<()>());
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 2);
    dropped.cancel();
    assert!(testing::failure_of(dropped).is_cancelled());
    resolver.callback(1);
    assert_eq!(finished.await.unwrap(), 1);
    while Handle::current().metrics().num_alive_tasks() > 0 {
        tokio::task::yield_now().await;
    }
}

/// Adds.
#[allow(dead_code)]
#[inline_callbacks]
pub(crate) async fn sum(a: Deferred<i32>, b: i32, c: i32) -> Result<i32, DeferredError> {
    if c == 0 {
        return Ok(0);
    }
    Ok(a.await? + b + c)
}

#[inline_callbacks]
async fn any() -> anyhow::Result<&'static str> {
    Ok("any")
}

#[tokio::test]
async fn the_macro_makes_functions_of_any_number_of_arguments() {
    let (resolver, a) = Deferred::new();
    let d: Deferred<i32> = sum(a, 2, 3);
    resolver.callback(1);
    assert_eq!(d.await.unwrap(), 6);
    assert_eq!(testing::success_of(any()), "any");
}

/// Cancels race with fires and polls; the coroutine ends once, whoever wins.
#[test]
fn cancel_and_fire_from_other_threads() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    for n in 0..if cfg!(debug_assertions) { 300 } else { 3000 } {
        let (resolver, inner) = Deferred::<i32>::new();
        let mut d = Deferred::from_coroutine_on(runtime.handle(), async move {
            let first = inner.await;
            tokio::task::yield_now().await;
            first
        });
        let handle = d.cancel_handle();
        let cancelling = std::thread::spawn(move || {
            handle.cancel();
            handle.cancel();
        });
        resolver.callback(n);
        match runtime.block_on(d) {
            Ok(value) => assert_eq!(value, n),
            Err(error) => assert!(error.is_cancelled()),
        }
        cancelling.join().unwrap();
    }
}
