//! Counts, sizes and durations at their limits: what does not fit is said, and
//! nothing runs early, twice or never for it.

#![cfg(not(miri))] // A million pauses.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::advance;
use tokio_deferred::task::{LoopingCall, defer_later};
use tokio_deferred::{
    Deferred, DeferredFilesystemLock, DeferredList, DeferredQueue, DeferredSemaphore,
    map_with_concurrency, race, testing,
};

/// As many as there can be at once.
const PAUSES: usize = (1 << 20) - 1;

/// The message that `f` panics with.
#[track_caller]
fn panic_of<R>(f: impl FnOnce() -> R) -> String {
    let Err(payload) = catch_unwind(AssertUnwindSafe(f)) else {
        panic!("no panic")
    };
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload.downcast::<&str>().expect("a text").to_string(),
    }
}

#[test]
fn one_pause_too_many_panics_and_holds_nothing_up() {
    for fired in [false, true] {
        let (resolver, mut d) = Deferred::new();
        let mut resolver = Some(resolver);
        if fired {
            resolver.take().unwrap().callback(1);
        }
        let mut pauses: Vec<_> = (0..PAUSES).map(|_| d.pause()).collect();
        for _ in 0..3 {
            assert!(panic_of(|| d.pause()).contains("paused more than 1,048,575 times"));
        }
        let mut d = d.map(|n| n + 1);
        if let Some(resolver) = resolver {
            resolver.callback(1);
        }
        // One that is gone makes room for one.
        drop(pauses.pop());
        let again = d.pause();
        panic_of(|| d.pause());
        drop(pauses);
        testing::assert_no_result(&d);
        drop(again);
        assert_eq!(testing::success_of(d), 2);
    }
}

#[test]
fn pauses_beside_a_value_that_is_in_no_chain_have_the_same_limit() {
    let mut d = Deferred::succeed(1);
    let pauses: Vec<_> = (0..PAUSES).map(|_| d.pause()).collect();
    assert!(panic_of(|| d.pause()).contains("times at once"));
    let d = d.try_result().expect_err("it is paused");
    drop(pauses);
    assert_eq!(testing::success_of(d), 1);
}

/// A handle that is forgotten stays counted.
#[test]
#[ignore = "counts to 2^28: for --release"]
fn one_handle_too_many_panics_and_frees_nothing() {
    let (resolver, mut d) = Deferred::new();
    let handle = d.cancel_handle();
    // The resolver, the Deferred and this handle are three.
    for _ in 0..(1 << 28) - 4 {
        std::mem::forget(handle.clone());
    }
    for _ in 0..3 {
        assert!(panic_of(|| handle.clone()).contains("more than 268,435,455 handles"));
        assert!(panic_of(|| d.cancel_handle()).contains("more than 268,435,455 handles"));
    }
    drop(handle);
    resolver.callback(1);
    assert_eq!(testing::success_of(d), 1);
}

#[test]
fn subscribers_by_the_hundred_thousand_are_served_once_each() {
    let (resolver, d) = Deferred::new();
    let shared = d.share();
    let all: Vec<_> = (0..100_000).map(|_| shared.subscribe()).collect();
    resolver.callback(1);
    let sum: i32 = all.into_iter().map(testing::success_of).sum();
    assert_eq!(sum, 100_000);
}

#[test]
fn lists_of_none_and_of_a_hundred_thousand() {
    assert!(testing::success_of(DeferredList::<()>::new([]).into_deferred()).is_empty());
    assert!(testing::failure_of(race::<()>([])).is::<tokio_deferred::FailureGroup>());
    let pairs = (0..100_000).map(|_| Deferred::<usize>::new());
    let (resolvers, all): (Vec<_>, Vec<_>) = pairs.unzip();
    let list = DeferredList::new(all).into_deferred();
    for (n, resolver) in resolvers.into_iter().enumerate().rev() {
        resolver.callback(n);
    }
    let results = testing::success_of(list);
    for (n, result) in results.into_iter().enumerate() {
        assert_eq!(result.unwrap(), n);
    }
}

#[test]
fn queues_of_any_size() {
    let all = DeferredQueue::with_limits(Some(usize::MAX), Some(usize::MAX));
    all.put(1).unwrap();
    assert_eq!(testing::success_of(all.get()), 1);
    let waits = all.get();
    all.put(2).unwrap();
    assert_eq!(testing::success_of(waits), 2);
    // One that keeps nothing hands over all the same.
    let keeps_none = DeferredQueue::with_limits(Some(0), None);
    assert_eq!(keeps_none.put(1).unwrap_err().into_inner(), 1);
    let waits = keeps_none.get();
    keeps_none.put(2).unwrap();
    assert_eq!(testing::success_of(waits), 2);
    // An item that comes back does, past the size.
    let waits = keeps_none.get();
    keeps_none.put(3).unwrap();
    drop(waits);
    assert_eq!(keeps_none.len(), 1);
    let nobody_waits = DeferredQueue::<i32>::with_limits(None, Some(0));
    let failure = testing::failure_of(nobody_waits.get());
    assert!(failure.is::<tokio_deferred::QueueUnderflow>());
}

#[tokio::test]
async fn semaphores_of_any_size() {
    let most = DeferredSemaphore::new(Semaphore::MAX_PERMITS);
    drop(testing::success_of(most.acquire_many(u32::MAX)));
    assert_eq!(most.tokens(), Semaphore::MAX_PERMITS);
    panic_of(|| DeferredSemaphore::new(Semaphore::MAX_PERMITS + 1));
    let none = DeferredSemaphore::new(0);
    drop(testing::success_of(none.acquire_many(0)));
    // More than there will ever be: until it is cancelled.
    let never = DeferredSemaphore::new(1).acquire_many(u32::MAX);
    testing::assert_no_result(&never);
    never.cancel();
    assert!(testing::failure_of(never).is_cancelled());
}

#[test]
fn maps_of_any_width() {
    let squares = map_with_concurrency(0..100, usize::MAX, |n| Ok(n * n)).gather();
    assert_eq!(testing::success_of(squares).len(), 100);
    panic_of(|| map_with_concurrency(0..1, 0, |_| ()));
}

#[test]
fn a_callback_that_holds_a_megabyte() {
    let large = vec![7_u8; 1 << 20];
    let large: Box<[u8; 1 << 20]> = large.into_boxed_slice().try_into().unwrap();
    let stack = std::thread::Builder::new().stack_size(64 << 20);
    let here = move || {
        let large = *large;
        let (resolver, mut d) = Deferred::new();
        for _ in 0..3 {
            d = d.map(move |n: usize| n + usize::from(large[n]));
        }
        resolver.callback(0);
        assert_eq!(testing::success_of(d), 21);
    };
    stack.spawn(here).unwrap().join().unwrap();
}

/// Durations that fit an `Instant` or do not, and Tokio's timers or not.
const LONG: [Duration; 6] = [
    Duration::MAX,
    Duration::from_secs(u64::MAX),
    Duration::from_secs(i64::MAX as u64),
    Duration::from_secs(1 << 62),
    Duration::from_millis(u64::MAX),
    Duration::from_secs(1_000 * 365 * 24 * 60 * 60),
];

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

fn is_pending<T: Send + 'static>(d: &mut Deferred<T>) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    let polled: Poll<_> = std::pin::Pin::new(d).poll(&mut cx);
    polled.is_pending()
}

#[tokio::test(start_paused = true)]
async fn durations_without_end_do_not_end() {
    for long in LONG {
        let (resolver, d) = Deferred::<i32>::new();
        let mut limited = d.add_timeout(long);
        let (_never, d) = Deferred::<i32>::new();
        let mut with = d.add_timeout_with(long, |_| Ok(0));
        let mut later = defer_later(long, || Ok(1));
        advance(YEAR).await;
        tokio::task::yield_now().await;
        for d in [&mut limited, &mut with, &mut later] {
            assert!(is_pending(d), "{long:?}");
        }
        resolver.callback(1);
        assert_eq!(testing::success_of(limited), 1);
        later.cancel();
        assert!(testing::failure_of(later).is_cancelled());
        with.cancel();
        assert!(testing::failure_of(with).is_cancelled());
    }
}

#[tokio::test(start_paused = true)]
async fn looping_calls_of_any_interval() {
    for long in LONG {
        let (tx, rx) = std::sync::mpsc::channel();
        let call = LoopingCall::with_count(move |count| tx.send(count).unwrap());
        let ended = call.start(long);
        advance(YEAR).await;
        tokio::task::yield_now().await;
        call.reset();
        advance(YEAR).await;
        tokio::task::yield_now().await;
        call.stop();
        testing::success_of(ended);
        assert_eq!(rx.try_iter().collect::<Vec<_>>(), [1], "{long:?}");
    }
    // As short as there is: a year of nanoseconds is counted, not counted out.
    let (tx, rx) = std::sync::mpsc::channel();
    let call = LoopingCall::with_count(move |count| {
        tx.send(count).unwrap();
        defer_later(YEAR, || Ok(()))
    });
    let ended = call.start(Duration::from_nanos(1));
    tokio::task::yield_now().await;
    advance(YEAR * 2).await;
    tokio::time::sleep(YEAR / 2).await;
    call.stop();
    ended.await.unwrap();
    let counts: Vec<u64> = rx.try_iter().collect();
    assert_eq!(counts[0], 1);
    assert!(u128::from(counts[1]) >= YEAR.as_nanos(), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_locked_is_waited_for_without_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let held = DeferredFilesystemLock::new(&path).defer_until_locked(None);
    let held = held.await.unwrap();
    for long in LONG {
        let mut waits = DeferredFilesystemLock::new(&path).defer_until_locked(Some(long));
        assert!(is_pending(&mut waits), "{long:?}");
        waits.cancel();
        assert!(waits.await.unwrap_err().is_cancelled());
    }
    drop(held);
}
