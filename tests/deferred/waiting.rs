//! `wait` and `wait_timeout`: a thread that blocks until the result is there.

use std::thread;
use std::time::{Duration, Instant};
use test_support::Later;
use tokio_deferred::{AlreadyTaken, CannotBlock, Deferred, testing};

const LONG: Duration = Duration::from_secs(3600);

#[test]
fn wait_then_fire_from_other_thread() {
    for _ in 0..300 {
        let (resolver, d) = Deferred::new();
        let firing = thread::spawn(move || resolver.callback(1));
        assert_eq!(d.map(|n| n + 1).wait().unwrap(), 2);
        firing.join().unwrap();
    }
}

#[test]
fn fire_then_wait_returns_at_once_in_any_place() {
    assert_eq!(Deferred::succeed(1).wait().unwrap(), 1);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        assert_eq!(Deferred::succeed(1).wait().unwrap(), 1);
        assert_eq!(Deferred::succeed(1).wait_timeout(LONG).unwrap().unwrap(), 1);
    });
}

#[test]
fn wait_then_resolver_dropped_on_other_thread() {
    let (resolver, d) = Deferred::<i32>::new();
    let dropping = thread::spawn(move || drop(resolver));
    let error = d.wait().unwrap_err();
    dropping.join().unwrap();
    assert!(error.is_resolver_dropped());
}

#[test]
fn wait_then_cancel_from_other_thread() {
    let (_resolver, mut d) = Deferred::<i32>::new();
    let handle = d.cancel_handle();
    let cancelling = thread::spawn(move || handle.cancel());
    assert!(d.wait().unwrap_err().is_cancelled());
    assert!(cancelling.join().unwrap());
}

#[test]
fn wait_for_a_chain_that_waits_for_others() {
    let (resolver, d) = Deferred::new();
    let (inner, returned) = Deferred::new();
    let d = d.add_callback(move |()| returned).map(|n: i32| n + 1);
    let firing = thread::spawn(move || {
        resolver.callback(());
        inner.callback(1);
    });
    assert_eq!(d.wait().unwrap(), 2);
    firing.join().unwrap();
}

#[test]
fn wait_for_a_paused_one_returns_after_the_unpause() {
    let mut d = Deferred::succeed(1);
    let pause = d.pause();
    let d = d.wait_timeout(Duration::from_millis(1)).unwrap_err();
    let unpausing = thread::spawn(move || drop(pause));
    assert_eq!(d.wait().unwrap(), 1);
    unpausing.join().unwrap();
}

#[test]
fn timeout_gives_the_deferred_back_and_it_goes_on() {
    let (resolver, d) = Deferred::new();
    let start = Instant::now();
    let d = d.wait_timeout(Duration::from_millis(20)).unwrap_err();
    assert!(start.elapsed() >= Duration::from_millis(20));
    let d = d.wait_timeout(Duration::ZERO).unwrap_err();
    let d = d.map(|n: i32| n + 1);
    resolver.callback(1);
    assert_eq!(d.wait_timeout(Duration::ZERO).unwrap().unwrap(), 2);
}

#[test]
fn limit_that_no_clock_can_show_is_no_limit() {
    let (resolver, d) = Deferred::new();
    let firing = thread::spawn(move || resolver.callback(1));
    assert_eq!(d.wait_timeout(Duration::MAX).unwrap().unwrap(), 1);
    firing.join().unwrap();
}

#[test]
fn waited_failure_says_which_deferred_was_waited_for() {
    let line = line!() + 1;
    let (resolver, d) = Deferred::<i32>::new();
    resolver.errback("no");
    let error = d.label("the number").wait().unwrap_err();
    let last = *error.trace().places().last().unwrap();
    assert_eq!((last.at().line(), last.label()), (line, Some("the number")));
}

#[test]
fn awaited_by_reference_then_wait_says_that_it_was_taken() {
    let mut d = Deferred::succeed(1);
    assert_eq!(futures::executor::block_on(&mut d).unwrap(), 1);
    assert!(d.wait().unwrap_err().is::<AlreadyTaken>());
}

/// Where a wait would stop the tasks of a runtime it is refused, and no panic is
/// raised to find that out.
#[test]
fn wait_in_a_task_and_in_block_on_is_refused() {
    let refused = || {
        let (_resolver, d) = Deferred::<i32>::new();
        assert!(d.wait().unwrap_err().is::<CannotBlock>());
        let (_resolver, d) = Deferred::<i32>::new();
        let waited = d.wait_timeout(LONG).unwrap();
        assert!(waited.unwrap_err().is::<CannotBlock>());
    };
    let one = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    one.block_on(async { refused() });
    one.block_on(async { tokio::spawn(async move { refused() }).await.unwrap() });
    let many = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    many.block_on(async { refused() });
    many.block_on(async { tokio::spawn(async move { refused() }).await.unwrap() });
}

#[test]
fn wait_where_blocking_is_allowed_waits() {
    let waits = || {
        let (resolver, d) = Deferred::new();
        let firing = thread::spawn(move || resolver.callback(1));
        assert_eq!(d.wait().unwrap(), 1);
        firing.join().unwrap();
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    runtime.block_on(async { tokio::task::spawn_blocking(waits).await.unwrap() });
    runtime.block_on(async {
        let task = tokio::spawn(async move { tokio::task::block_in_place(waits) });
        task.await.unwrap();
    });
    let entered = runtime.enter();
    waits();
    drop(entered);
}

#[test]
fn refused_wait_detaches() {
    let (resolver, d) = Deferred::<i32>::new();
    let place = Later::new();
    let seen = place.clone();
    let d = d.inspect(move |n| seen.put(*n));
    let one = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    assert!(
        one.block_on(async { d.wait() })
            .unwrap_err()
            .is::<CannotBlock>()
    );
    resolver.callback(7);
    assert_eq!(place.take(), 7);
}

/// A coroutine whose thread waits does not await what the thread waits for.
#[test]
fn wait_inside_a_coroutine_then_cancel_of_it_leaves_the_other_alone() {
    let (resolver, waited) = Deferred::<i32>::new();
    let (_never, awaited) = Deferred::<i32>::new();
    let kept = Later::new();
    let keep = kept.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let d = runtime.block_on(async {
        Deferred::from_coroutine(async move {
            // Refused or timed out, it comes back or is gone; it is not awaited.
            if let Err(back) = waited.wait_timeout(Duration::ZERO) {
                keep.put(back);
            }
            awaited.await
        })
    });
    d.cancel();
    assert!(!resolver.is_cancelled());
    if let Some(back) = kept.try_take() {
        resolver.callback(1);
        assert_eq!(testing::success_of(back), 1);
    }
    drop(runtime);
    assert!(d.wait_timeout(LONG).unwrap().is_err());
}
