//! Coroutines that fires resume: without a runtime, inside the fire.

use futures::future::{FutureExt, join_all};
use futures::stream::{FuturesUnordered, StreamExt};
use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;
use test_support::runtime::current_thread;
use test_support::{Later, Log, OnDrop};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio_deferred::{
    Deferred, DeferredError, Failure, NoRuntime, Resolver, debug, inline_callbacks, testing,
};

async fn sum(first: Deferred<i32>, second: Deferred<i32>) -> Result<i32, DeferredError> {
    Ok(first.await? + second.await?)
}

#[test]
fn fire_resumes_inside_the_fire_on_its_thread() {
    let (one, first) = Deferred::<i32>::new();
    let (two, second) = Deferred::<i32>::new();
    let log = Log::default();
    let there = log.clone();
    let d = Deferred::from_coroutine_inline(async move {
        let n = first.await?;
        there.add(format!("first on {:?}", thread::current().id()));
        let n = n + second.await?;
        there.add(format!("second on {:?}", thread::current().id()));
        Ok::<_, DeferredError>(n)
    });
    one.callback(1);
    let here = thread::current().id();
    assert_eq!(log.all(), [format!("first on {here:?}")]);
    let elsewhere = test_support::fire_elsewhere(two, 2);
    assert_eq!(log.all()[1], format!("second on {elsewhere:?}"));
    assert_eq!(testing::success_of(d), 3);
}

#[test]
fn every_way_to_make_a_coroutine_works_without_a_runtime() {
    type Make = fn(Deferred<i32>, Deferred<i32>) -> Deferred<i32>;
    let ways: [Make; 5] = [
        |a, b| Deferred::from_coroutine(sum(a, b)),
        |a, b| Deferred::from_future(sum(a, b)),
        |a, b| Deferred::from_async(async move { Ok(sum(a, b).await?) }),
        |a, b| Deferred::from_infallible(sum(a, b).map(Result::unwrap)),
        |a, b| inline_callbacks(move |(a, b)| sum(a, b))((a, b)),
    ];
    for make in ways {
        let (one, first) = Deferred::<i32>::new();
        let (two, second) = Deferred::<i32>::new();
        let d = make(first, second);
        testing::assert_no_result(&d);
        two.callback(2);
        testing::assert_no_result(&d);
        one.callback(1);
        assert_eq!(testing::success_of(d), 3);
    }
}

#[test]
fn fire_then_stages_of_the_coroutine_run_before_the_fire_returns() {
    let (resolver, inner) = Deferred::<i32>::new();
    let log = Log::default();
    let (one, two) = (log.clone(), log.clone());
    let inner = inner.map(move |n| {
        one.add("stage");
        n
    });
    let d = Deferred::from_coroutine_inline(inner).map(move |n| two.add(format!("got {n}")));
    resolver.callback(1);
    log.add("fired");
    assert_eq!(log.all(), ["stage", "got 1", "fired"]);
    testing::success_of(d);
}

#[test]
fn fire_inside_a_resumed_coroutine_resumes_another_at_once() {
    let (start, started) = Deferred::<i32>::new();
    let (next, awaited) = Deferred::<i32>::new();
    let log = Log::default();
    let (one, two) = (log.clone(), log.clone());
    let second = Deferred::from_coroutine_inline(async move {
        let n = awaited.await?;
        two.add("second");
        Ok::<_, DeferredError>(n)
    });
    let first = Deferred::from_coroutine_inline(async move {
        let n = started.await?;
        next.callback(n + 1);
        one.add("first goes on");
        Ok::<_, DeferredError>(n)
    });
    start.callback(1);
    assert_eq!(log.all(), ["second", "first goes on"]);
    assert_eq!(testing::success_of(first) + testing::success_of(second), 3);
}

/// Its waker is not the coroutine's own, and it wakes that inside the fire.
#[test]
fn awaited_by_way_of_other_wakers_is_resumed_inside_the_fire() {
    let (resolvers, all): (Vec<_>, Vec<_>) = (0..100).map(|_| Deferred::<usize>::new()).unzip();
    let d = Deferred::from_coroutine_inline(async move {
        let mut all: FuturesUnordered<_> = all.into_iter().collect();
        let mut sum = 0;
        while let Some(n) = all.next().await {
            sum += n?;
        }
        Ok::<_, DeferredError>(sum)
    });
    for (n, resolver) in resolvers.into_iter().enumerate() {
        resolver.callback(n);
    }
    assert_eq!(testing::success_of(d), 4950);
}

/// `Shared` calls wakers under a lock, which a poll of it needs: no coroutine may
/// be polled inside a waker.
#[test]
fn several_that_await_one_shared_future_are_resumed_outside_of_its_lock() {
    let (resolver, inner) = Deferred::<i32>::new();
    let shared = FutureExt::map(inner, Result::unwrap).boxed().shared();
    let all: Vec<_> = (0..3)
        .map(|_| Deferred::from_coroutine_inline(shared.clone().map(Ok::<_, Failure>)))
        .collect();
    let polled = FutureExt::now_or_never(shared);
    assert_eq!(polled, None);
    resolver.callback(5);
    for d in all {
        assert_eq!(testing::success_of(d), 5);
    }
}

#[test]
fn cancel_reaches_what_is_awaited_and_the_coroutine_cleans_up_before_it_returns() {
    let (resolver, inner) = Deferred::<i32>::new();
    let (_cleaning, cleaned) = Deferred::<i32>::new();
    let d = Deferred::from_coroutine_inline(async move {
        let error = inner.await.unwrap_err();
        assert!(error.is_cancelled());
        let again = cleaned.await.unwrap_err();
        Ok::<_, Failure>(again.is_cancelled())
    });
    d.cancel();
    assert!(resolver.is_cancelled());
    testing::assert_no_result(&d);
    d.cancel();
    assert!(testing::success_of(d));
}

#[test]
fn cancel_reaches_all_that_is_awaited_before_the_coroutine_is_polled() {
    let log = Log::default();
    let awaited = |name: &'static str| {
        let log = log.clone();
        Deferred::<i32>::with_canceller(move || {
            log.add(name);
            None
        })
    };
    let ((_a, first), (_b, second)) = (awaited("first"), awaited("second"));
    let there = log.clone();
    let d = Deferred::from_infallible(async move {
        let (a, b) = tokio::join!(first, second);
        there.add("polled");
        (a.is_err(), b.is_err())
    });
    d.cancel();
    assert_eq!(log.all(), ["first", "second", "polled"]);
    assert_eq!(testing::success_of(d), (true, true));
}

#[test]
fn cancel_of_a_coroutine_from_inside_a_canceller_of_what_it_awaits() {
    let own = Later::<tokio_deferred::CancelHandle>::new();
    let there = own.clone();
    let (_resolver, inner) = Deferred::<i32>::with_canceller(move || {
        there.take().cancel();
        Some(Ok(1))
    });
    let (other, second) = Deferred::<i32>::new();
    let mut d = Deferred::from_coroutine_inline(sum(inner, second));
    own.put(d.cancel_handle());
    d.cancel();
    // The first was asked once; the cancel that came meanwhile is the second's.
    assert!(other.is_cancelled());
    assert!(testing::failure_of(d).is_cancelled());
}

#[test]
fn panic_after_an_await_is_the_failure_and_the_fire_returns() {
    let (resolver, inner) = Deferred::<i32>::new();
    let dropped = Log::default();
    let log = dropped.clone();
    let d = Deferred::<()>::from_coroutine_inline(async move {
        let _guard = OnDrop(move || log.add("dropped"));
        inner.await?;
        std::panic::panic_any("expected") as Result<(), DeferredError>
    });
    resolver.callback(1);
    assert!(testing::failure_of(d).is_panic());
    assert_eq!(dropped.all(), ["dropped"]);
}

#[test]
fn dropped_resolver_resumes_with_the_failure() {
    let (resolver, inner) = Deferred::<i32>::new();
    let d = Deferred::from_coroutine_inline(inner);
    drop(resolver);
    assert!(testing::failure_of(d).is_resolver_dropped());
}

#[test]
fn awaits_no_deferred_any_more_and_there_is_no_runtime_then_fails() {
    let (resolver, inner) = Deferred::<i32>::new();
    let dropped = Log::default();
    let log = dropped.clone();
    let d = Deferred::<()>::from_coroutine_inline(async move {
        let _guard = OnDrop(move || log.add("dropped"));
        inner.await?;
        pending::<()>().await;
        Ok::<_, DeferredError>(())
    });
    let line = line!() - 6;
    resolver.callback(1);
    let failure = testing::failure_of(d);
    assert!(failure.is::<NoRuntime>());
    assert_eq!(failure.trace().raised_at().line(), line);
    assert_eq!(dropped.all(), ["dropped"]);
}

#[test]
fn woken_by_something_else_and_there_is_no_runtime_then_fails() {
    let (_resolver, inner) = Deferred::<i32>::new();
    let (tx, rx) = oneshot::channel::<i32>();
    let d = Deferred::<()>::from_coroutine_inline(async move {
        let _both = tokio::join!(inner, rx);
        Ok::<_, DeferredError>(())
    });
    testing::assert_no_result(&d);
    tx.send(1).unwrap();
    assert!(testing::failure_of(d).is::<NoRuntime>());
}

#[test]
fn woken_by_something_else_is_polled_by_a_task_of_the_runtime_it_began_in() {
    let runtime = current_thread();
    let (resolver, inner) = Deferred::<i32>::new();
    let (tx, rx) = oneshot::channel::<i32>();
    let log = Log::default();
    let there = log.clone();
    let d = {
        let _entered = runtime.enter();
        Deferred::from_coroutine_inline(async move {
            let first = inner.await?;
            there.add(format!("{}", Handle::try_current().is_ok()));
            tokio::time::sleep(Duration::from_millis(1)).await;
            there.add(format!("{}", tokio::task::try_id().is_some()));
            Ok::<_, Failure>(first + rx.await?)
        })
    };
    assert_eq!(runtime.metrics().num_alive_tasks(), 0);
    // No runtime is current here: the one of the beginning is entered.
    resolver.callback(1);
    assert_eq!(log.all(), ["true"]);
    assert_eq!(runtime.metrics().num_alive_tasks(), 1);
    thread::spawn(move || tx.send(2).unwrap());
    assert_eq!(runtime.block_on(d).unwrap(), 3);
    assert_eq!(log.all(), ["true", "true"]);
    runtime.block_on(tokio::task::yield_now());
    assert_eq!(runtime.metrics().num_alive_tasks(), 0);
}

#[test]
fn its_runtime_shuts_down_while_it_awaits_a_deferred_then_the_fire_resumes_it() {
    let runtime = current_thread();
    let (resolver, inner) = Deferred::<i32>::new();
    let (open, gate) = oneshot::channel();
    let d = {
        let _entered = runtime.enter();
        Deferred::from_coroutine_inline(async move {
            gate.await.unwrap();
            inner.await
        })
    };
    open.send(()).unwrap();
    runtime.block_on(async {
        for _ in 0..32 {
            tokio::task::yield_now().await;
        }
    });
    drop(runtime);
    testing::assert_no_result(&d);
    resolver.callback(1);
    assert_eq!(testing::success_of(d), 1);
}

#[test]
fn its_runtime_shuts_down_while_it_awaits_something_else_then_it_fails() {
    let runtime = current_thread();
    let d = {
        let _entered = runtime.enter();
        Deferred::from_coroutine_inline(pending::<Result<(), Failure>>())
    };
    drop(runtime);
    assert!(testing::failure_of(d).is::<NoRuntime>());
}

#[tokio::test]
async fn fires_in_a_task_resume_outside_of_its_budget() {
    let (resolver, inner) = Deferred::<i32>::new();
    let semaphore = Arc::new(tokio::sync::Semaphore::new(10_000));
    let d = Deferred::from_coroutine_inline(async move {
        inner.await?;
        for _ in 0..1_000 {
            // A permit costs budget; a task has 128 of it.
            drop(semaphore.acquire().await?);
        }
        Ok::<_, Failure>(())
    });
    resolver.callback(1);
    testing::success_of(d);
}

#[test]
fn polls_that_are_woken_by_their_own_fires_go_on_at_once() {
    let (resolver, mut inner) = Deferred::<i32>::new();
    let mut own = Some(resolver);
    let polls = Arc::new(AtomicUsize::new(0));
    let counted = polls.clone();
    let (start, mut started) = Deferred::<i32>::new();
    let d = Deferred::from_infallible(poll_fn(move |cx| {
        counted.fetch_add(1, Ordering::Relaxed);
        if let Poll::Ready(n) = inner.poll_unpin(cx) {
            return Poll::Ready(n.unwrap());
        }
        if started.poll_unpin(cx).is_ready() {
            own.take().unwrap().callback(7);
            started = Deferred::new().1;
        }
        Poll::Pending
    }));
    start.callback(1);
    assert_eq!(testing::success_of(d), 7);
    assert_eq!(polls.load(Ordering::Relaxed), 3);
}

/// A timer, say, that completes on a thread of its own.
fn foreign() -> (impl FnOnce(), impl Future<Output = ()>) {
    let waker = Later::<Waker>::new();
    let there = waker.clone();
    let mut polled = false;
    let future = poll_fn(move |cx| {
        if std::mem::replace(&mut polled, true) {
            return Poll::Ready(());
        }
        there.put(cx.waker().clone());
        Poll::Pending
    });
    (move || waker.take().wake(), future)
}

#[test]
fn cancelled_and_went_on_shows_in_the_list_of_the_pending() {
    debug::set_debugging(true);
    let (resolver, inner) = Deferred::<i32>::new();
    let (go_on, cleanup) = Deferred::<i32>::new();
    let d = Deferred::from_coroutine_inline(async move {
        let _ = inner.await;
        cleanup.await
    })
    .label("a stubborn one");
    let source = || {
        let pending = debug::pending();
        let mut pending = pending.iter();
        let entry = pending.find(|entry| entry.label() == Some("a stubborn one"));
        entry.map(|entry| entry.waits_for().to_string())
    };
    assert_eq!(source().unwrap(), "waits for a coroutine");
    d.cancel();
    assert_eq!(
        source().unwrap(),
        "waits for a coroutine that was cancelled and went on"
    );
    drop(resolver);
    go_on.callback(1);
    assert_eq!(testing::success_of(d), 1);
    debug::set_debugging(false);
}

#[test]
fn fires_and_other_wakes_from_many_threads_lose_no_wake() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let _entered = runtime.enter();
    for n in 0..if cfg!(debug_assertions) { 200 } else { 2_000 } {
        let (resolvers, all): (Vec<Resolver<i32>>, Vec<_>) =
            (0..3).map(|_| Deferred::new()).unzip();
        let (wake, other) = foreign();
        let d = Deferred::from_coroutine_inline(async move {
            let (all, ()) = tokio::join!(join_all(all), other);
            let mut sum = 0;
            for n in all {
                sum += n?;
            }
            Ok::<_, DeferredError>(sum)
        });
        let firing: Vec<_> = resolvers
            .into_iter()
            .map(|resolver| thread::spawn(move || resolver.callback(n)))
            .collect();
        wake();
        assert_eq!(futures::executor::block_on(d).unwrap(), 3 * n);
        firing.into_iter().for_each(|firing| firing.join().unwrap());
    }
}

#[test]
fn cancels_and_fires_from_two_threads_end_it_once() {
    for n in 0..if cfg!(debug_assertions) { 300 } else { 3_000 } {
        let (one, first) = Deferred::<i32>::new();
        let (two, second) = Deferred::<i32>::new();
        let mut d = Deferred::from_coroutine_inline(sum(first, second));
        let handle = d.cancel_handle();
        let cancelling = thread::spawn(move || handle.cancel());
        one.callback(n);
        two.callback(n);
        cancelling.join().unwrap();
        match d.try_result() {
            Ok(Ok(sum)) => assert_eq!(sum, 2 * n),
            Ok(Err(failure)) => assert!(failure.is_cancelled()),
            Err(_) => panic!("it has no result"),
        }
    }
}
