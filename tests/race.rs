//! Races: who wins, what becomes of the others, and cancels at every moment.

use std::sync::{Arc, Barrier, Mutex, OnceLock};
use tokio_deferred::{CancelHandle, Deferred, FailureGroup, race, testing};

type Log = Arc<Mutex<Vec<&'static str>>>;

/// An unfired child whose cancel is logged, and answered by `answer`.
fn logged(
    log: &Log,
    name: &'static str,
    answer: Option<i32>,
) -> (tokio_deferred::Resolver<i32>, Deferred<i32>) {
    let log = log.clone();
    Deferred::with_canceller(move || {
        log.lock().unwrap().push(name);
        answer.map(Ok)
    })
}

#[test]
fn winner_then_others_cancelled_in_order_then_the_race_fires() {
    let log = Log::default();
    let (_a, a) = logged(&log, "a", None);
    let (b, winner) = logged(&log, "b", None);
    let (_c, c) = logged(&log, "c", None);
    let fired = log.clone();
    let won = race([a, winner, c]).finally(move || fired.lock().unwrap().push("race"));
    let reports = testing::capture_unhandled(|| b.callback(7));
    assert_eq!(*log.lock().unwrap(), ["a", "c", "race"]);
    assert_eq!(testing::success_of(won), (1, 7));
    assert!(reports.is_empty(), "{reports:?}");
}

#[test]
fn ready_winner_cancels_children_behind_it() {
    let log = Log::default();
    let (_a, a) = logged(&log, "a", None);
    let (_c, c) = logged(&log, "c", Some(3));
    let won = race([a, Deferred::succeed(7), c, Deferred::succeed(8)]);
    assert_eq!(testing::success_of(won), (1, 7));
    assert_eq!(*log.lock().unwrap(), ["a", "c"]);
}

#[test]
fn failures_do_not_win() {
    let (a, first) = Deferred::<i32>::new();
    let (b, second) = Deferred::new();
    let won = race([first, second]);
    let reports = testing::capture_unhandled(|| {
        a.errback("a");
        testing::assert_no_result(&won);
        b.callback(2);
    });
    assert_eq!(testing::success_of(won), (1, 2));
    assert!(reports.is_empty(), "{reports:?}");
}

#[test]
fn all_fail_then_a_group_in_child_order() {
    let (a, first) = Deferred::<i32>::new();
    let won = race([first, Deferred::fail("b")]);
    a.errback("a");
    let failure = testing::failure_of(won);
    let group = failure.check::<FailureGroup>().unwrap();
    let texts: Vec<_> = group.failures.iter().map(|f| f.to_string()).collect();
    assert_eq!(texts, ["a", "b"]);
}

#[test]
fn race_of_none_fails_at_once() {
    let failure = testing::failure_of(race(Vec::<Deferred<i32>>::new()));
    assert!(failure.check::<FailureGroup>().unwrap().failures.is_empty());
}

#[test]
fn cancel_cancels_all_then_they_decide() {
    let (a, first) = Deferred::<i32>::new();
    let (b, second) = Deferred::new();
    let won = race([first, second]);
    won.cancel();
    assert!(a.is_cancelled() && b.is_cancelled());
    let failure = testing::failure_of(won);
    assert_eq!(failure.check::<FailureGroup>().unwrap().failures.len(), 2);
}

#[test]
fn cancel_with_an_undecided_child_then_late_value() {
    let (resolver, mut stubborn) = Deferred::<i32>::new();
    let pause = stubborn.pause();
    let (_other, other) = Deferred::new();
    let won = race([stubborn, other]);
    won.cancel_with("too slow");
    let failure = testing::failure_of(won);
    assert!(failure.is_cancelled() && !failure.is::<FailureGroup>());
    assert_eq!(
        std::error::Error::source(failure.error())
            .unwrap()
            .to_string(),
        "too slow"
    );
    assert!(resolver.is_cancelled());
    drop(pause);
}

#[test]
fn cancel_then_a_canceller_answers_and_wins() {
    let log = Log::default();
    let (_a, a) = logged(&log, "a", None);
    let (_b, b) = logged(&log, "b", Some(2));
    let (_c, c) = logged(&log, "c", None);
    let won = race([a, b, c]);
    won.cancel();
    assert_eq!(testing::success_of(won), (1, 2));
    assert_eq!(*log.lock().unwrap(), ["a", "b", "c"]);
}

#[test]
fn loser_cancels_the_race_before_it_fires() {
    let handle = Arc::new(OnceLock::<CancelHandle>::new());
    let of_race = handle.clone();
    let (_loser, loser) = Deferred::with_canceller(move || {
        of_race.get().unwrap().cancel();
        None
    });
    let (winner, child) = Deferred::new();
    let mut won = race([loser, child]);
    handle.set(won.cancel_handle()).unwrap();
    let value = Arc::new(());
    winner.callback(value.clone());
    assert!(testing::failure_of(won).is_cancelled());
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn loser_fires_with_a_value_when_cancelled() {
    let log = Log::default();
    let (_a, a) = logged(&log, "a", Some(1));
    let (b, winner) = Deferred::new();
    let won = race([a, winner]);
    b.callback(2);
    assert_eq!(testing::success_of(won), (1, 2));
}

#[test]
fn fire_two_from_two_threads_then_one_wins() {
    for _ in 0..if cfg!(miri) { 20 } else { 2_000 } {
        let (resolvers, children): (Vec<_>, Vec<_>) = (0..2).map(|_| Deferred::new()).unzip();
        let won = race(children);
        let start = Barrier::new(2);
        std::thread::scope(|scope| {
            for (n, resolver) in resolvers.into_iter().enumerate() {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    resolver.callback(n);
                });
            }
        });
        let (index, value) = testing::success_of(won);
        assert_eq!(index, value);
    }
}
