//! Calls later, loops and looping calls, under a paused clock.

use std::ops::ControlFlow::{Break, Continue};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use test_support::clock::{live_tasks, paused, settle};
use tokio::runtime::Builder;
use tokio::time::{Instant, advance, sleep};
use tokio_deferred::task::{AlreadyRunning, LoopingCall, defer_later, iterate};
use tokio_deferred::{Deferred, Failure, NoRuntime, NoRuntimeKind, Resolver, testing};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn later_then_called_at_that_time() {
    let start = Instant::now();
    let d = defer_later(3 * SECOND, move || Ok(start.elapsed()));
    settle().await;
    testing::assert_no_result(&d);
    assert_eq!(d.await.unwrap(), 3 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn later_in_the_order_of_the_deadlines() {
    let (tx, rx) = mpsc::channel();
    let all: Vec<_> = [3, 1, 2, 1]
        .into_iter()
        .enumerate()
        .map(|(n, after)| {
            let tx = tx.clone();
            defer_later(after * SECOND, move || Ok(tx.send(n)?))
        })
        .collect();
    for d in all {
        d.await.unwrap();
    }
    assert_eq!(rx.try_iter().collect::<Vec<_>>(), [1, 3, 2, 0]);
}

#[tokio::test(start_paused = true)]
async fn later_then_cancel_is_never_called() {
    let token = Arc::new(());
    let inside = token.clone();
    let d = defer_later(SECOND, move || -> Result<(), Failure> {
        drop(inside);
        unreachable!("it was cancelled");
    });
    settle().await;
    d.cancel_with("changed my mind");
    let failure = testing::failure_of(d);
    assert!(failure.is_cancelled());
    settle().await;
    assert_eq!(live_tasks(), 0);
    assert_eq!(Arc::strong_count(&token), 1);
}

#[tokio::test(start_paused = true)]
async fn later_then_cancel_reaches_what_the_call_returned() {
    let (inner, waits) = Deferred::<()>::new();
    let d = defer_later(SECOND, || waits);
    advance(SECOND).await;
    settle().await;
    testing::assert_no_result(&d);
    d.cancel();
    assert!(inner.is_cancelled());
    assert!(testing::failure_of(d).is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn later_then_drop_is_called() {
    let (tx, rx) = mpsc::channel();
    drop(defer_later(SECOND, move || Ok(tx.send(())?)));
    sleep(2 * SECOND).await;
    rx.try_recv().unwrap();
}

#[tokio::test(start_paused = true)]
async fn later_then_panic() {
    let d = defer_later(SECOND, || -> Result<(), Failure> { panic!("too late") });
    assert!(d.await.unwrap_err().is_panic());
}

#[test]
fn later_without_a_runtime_then_with_one_that_ends() {
    let d = defer_later(SECOND, || Ok(()));
    assert!(testing::failure_of(d).is::<NoRuntime>());
    let runtime = paused();
    let d = runtime.block_on(async { defer_later(SECOND, || Ok(())) });
    drop(runtime);
    assert!(testing::failure_of(d).is::<NoRuntime>());
}

/// A call that waits for another must not keep it from being made.
#[test]
fn later_while_another_call_blocks() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let (tx, rx) = mpsc::channel::<()>();
    let blocks = defer_later(Duration::from_millis(1), move || Ok(rx.recv()?));
    let lets_go = defer_later(Duration::from_millis(1), move || Ok(tx.send(())?));
    runtime.block_on(blocks).unwrap();
    runtime.block_on(lets_go).unwrap();
}

const MILLION: u32 = if cfg!(miri) { 500 } else { 1_000_000 };

#[test]
fn iterate_a_million_turns_that_never_wait() {
    let d = iterate(0_u32, |n| {
        if n < MILLION {
            Continue(n + 1)
        } else {
            Break(n)
        }
    });
    assert_eq!(testing::success_of(d), MILLION);
}

#[test]
fn iterate_a_million_turns_that_wait() {
    let slot: Arc<Mutex<Option<Resolver<()>>>> = Arc::default();
    let next = slot.clone();
    let d = iterate(0_u32, move |n| {
        let (resolver, d) = Deferred::new();
        *next.lock().unwrap() = Some(resolver);
        d.add_callback(move |()| {
            Ok(if n < MILLION {
                Continue(n + 1)
            } else {
                Break(n)
            })
        })
    });
    let take = || slot.lock().unwrap().take();
    while let Some(resolver) = take() {
        resolver.callback(());
    }
    assert_eq!(testing::success_of(d), MILLION);
}

#[test]
fn iterate_then_fail_then_panic() {
    let d = iterate(["1", "2", "three"].into_iter(), |mut words| {
        let Some(word) = words.next() else {
            return Ok(Break(()));
        };
        word.parse::<i32>()?;
        Ok(Continue(words))
    });
    assert!(testing::failure_of(d).is::<std::num::ParseIntError>());
    let d = iterate(3_u32, |n| match n {
        0 => panic!("zero"),
        4 => Break(()),
        n => Continue(n - 1),
    });
    assert!(testing::failure_of(d).is_panic());
}

#[tokio::test(start_paused = true)]
async fn iterate_then_cancel_reaches_what_it_waits_for() {
    let (tx, rx) = mpsc::channel();
    let d: Deferred<()> = iterate(0, move |n| {
        tx.send(n).unwrap();
        defer_later(SECOND, move || Ok(Continue(n + 1)))
    });
    sleep(Duration::from_millis(2_500)).await;
    d.cancel();
    assert!(testing::failure_of(d).is_cancelled());
    sleep(5 * SECOND).await;
    assert_eq!(rx.iter().collect::<Vec<_>>(), [0, 1, 2]);
}

/// What a looping call did: how many calls, and when each was made.
type Times = mpsc::Receiver<(u64, u64)>;

/// A looping call whose calls take the seconds given, the last for ever.
fn looping(durations: &'static [u32]) -> (LoopingCall, Times) {
    let (tx, rx) = mpsc::channel();
    let start = Instant::now();
    let mut durations = durations.iter();
    let call = LoopingCall::with_count(move |count| {
        tx.send((count, start.elapsed().as_secs())).unwrap();
        match durations.next() {
            Some(0) => Deferred::succeed(()),
            Some(seconds) => defer_later(*seconds * SECOND, || Ok(())),
            None => defer_later(Duration::MAX, || Ok(())),
        }
    });
    (call, rx)
}

#[tokio::test(start_paused = true)]
async fn looping_calls_at_once_and_at_each_interval() {
    let (call, times) = looping(&[0; 10]);
    let d = call.start(10 * SECOND);
    assert_eq!(times.try_recv().unwrap(), (1, 0));
    assert_eq!(call.interval(), Some(10 * SECOND));
    sleep(35 * SECOND).await;
    assert!(call.is_running());
    call.stop();
    testing::success_of(d);
    assert!(!call.is_running());
    assert_eq!(call.interval(), None);
    sleep(35 * SECOND).await;
    assert_eq!(
        times.try_iter().collect::<Vec<_>>(),
        [(1, 10), (1, 20), (1, 30)]
    );
    assert_eq!(live_tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn looping_later_first_waits() {
    let (call, times) = looping(&[0; 10]);
    let d = call.start_later(10 * SECOND);
    assert!(times.try_recv().is_err());
    sleep(25 * SECOND).await;
    call.stop();
    testing::success_of(d);
    assert_eq!(times.try_iter().collect::<Vec<_>>(), [(1, 10), (1, 20)]);
}

#[tokio::test(start_paused = true)]
async fn looping_slow_calls_skip_intervals_and_do_not_drift() {
    let (call, times) = looping(&[13, 3, 27, 10, 0, 0]);
    let d = call.start(10 * SECOND);
    sleep(95 * SECOND).await;
    call.stop();
    d.await.unwrap();
    assert_eq!(
        times.try_iter().collect::<Vec<_>>(),
        [(1, 0), (2, 20), (1, 30), (3, 60), (2, 80), (1, 90)]
    );
}

#[tokio::test(start_paused = true)]
async fn looping_intervals_that_are_no_whole_milliseconds_do_not_drift() {
    let interval = Duration::from_nanos(333_333_333);
    let (tx, rx) = mpsc::channel();
    let start = Instant::now();
    let call = LoopingCall::new(move || tx.send(start.elapsed()).unwrap());
    let d = call.start(interval);
    sleep(1_000 * SECOND + Duration::from_millis(10)).await;
    call.stop();
    d.await.unwrap();
    let times: Vec<_> = rx.try_iter().collect();
    assert_eq!(times.len(), 3_001);
    for (n, time) in (0..).zip(times) {
        let late = time.checked_sub(interval * n).expect("a call was early");
        assert!(
            late < Duration::from_millis(2),
            "call {n} was {late:?} late"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn looping_stop_while_a_call_waits_ends_after_it() {
    let (call, times) = looping(&[3]);
    let d = call.start(SECOND);
    sleep(SECOND).await;
    call.stop();
    assert!(!call.is_running());
    testing::assert_no_result(&d);
    sleep(3 * SECOND).await;
    testing::success_of(d);
    assert_eq!(times.try_iter().count(), 1);
}

#[tokio::test(start_paused = true)]
async fn looping_stop_inside_the_call() {
    let slot: Arc<Mutex<Option<LoopingCall>>> = Arc::default();
    let this = slot.clone();
    let mut calls = 0;
    let call = LoopingCall::new(move || {
        calls += 1;
        if calls == 3 {
            this.lock().unwrap().take().unwrap().stop();
        }
    });
    *slot.lock().unwrap() = Some(call.clone());
    let start = Instant::now();
    call.start(SECOND).await.unwrap();
    assert_eq!(start.elapsed(), 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn looping_fail_then_start_again() {
    let mut calls = 0;
    let call = LoopingCall::new(move || {
        calls += 1;
        match calls {
            2 => Err(Failure::new("the second")),
            4 => panic!("the fourth"),
            _ => Ok(()),
        }
    });
    let error = call.start(SECOND).await.unwrap_err();
    assert_eq!(error.error().to_string(), "the second");
    assert!(!call.is_running());
    let again = call.start(SECOND);
    assert!(testing::failure_of(call.start(SECOND)).is::<AlreadyRunning>());
    assert!(again.await.unwrap_err().is_panic());
}

#[tokio::test(start_paused = true)]
async fn looping_cancel_between_calls_then_during_one() {
    let (call, times) = looping(&[0; 10]);
    let d = call.start(SECOND);
    sleep(SECOND / 2).await;
    d.cancel_with("enough");
    assert!(testing::failure_of(d).is_cancelled());
    sleep(5 * SECOND).await;
    assert_eq!(times.try_iter().count(), 1);
    assert!(!call.is_running());

    let (inner, waits) = Deferred::<()>::new();
    let mut waits = Some(waits);
    let call = LoopingCall::new(move || waits.take().unwrap());
    let d = call.start(SECOND);
    settle().await;
    d.cancel();
    assert!(inner.is_cancelled());
    assert!(d.await.unwrap_err().is_cancelled());
    assert_eq!(live_tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn looping_reset_counts_from_then() {
    let (call, times) = looping(&[0; 10]);
    let d = call.start(10 * SECOND);
    sleep(14 * SECOND).await;
    call.reset();
    sleep(15 * SECOND).await;
    call.stop();
    testing::success_of(d);
    assert_eq!(
        times.try_iter().collect::<Vec<_>>(),
        [(1, 0), (1, 10), (1, 24)]
    );
}

#[tokio::test(start_paused = true)]
async fn looping_without_an_interval_lets_others_run() {
    let (call, times) = looping(&[0; 10]);
    let d = call.start(Duration::ZERO);
    while times.try_iter().count() == 0 {
        tokio::task::yield_now().await;
    }
    call.stop();
    drop(d);
    settle().await;
    assert_eq!(live_tasks(), 0);
}

#[test]
fn looping_without_a_runtime_is_not_called() {
    let call = LoopingCall::new(|| -> Result<(), Failure> { unreachable!("no runtime") });
    let d = call.start(SECOND);
    assert!(testing::failure_of(d).is::<NoRuntime>());
}

#[test]
fn looping_on_a_runtime_that_ends() {
    let runtime = paused();
    let (call, d) = runtime.block_on(async {
        let call = LoopingCall::new(|| ());
        let d = call.start(SECOND);
        settle().await;
        (call, d)
    });
    drop(runtime);
    let failure = testing::failure_of(d);
    let error = failure.check::<NoRuntime>().expect("the runtime has gone");
    assert_eq!(error.kind(), NoRuntimeKind::ShutDown);
    assert!(!call.is_running());
}
