//! Timeouts, under a paused clock.

use std::error::Error;
use std::sync::mpsc;
use std::time::Duration;
use test_support::clock::{live_tasks, paused, settle};
use tokio::runtime::Builder;
use tokio::time::{Instant, advance};
use tokio_deferred::{
    Cancelled, Deferred, DeferredError, Failure, NoRuntime, TimedOut, join, task, testing,
};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
#[error("hung up")]
struct HungUp;

fn timed_out(error: &DeferredError) -> Option<Duration> {
    error.downcast_ref::<TimedOut>().map(|error| error.after)
}

#[tokio::test(start_paused = true)]
async fn deadline_then_timed_out_at_that_time() {
    let start = Instant::now();
    let (resolver, d) = Deferred::<()>::new();
    let error = d.add_timeout(5 * SECOND).await.unwrap_err();
    assert_eq!(start.elapsed(), 5 * SECOND);
    assert_eq!(timed_out(&error), Some(5 * SECOND));
    assert!(!error.is_cancelled());
    assert!(resolver.is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn fire_then_deadline() {
    let (resolver, d) = Deferred::new();
    let d = d.add_timeout(SECOND);
    settle().await;
    assert_eq!(live_tasks(), 1);
    resolver.callback(7);
    settle().await;
    assert_eq!(live_tasks(), 0);
    advance(2 * SECOND).await;
    assert_eq!(testing::success_of(d), 7);
}

#[tokio::test(start_paused = true)]
async fn fail_then_deadline() {
    let (resolver, d) = Deferred::<()>::new();
    let d = d.add_timeout(SECOND);
    resolver.errback("broken");
    settle().await;
    assert_eq!(live_tasks(), 0);
    assert_eq!(testing::failure_of(d).to_string(), "broken");
}

#[tokio::test(start_paused = true)]
async fn a_moment_before_the_deadline() {
    let (resolver, d) = Deferred::<()>::new();
    let d = d.add_timeout(SECOND);
    settle().await;
    advance(SECOND - Duration::from_millis(1)).await;
    settle().await;
    testing::assert_no_result(&d);
    assert!(!resolver.is_cancelled());
    advance(Duration::from_millis(1)).await;
    settle().await;
    assert!(testing::failure_of(d).is_timed_out());
}

#[tokio::test(start_paused = true)]
async fn cancel_then_deadline_stays_cancelled() {
    let (_resolver, d) = Deferred::<()>::new();
    let d = d.add_timeout(SECOND);
    d.cancel_with("the user left");
    advance(2 * SECOND).await;
    settle().await;
    let failure = testing::failure_of(d);
    assert!(failure.is_cancelled() && !failure.is_timed_out());
    assert_eq!(failure.source().unwrap().to_string(), "the user left");
}

#[tokio::test(start_paused = true)]
async fn cancel_whose_answer_comes_after_the_deadline_stays_cancelled() {
    // A coroutine that needs three seconds to clean up after a cancel.
    let (_resolver, never) = Deferred::<()>::new();
    let slow = Deferred::from_coroutine(async move {
        let cancelled = never.await;
        tokio::spawn(tokio::time::sleep(3 * SECOND)).await.unwrap();
        cancelled
    });
    let d = slow.add_timeout(SECOND);
    let cleaned = Deferred::from_coroutine(async move {
        let (_resolver, never) = Deferred::<()>::new();
        let cancelled = never.await;
        let (r, done) = Deferred::<()>::new();
        tokio::spawn(async move {
            tokio::time::sleep(3 * SECOND).await;
            r.callback(());
        });
        // The timeout's cancel arrives here, and is not what it ends with.
        assert!(done.await.unwrap_err().is_timed_out());
        cancelled
    })
    .add_timeout(SECOND);
    d.cancel();
    cleaned.cancel();
    // Dropped by the timeout's cancel, which no Deferred takes up.
    let error = d.await.unwrap_err();
    assert!(error.is_timed_out());
    let error = cleaned.await.unwrap_err();
    assert!(error.is_cancelled() && !error.is_timed_out());
}

#[tokio::test(start_paused = true)]
async fn deadline_then_canceller_answers_with_a_value() {
    let (_resolver, d) = Deferred::with_canceller(|| Some(Ok("what there was")));
    assert_eq!(d.add_timeout(SECOND).await.unwrap(), "what there was");
}

#[tokio::test(start_paused = true)]
async fn deadline_then_canceller_answers_with_another_failure() {
    let (_resolver, d) = Deferred::<()>::with_canceller(|| Some(Err(Failure::new(HungUp))));
    let error = d.add_timeout(SECOND).await.unwrap_err();
    assert_eq!(timed_out(&error), Some(SECOND));
    assert!(error.is::<HungUp>() && !error.is_cancelled());
    let timed_out = error.downcast_ref::<TimedOut>().unwrap();
    assert_eq!(timed_out.source().unwrap().to_string(), "hung up");
    assert!(error.failure().clone().trap::<TimedOut>().is_ok());
    assert!(error.into_failure().trap::<HungUp>().is_ok());
}

#[tokio::test(start_paused = true)]
async fn deadline_then_the_operation_calls_back_with_its_own_error() {
    // As c-ares, libuv and others: the cancel is a request, and the answer comes
    // later, from another thread.
    let (tx, rx) = mpsc::channel::<()>();
    let canceller = move || drop(tx);
    let d = Deferred::<()>::from_callback(|mut resolver| {
        resolver.on_cancel(canceller);
        std::thread::spawn(move || {
            let _ = rx.recv();
            resolver.errback(HungUp);
        });
    });
    // What answers its cancel later than at once needs a delegate: here a
    // coroutine that takes the cancel and fails with an error of its own.
    let late = Deferred::from_coroutine(async move {
        let (_resolver, never) = Deferred::<()>::new();
        assert!(never.await.unwrap_err().is_cancelled());
        tokio::spawn(tokio::time::sleep(SECOND)).await.unwrap();
        Err::<(), _>(HungUp)
    });
    let start = Instant::now();
    assert_eq!(
        timed_out(&d.add_timeout(SECOND).await.unwrap_err()),
        Some(SECOND)
    );
    let error = late.add_timeout(SECOND).await.unwrap_err();
    assert_eq!(start.elapsed(), 3 * SECOND);
    assert_eq!(timed_out(&error), Some(SECOND));
    assert!(error.is::<HungUp>());
}

#[tokio::test(start_paused = true)]
async fn cancel_from_elsewhere_then_the_operation_answers_with_its_own_error() {
    let (_resolver, d) = Deferred::<()>::with_canceller(|| Some(Err(Failure::new(HungUp))));
    let d = d.add_timeout(SECOND);
    d.cancel();
    let failure = testing::failure_of(d);
    assert!(failure.is::<HungUp>() && !failure.is_timed_out());
}

#[tokio::test(start_paused = true)]
async fn deadline_then_canceller_answers_with_its_own_cancelled() {
    let canceller = || Some(Err(Failure::new(Cancelled::default())));
    let (_resolver, d) = Deferred::<()>::with_canceller(canceller);
    assert!(d.add_timeout(SECOND).await.unwrap_err().is_timed_out());
    let canceller = || {
        let reason = Some("the line is down".into());
        Some(Err(Failure::new(Cancelled { reason })))
    };
    let (_resolver, d) = Deferred::<()>::with_canceller(canceller);
    let error = d.add_timeout(SECOND).await.unwrap_err();
    assert!(error.is_timed_out());
    let cancelled = error.downcast_ref::<Cancelled>().unwrap();
    assert_eq!(
        cancelled.reason.as_ref().unwrap().to_string(),
        "the line is down"
    );
}

#[tokio::test(start_paused = true)]
async fn deadline_then_canceller_panics() {
    let (_resolver, d) = Deferred::<()>::with_canceller(|| panic!("out of order"));
    let error = d.add_timeout(SECOND).await.unwrap_err();
    assert!(error.is_panic() && error.is_timed_out());
}

#[tokio::test(start_paused = true)]
async fn deadline_then_fire_is_swallowed() {
    let (resolver, d) = Deferred::new();
    let d = d.add_timeout(SECOND);
    let error = d.await.unwrap_err();
    assert!(error.is_timed_out());
    assert_eq!(resolver.try_callback(1), Err(1));
}

#[tokio::test(start_paused = true)]
async fn deadline_reaches_what_a_stage_waits_for_but_nothing_behind() {
    let (_inner, waits) = Deferred::<()>::new();
    let before = Deferred::succeed(()).add_callback(|()| waits);
    assert!(before.add_timeout(SECOND).await.unwrap_err().is_timed_out());

    let (inner, waits) = Deferred::new();
    let behind = task::defer_later(SECOND, || Ok(()))
        .add_timeout(2 * SECOND)
        .add_callback(|()| waits);
    settle().await;
    advance(5 * SECOND).await;
    settle().await;
    inner.callback(3);
    assert_eq!(testing::success_of(behind), 3);
}

#[tokio::test(start_paused = true)]
async fn inner_deadline_first_then_outer() {
    let (_resolver, d) = Deferred::<()>::new();
    let d = d.add_timeout(SECOND).add_timeout(3 * SECOND);
    assert_eq!(timed_out(&d.await.unwrap_err()), Some(SECOND));
}

#[tokio::test(start_paused = true)]
async fn outer_deadline_first_then_inner() {
    let (tx, rx) = mpsc::channel();
    let (_resolver, d) = Deferred::<()>::new();
    let d = d
        .add_timeout(3 * SECOND)
        .inspect_failure(move |f| {
            let after = f.check::<TimedOut>().map(|error| error.after);
            tx.send((f.is_cancelled(), after)).unwrap();
        })
        .add_timeout(SECOND);
    assert_eq!(timed_out(&d.await.unwrap_err()), Some(SECOND));
    // Between the two it is a cancellation, whose reason says why.
    assert_eq!(rx.try_recv().unwrap(), (true, Some(SECOND)));
    settle().await;
    assert_eq!(live_tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn deadline_of_a_coroutine_arrives_at_its_await() {
    let (_resolver, never) = Deferred::<()>::new();
    let d = Deferred::from_coroutine(async move {
        match never.await {
            Err(error) if error.is_cancelled() => Ok::<_, DeferredError>("tidied up"),
            other => other.map(|()| "what?"),
        }
    });
    assert_eq!(d.add_timeout(SECOND).await.unwrap(), "tidied up");
}

#[tokio::test(start_paused = true)]
async fn deadline_of_a_coroutine_that_wraps_the_error() {
    let (_resolver, never) = Deferred::<()>::new();
    let d = Deferred::from_coroutine(async move {
        use anyhow::Context;
        never.await.context("while waiting for ever")
    });
    let error = d.add_timeout(SECOND).await.unwrap_err();
    assert_eq!(timed_out(&error), Some(SECOND));
    // What the coroutine said of it is the source.
    assert!(format!("{:?}", error.failure()).contains("while waiting for ever"));
}

#[tokio::test(start_paused = true)]
async fn deadline_of_several_children() {
    let (_r1, d1) = Deferred::<()>::new();
    let (_r2, d2) = Deferred::<()>::new();
    let both = join((d1, d2.add_errback(|_| Ok(()))));
    assert!(both.add_timeout(SECOND).await.unwrap_err().is_timed_out());
}

#[tokio::test(start_paused = true)]
async fn deadline_then_with_gets_the_cancelled_and_answers() {
    let (_resolver, d) = Deferred::<&str>::new();
    let d = d.add_timeout_with(SECOND, |result| {
        let failure = result.unwrap_err();
        assert!(failure.is_cancelled());
        Deferred::succeed("from the cache")
    });
    assert_eq!(d.await.unwrap(), "from the cache");
}

#[tokio::test(start_paused = true)]
async fn deadline_then_with_panics() {
    let (_resolver, d) = Deferred::<()>::new();
    let d = d.add_timeout_with(SECOND, |_| -> Result<(), Failure> { panic!("no cache") });
    assert!(d.await.unwrap_err().is_panic());
}

#[tokio::test(start_paused = true)]
async fn fire_then_with_is_not_called() {
    let (resolver, d) = Deferred::new();
    let d = d.add_timeout_with(SECOND, |_| Ok(0));
    resolver.callback(1);
    advance(2 * SECOND).await;
    assert_eq!(d.await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn fired_before_the_timeout_is_added() {
    let d = Deferred::succeed(1).add_timeout(Duration::ZERO);
    assert_eq!(testing::success_of(d), 1);
    assert_eq!(live_tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn no_time_at_all() {
    let (_resolver, d) = Deferred::<()>::new();
    assert!(
        d.add_timeout(Duration::ZERO)
            .await
            .unwrap_err()
            .is_timed_out()
    );
}

#[tokio::test(start_paused = true)]
async fn all_the_time_there_is() {
    let (resolver, d) = Deferred::new();
    let (_with, with) = Deferred::<()>::new();
    let d = d.add_timeout(Duration::MAX);
    let with = with.add_timeout_with(Duration::MAX, |_| Ok(()));
    settle().await;
    advance(1_000_000 * SECOND).await;
    settle().await;
    testing::assert_no_result(&with);
    resolver.callback(1);
    assert_eq!(testing::success_of(d), 1);
}

#[tokio::test(start_paused = true)]
async fn pause_then_deadline_then_unpause() {
    let mut d = Deferred::succeed(1);
    let pause = d.pause();
    let d = d.add_timeout(SECOND);
    settle().await;
    advance(2 * SECOND).await;
    settle().await;
    drop(pause);
    assert_eq!(testing::success_of(d), 1);
}

#[tokio::test(start_paused = true)]
async fn drop_then_deadline_cancels_the_source() {
    let (tx, rx) = mpsc::channel();
    let (mut resolver, d) = Deferred::<()>::new();
    resolver.on_cancel(move || tx.send(()).unwrap());
    drop(d.add_timeout(SECOND).add_errback(|_| Ok(())));
    settle().await;
    advance(2 * SECOND).await;
    settle().await;
    rx.try_recv().unwrap();
}

#[test]
fn no_runtime() {
    let (resolver, d) = Deferred::<()>::new();
    let d = d.add_timeout(SECOND);
    assert!(resolver.is_cancelled());
    assert!(testing::failure_of(d).is::<NoRuntime>());
    let (_with, with) = Deferred::<()>::new();
    let with = with.add_timeout_with(SECOND, |_| Ok(()));
    assert!(testing::failure_of(with).is::<NoRuntime>());
    let fired = Deferred::succeed(1).add_timeout(SECOND);
    assert_eq!(testing::success_of(fired), 1);
}

#[test]
fn no_runtime_and_a_source_that_fails_otherwise_is_reported() {
    let reports = testing::capture_unhandled(|| {
        let (_resolver, d) = Deferred::<()>::with_canceller(|| Some(Err(Failure::new("hung up"))));
        assert!(testing::failure_of(d.add_timeout(SECOND)).is::<NoRuntime>());
    });
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].failure().to_string(), "hung up");
}

#[test]
fn no_timer_in_the_runtime() {
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (resolver, d) = Deferred::<()>::new();
        let d = d.add_timeout(SECOND);
        assert!(testing::failure_of(d).is::<NoRuntime>());
        assert!(resolver.is_cancelled());
        let later = task::defer_later(SECOND, || Ok(()));
        assert!(testing::failure_of(later).is::<NoRuntime>());
    });
}

#[test]
fn runtime_gone_before_the_deadline() {
    let runtime = paused();
    let (resolver, d) = Deferred::<()>::new();
    let d = {
        let _entered = runtime.enter();
        d.add_timeout(SECOND)
    };
    drop(runtime);
    assert!(resolver.is_cancelled());
    assert!(testing::failure_of(d).is::<NoRuntime>());
}

#[test]
fn timeouts_on_a_runtime_that_is_not_current() {
    let runtime = paused();
    let (resolver, d) = Deferred::new();
    let d = {
        let _entered = runtime.enter();
        d.add_timeout(SECOND)
    };
    std::thread::spawn(move || resolver.callback(5))
        .join()
        .unwrap();
    assert_eq!(testing::success_of(d), 5);
    runtime.block_on(settle());
    assert_eq!(runtime.metrics().num_alive_tasks(), 0);
}

/// Fires and deadlines that meet on several threads: each Deferred has one
/// result or the other, and a stage behind is never struck.
#[test]
fn fire_from_other_thread_at_the_deadline() {
    const ROUNDS: u32 = if cfg!(miri) { 20 } else { 2_000 };
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    let (tx, rx) = mpsc::channel::<tokio_deferred::Resolver<u32>>();
    let firing = std::thread::spawn(move || rx.iter().for_each(|resolver| resolver.callback(1)));
    let (mut fired, mut late) = (0, 0);
    for round in 0..ROUNDS {
        let (resolver, d) = Deferred::new();
        let (behind, waits) = Deferred::<()>::new();
        let d = {
            let _entered = runtime.enter();
            d.add_timeout(Duration::from_micros(u64::from(round) % 3_000))
        };
        let d = d.add_both(move |result| {
            let result = result.map_err(|failure| failure.is_timed_out());
            waits.map(move |()| result)
        });
        if round % 2 == 1 {
            // Near the deadlines of most.
            runtime.block_on(async { tokio::time::sleep(Duration::from_millis(1)).await });
        }
        tx.send(resolver).unwrap();
        behind.callback(());
        match runtime.block_on(d).unwrap() {
            Ok(value) => fired += value,
            Err(is_timed_out) => {
                assert!(is_timed_out);
                late += 1;
            }
        }
    }
    drop(tx);
    firing.join().unwrap();
    assert_eq!(fired + late, ROUNDS);
    assert!(fired > 0, "no fire was first");
}

#[tokio::test]
async fn a_million_timeouts_that_never_expire() {
    const THOUSAND: u32 = if cfg!(miri) { 10 } else { 1_000 };
    for _ in 0..THOUSAND {
        for n in 0..THOUSAND {
            let (resolver, d) = Deferred::new();
            let d = d.add_timeout(Duration::from_secs(3600));
            resolver.callback(n);
            assert_eq!(testing::success_of(d), n);
        }
        tokio::task::yield_now().await;
    }
    settle().await;
    assert_eq!(live_tasks(), 0);
}
