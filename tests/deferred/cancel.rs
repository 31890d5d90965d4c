//! Cancelling.

use std::error::Error;
use std::fmt;
use std::sync::Mutex;
use test_support::{Later, Log};
use tokio_deferred::{CancelHandle, Deferred, Resolver, testing};

#[derive(Debug)]
struct Reason;
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the reason")
    }
}
impl Error for Reason {}

#[test]
fn cancel_then_fire_is_swallowed() {
    let (resolver, d) = Deferred::<i32>::new();
    d.cancel();
    assert!(resolver.is_cancelled() && !resolver.is_observed());
    resolver.callback(1);
    assert!(testing::failure_of(d).is_cancelled());
}

#[test]
fn cancel_then_fire_from_other_thread_gives_the_value_back() {
    let (resolver, d) = Deferred::<String>::new();
    d.cancel();
    let late = std::thread::spawn(move || resolver.try_callback("late".into()));
    assert_eq!(late.join().unwrap(), Err("late".to_owned()));
    assert!(testing::failure_of(d).is_cancelled());
}

#[test]
fn fire_then_cancel_does_nothing() {
    let (resolver, mut d) = Deferred::new();
    resolver.callback(1);
    d.cancel();
    let handle = d.cancel_handle();
    handle.cancel();
    assert_eq!(testing::success_of(d), 1);
    handle.cancel();
}

#[test]
fn the_cancellers_answer_is_the_result() {
    let (_r, d) = Deferred::with_canceller(|| Some(Ok(5)));
    d.cancel();
    assert_eq!(testing::success_of(d), 5);
    let (_r, d) = Deferred::<i32>::with_canceller(|| {
        Some(Err("own words".parse::<i32>().unwrap_err().into()))
    });
    d.cancel();
    assert!(testing::failure_of(d).is::<std::num::ParseIntError>());
    let (_r, d) = Deferred::<i32>::with_canceller(|| None);
    d.cancel();
    assert!(testing::failure_of(d).is_cancelled());
}

#[test]
fn a_canceller_that_fires_its_own_resolver_wins_and_its_answer_is_dropped() {
    let own = Later::<Resolver<i32>>::new();
    let mine = own.clone();
    let (resolver, d) = Deferred::with_canceller(move || {
        mine.take().callback(1);
        Some(Ok(2))
    });
    own.put(resolver);
    d.cancel();
    assert_eq!(testing::success_of(d), 1);
}

#[test]
fn a_canceller_that_drops_its_own_resolver_decides_all_the_same() {
    let own = Later::<Resolver<i32>>::new();
    let mine = own.clone();
    let (resolver, d) = Deferred::with_canceller(move || {
        drop(mine.take());
        None
    });
    own.put(resolver);
    d.cancel();
    assert!(testing::failure_of(d).is_cancelled());
}

#[test]
fn a_canceller_that_cancels_again_is_called_once() {
    let log = Log::default();
    let handle = Later::new();
    let (mine, there) = (handle.clone(), log.clone());
    let (_r, mut d) = Deferred::<i32>::with_canceller(move || {
        there.add("called");
        let handle: tokio_deferred::CancelHandle = mine.take();
        handle.cancel();
        None
    });
    handle.put(d.cancel_handle());
    d.cancel();
    assert_eq!(log.all(), ["called"]);
    assert!(testing::failure_of(d).is_cancelled());
}

#[test]
fn a_cancel_goes_inwards_to_what_is_awaited() {
    let (innermost, c) = Deferred::<i32>::new();
    let (middle, b) = Deferred::<i32>::new();
    let (outer, a) = Deferred::<i32>::new();
    let a = a
        .add_callback(move |_| b.add_callback(move |_| c))
        .add_errback(|f| {
            assert!(f.is_cancelled());
            Ok(-1)
        });
    outer.callback(0);
    middle.callback(0);
    a.cancel();
    assert!(innermost.is_cancelled());
    assert_eq!(testing::success_of(a), -1);
}

#[test]
fn the_reason_is_the_source_also_inwards() {
    let (_resolver, inner) = Deferred::<i32>::new();
    let d = Deferred::succeed(0).add_callback(move |_| inner);
    d.cancel_with(Reason);
    let failure = testing::failure_of(d);
    assert!(failure.is_cancelled());
    assert!(failure.source().unwrap().is::<Reason>());
    assert!(failure.is::<Reason>());
}

#[test]
fn handles_of_a_ready_deferred_reach_what_a_stage_returns() {
    let mut d = Deferred::succeed(1);
    let handle = d.cancel_handle();
    let (resolver, inner) = Deferred::<i32>::new();
    let d = d.map(|n| n).add_callback(move |_| inner);
    handle.clone().cancel();
    assert!(resolver.is_cancelled());
    assert!(testing::failure_of(d).is_cancelled());
}

#[test]
fn on_cancel_runs_in_order_before_the_canceller_and_at_once_when_late() {
    let log = Log::default();
    let (a, b, c, e) = (log.clone(), log.clone(), log.clone(), log.clone());
    let (mut resolver, d) = Deferred::<i32>::with_canceller(move || {
        c.add("canceller");
        None
    });
    resolver.on_cancel(move || a.add("first"));
    resolver.on_cancel(move || b.add("second"));
    d.cancel();
    resolver.on_cancel(move || e.add("late"));
    assert_eq!(log.all(), ["first", "second", "canceller", "late"]);
    assert!(testing::failure_of(d).is_cancelled());
}

#[test]
fn on_cancel_is_dropped_uncalled_by_a_fire() {
    let log = Log::default();
    let there = log.clone();
    let (mut resolver, d) = Deferred::new();
    let guard = test_support::OnDrop(move || there.add("dropped"));
    resolver.on_cancel(move || {
        let _guard = &guard;
        panic!("not called");
    });
    resolver.callback(1);
    d.cancel();
    assert_eq!(log.all(), ["dropped"]);
    assert_eq!(testing::success_of(d), 1);
}

#[tokio::test]
async fn cancelled_completes_also_when_asked_late() {
    let (mut resolver, mut d) = Deferred::<i32>::new();
    let handle = d.cancel_handle();
    let waiting = tokio::spawn(async move {
        resolver.cancelled().await;
        resolver.cancelled().await;
        resolver
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    handle.cancel();
    let resolver = waiting.await.unwrap();
    assert!(resolver.is_cancelled());
    assert!(testing::failure_of(d).is_cancelled());
}

#[test]
fn cancel_on_drop_cancels_quietly_and_into_inner_does_not() {
    let (resolver, d) = Deferred::<i32>::new();
    let reports = testing::capture_unhandled(|| drop(d.cancel_on_drop()));
    assert!(resolver.is_cancelled() && reports.is_empty());
    let (resolver, d) = Deferred::<i32>::new();
    drop(d.cancel_on_drop().into_inner());
    assert!(!resolver.is_cancelled());
    resolver.callback(1);
}

#[test]
fn a_loud_cancel_that_nobody_handles_is_reported() {
    let (_resolver, d) = Deferred::<i32>::new();
    let reports = testing::capture_unhandled(|| {
        d.cancel();
        drop(d);
    });
    assert_eq!(reports.len(), 1);
}

#[test]
fn an_errback_may_answer_a_cancel_with_more_work_which_the_next_cancel_reaches() {
    let (_first, d) = Deferred::<i32>::new();
    let (cleanup, work) = Deferred::<i32>::new();
    let d = d.add_errback(move |f| {
        assert!(f.is_cancelled());
        work
    });
    d.cancel();
    testing::assert_no_result(&d);
    assert!(!cleanup.is_cancelled());
    d.cancel();
    assert!(cleanup.is_cancelled());
    assert!(testing::failure_of(d).is_cancelled());
}

#[test]
fn the_handle_of_a_gone_middle_does_nothing_after_its_wait_when_the_outer_goes_too() {
    // middle -> outer -> outermost, each let go in turn.
    let (first, outermost) = Deferred::<i32>::new();
    let (second, mut outer) = Deferred::<i32>::new();
    let (third, mut middle) = Deferred::<i32>::new();
    let (inner, awaited) = Deferred::<i32>::new();
    let (last, next) = Deferred::<i32>::new();
    let handle = middle.cancel_handle();
    let keep = outer.cancel_handle();
    let middle = middle.add_callback(move |_| awaited);
    let outer = outer
        .add_callback(move |_| middle)
        .add_callback(move |_| next);
    let d = outermost.add_callback(move |_| outer);
    first.callback(0);
    second.callback(0);
    third.callback(0);
    inner.callback(0);
    handle.cancel();
    assert!(!last.is_cancelled(), "its wait is over");
    keep.cancel();
    assert!(last.is_cancelled());
    assert!(testing::failure_of(d).is_cancelled());
}

/// Waits, once fired, for what is put there later; a stage more keeps it from
/// letting go.
fn waits_for(there: &Later<Deferred<()>>) -> (Resolver<()>, Deferred<()>) {
    let there = there.clone();
    let (resolver, d) = Deferred::new();
    let d = d.add_callback(move |()| there.take()).add_callback(Ok);
    (resolver, d)
}

#[test]
fn wait_for_each_other_in_a_ring_then_cancel_from_inside_and_outside_comes_back() {
    static KEPT: Mutex<Vec<CancelHandle>> = Mutex::new(Vec::new());
    let mut kept = Vec::new();
    for length in [1, 2, 3, 7, 20] {
        let mut resolvers = Vec::new();
        let mut handles = Vec::new();
        let last = Later::new();
        // Between the last and the first stands one that lets go, and whose
        // handle then leads into the ring from outside.
        let (middle, between) = Deferred::new();
        let through = last.clone();
        let mut d = between.add_callback(move |()| through.take());
        handles.push(d.cancel_handle());
        for _ in 0..length {
            let next = Later::new();
            next.put(d);
            let (resolver, waiting) = waits_for(&next);
            d = waiting;
            handles.push(d.cancel_handle());
            resolvers.push(resolver);
        }
        last.put(d);
        // From the outermost inwards: each finds the next one waiting or unfired.
        for resolver in resolvers.into_iter().rev() {
            resolver.callback(());
        }
        middle.callback(());
        for handle in &handles {
            handle.cancel();
        }
        kept.extend(handles);
    }
    // A ring is never freed. Within reach it is no leak to those who look.
    KEPT.lock().unwrap().append(&mut kept);
}

#[test]
fn a_cancel_through_many_coroutines_does_not_use_stack() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let small = std::thread::Builder::new().stack_size(1024 * 1024);
    let outcome = small.spawn(move || {
        let _entered = runtime.enter();
        let (resolver, mut d) = Deferred::<()>::new();
        for _ in 0..if cfg!(miri) { 100 } else { 20_000 } {
            d = Deferred::from_coroutine(d);
        }
        d.cancel();
        assert!(resolver.is_cancelled());
        runtime.block_on(d).unwrap_err().is_cancelled()
    });
    assert!(outcome.unwrap().join().unwrap());
}

#[test]
fn a_refused_value_drops_the_canceller() {
    let log = Log::default();
    let there = log.clone();
    let guard = test_support::OnDrop(move || there.add("dropped"));
    let (resolver, d) = Deferred::with_canceller(move || {
        let _guard = &guard;
        None
    });
    drop(d);
    assert_eq!(resolver.try_callback(1), Err(1));
    assert_eq!(log.all(), ["dropped"]);
}
