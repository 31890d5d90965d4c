//! Holding up a chain.

use futures::FutureExt;
use std::sync::Arc;
use test_support::{Later, Log, fire_elsewhere};
use tokio_deferred::{AlreadyTaken, Deferred, testing};

#[test]
fn pauses_nest_and_the_last_unpause_runs() {
    let (resolver, mut d) = Deferred::new();
    let (one, two) = (d.pause(), d.pause());
    let d = d.map(|n: i32| n + 1);
    resolver.callback(1);
    drop(one);
    testing::assert_no_result(&d);
    drop(two);
    assert_eq!(testing::success_of(d), 2);
}

#[test]
fn the_unpause_runs_on_its_own_thread() {
    let (resolver, mut d) = Deferred::new();
    let pause = d.pause();
    let d = d.map(|()| std::thread::current().id());
    resolver.callback(());
    let there = std::thread::spawn(move || {
        drop(pause);
        std::thread::current().id()
    });
    assert_eq!(there.join().unwrap(), testing::success_of(d));
}

#[test]
fn a_stage_that_pauses_its_own_deferred_stops_the_stages_behind_it() {
    let log = Log::default();
    let own = Later::<Deferred<()>>::new();
    let paused = Later::new();
    let (resolver, d) = Deferred::<()>::new();
    let (mine, out, there) = (own.clone(), paused.clone(), log.clone());
    let d = d
        .map(move |()| {
            let mut d = mine.take();
            out.put(d.pause());
            mine.put(d);
        })
        .map(move |()| there.add("behind"));
    own.put(d);
    resolver.callback(());
    assert!(log.all().is_empty());
    drop(paused.take());
    assert_eq!(log.all(), ["behind"]);
    testing::success_of(own.take());
}

#[test]
fn a_paused_ready_one_is_handed_on_and_awaited_after_the_unpause() {
    let mut d = Deferred::succeed(1);
    let pause = d.pause();
    assert!(!d.is_fired());
    let d = d.try_result().unwrap_err();
    let unpausing = std::thread::spawn(move || drop(pause));
    assert_eq!(futures::executor::block_on(d).unwrap(), 1);
    unpausing.join().unwrap();
}

#[test]
fn fires_and_cancels_still_reach_a_paused_one() {
    let (resolver, mut d) = Deferred::<i32>::new();
    let pause = d.pause();
    d.cancel();
    assert!(resolver.is_cancelled());
    fire_elsewhere(resolver, 1);
    testing::assert_no_result(&d);
    drop(pause);
    assert!(testing::failure_of(d).is_cancelled());
}

#[test]
fn a_paused_failure_that_is_dropped_is_reported_after_the_unpause() {
    for fired_first in [true, false] {
        let (resolver, mut d) = Deferred::<()>::new();
        let pause = d.pause();
        let before = testing::capture_unhandled(|| {
            if fired_first {
                resolver.errback("out");
                drop(d);
            } else {
                drop(d);
                resolver.errback("out");
            }
        });
        assert!(before.is_empty());
        assert_eq!(testing::capture_unhandled(|| drop(pause)).len(), 1);
    }
    let mut d = Deferred::<()>::fail("out");
    let pause = d.pause();
    assert!(testing::capture_unhandled(|| drop(d)).is_empty());
    assert_eq!(testing::capture_unhandled(|| drop(pause)).len(), 1);
}

#[test]
fn a_paused_value_that_is_dropped_goes_at_the_unpause() {
    let value = Arc::new(());
    let mut d = Deferred::succeed(value.clone());
    let pause = d.pause();
    drop(d);
    assert_eq!(Arc::strong_count(&value), 2);
    drop(pause);
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn a_pause_outlives_everything() {
    let (resolver, mut d) = Deferred::<i32>::new();
    let pause = d.pause();
    drop((resolver, d));
    let reports = testing::capture_unhandled(|| drop(pause));
    assert!(reports[0].failure().is_resolver_dropped());
}

/// The last unpause is not through with the chain when its owner finds it no
/// longer paused.
#[test]
fn unpause_while_a_ready_one_is_given_a_stage_that_waits() {
    for _ in 0..if cfg!(miri) {
        20
    } else if cfg!(debug_assertions) {
        2_000
    } else {
        20_000
    } {
        let mut d = Deferred::succeed(1);
        let pause = d.pause();
        let unpausing = std::thread::spawn(move || drop(pause));
        let (resolver, inner) = Deferred::<i32>::new();
        let d = d.add_callback(move |_| inner).map(|n| n + 1);
        resolver.callback(2);
        unpausing.join().unwrap();
        assert_eq!(testing::success_of(d), 3);
    }
}

#[test]
fn a_pause_of_a_taken_one_outlives_it() {
    let mut d = Deferred::succeed(1);
    assert_eq!(futures::executor::block_on(&mut d).unwrap(), 1);
    let pause = d.pause();
    drop(d);
    drop(pause);
}

#[test]
fn unpaused_before_the_fire_then_nothing_runs() {
    let (resolver, mut d) = Deferred::new();
    let pause = d.pause();
    let d = d.map(|text: String| text.len());
    drop(pause);
    testing::assert_no_result(&d);
    resolver.callback("four".to_owned());
    assert_eq!(testing::success_of(d), 4);
}

#[test]
fn paused_when_fired_or_failed_then_the_debug_text_says_that_there_is_no_result() {
    for mut d in [Deferred::succeed(1), Deferred::fail("out of paper")] {
        let pause = d.pause();
        assert!(!d.is_fired());
        assert!(format!("{d:?}").contains("no result yet"), "{d:?}");
        pause.unpause();
        assert!(format!("{d:?}").contains("\"fired\""), "{d:?}");
        let _ = d.try_result().expect("it is fired");
    }
}

#[test]
fn taken_then_paused_then_chained_on_fires_after_the_unpause() {
    let mut taken = Deferred::succeed(1);
    assert_eq!((&mut taken).now_or_never().unwrap().unwrap(), 1);
    let pause = taken.pause();
    let (resolver, target) = Deferred::new();
    taken.chain_deferred(resolver);
    testing::assert_no_result(&target);
    pause.unpause();
    let failure = testing::failure_of(target);
    assert!(failure.is::<AlreadyTaken>());
    assert_eq!(failure.trace().raised_at().file(), file!());
}
