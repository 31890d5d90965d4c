//! Events: who is told, what a notification passes over, and what is passed on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use test_support::Log;
use tokio_deferred::{Event, testing};

#[test]
fn notify_all_then_in_the_order_of_the_waits() {
    let (event, log) = (Event::new(), Log::default());
    for name in ["a", "b", "c"] {
        let log = log.clone();
        event.wait().map(move |()| log.add(name)).log_errors();
    }
    assert_eq!(event.notify_all(()), 3);
    assert_eq!(log.all(), ["a", "b", "c"]);
}

#[test]
fn notify_two_of_three_then_the_last_one() {
    let event = Event::new();
    let waits = [event.wait(), event.wait(), event.wait()];
    assert_eq!(event.notify(2, 1), 2);
    assert_eq!(event.notify(2, 2), 1);
    assert_eq!(event.notify(2, 3), 0);
    assert_eq!(waits.map(testing::success_of), [1, 1, 2]);
}

#[test]
fn notify_none() {
    let event = Event::new();
    let wait = event.wait();
    assert_eq!(event.notify(0, ()), 0);
    assert_eq!(event.waiting(), 1);
    drop(wait);
}

#[test]
fn notify_before_the_wait_is_lost() {
    let event = Event::new();
    assert_eq!(event.notify_all(1), 0);
    testing::assert_no_result(&event.wait());
}

#[test]
fn wait_again_inside_the_callback_is_for_the_next_one() {
    let (event, log) = (Event::new(), Log::default());
    let (again, noted) = (event.clone(), log.clone());
    let inner = event.wait().add_callback(move |n: i32| {
        noted.add("told");
        again.wait().map(move |m| n * 10 + m)
    });
    assert_eq!(event.notify_all(1), 1);
    testing::assert_no_result(&inner);
    assert_eq!(event.notify_all(2), 1);
    assert_eq!(testing::success_of(inner), 12);
    assert_eq!(log.all(), ["told"]);
}

#[test]
fn cancel_and_drop_then_they_are_passed_over() {
    let event = Event::new();
    let (cancelled, dropped, stays) = (event.wait(), event.wait(), event.wait());
    cancelled.cancel();
    drop(dropped);
    assert_eq!(event.waiting(), 1);
    assert_eq!(event.notify(1, 7), 1);
    assert_eq!(testing::success_of(stays), 7);
    assert!(testing::failure_of(cancelled).is_cancelled());
}

#[test]
fn cancel_a_later_wait_inside_a_callback() {
    let event = Event::new();
    let first = event.wait();
    let mut second = event.wait();
    let handle = second.cancel_handle();
    let first = first.map(move |()| {
        handle.cancel();
    });
    assert_eq!(event.notify_all(()), 1);
    testing::success_of(first);
    assert!(testing::failure_of(second).is_cancelled());
}

#[test]
fn told_by_notify_then_dropped_then_the_next_is_told() {
    let event = Event::new();
    let (leaves, stays) = (event.wait(), event.wait());
    assert_eq!(event.notify(1, 7), 1);
    testing::assert_no_result(&stays);
    drop(leaves);
    assert_eq!(testing::success_of(stays), 7);
}

#[test]
fn told_by_notify_all_then_dropped_then_nobody_is_told() {
    let event = Event::new();
    let leaves = event.wait();
    assert_eq!(event.notify_all(7), 1);
    let late = event.wait();
    drop(leaves);
    testing::assert_no_result(&late);
}

#[test]
fn told_then_a_stage_took_it_then_nobody_else_is_told() {
    let event = Event::new();
    let takes = event.wait().map(|n| n + 1);
    let other = event.wait();
    assert_eq!(event.notify(1, 1), 1);
    drop(takes);
    testing::assert_no_result(&other);
}

#[test]
fn a_race_between_two_events_then_the_losers_notification_is_passed_on() {
    let (one, other) = (Event::new(), Event::new());
    let first = tokio_deferred::race([one.wait(), other.wait()]);
    let stays = other.wait();
    one.notify(1, 1);
    other.notify(1, 2);
    assert_eq!(testing::success_of(first), (0, 1));
    assert_eq!(testing::success_of(stays), 2);
}

#[test]
fn the_event_is_dropped_then_waits_fail_in_order() {
    let event = Event::<()>::new();
    let (a, b) = (event.wait(), event.wait());
    let also = event.clone();
    drop(event);
    testing::assert_no_result(&a);
    drop(also);
    for wait in [a, b] {
        assert!(testing::failure_of(wait).is_resolver_dropped());
    }
}

/// Counts its clones, and panics in the one given.
struct Copied(Arc<AtomicUsize>, usize);

impl Clone for Copied {
    fn clone(&self) -> Self {
        let n = self.0.fetch_add(1, Ordering::Relaxed);
        assert!(n != self.1, "no copy");
        Copied(self.0.clone(), self.1)
    }
}

#[test]
fn the_last_wait_gets_the_value_itself() {
    let (event, clones) = (Event::new(), Arc::new(AtomicUsize::new(0)));
    let waits = [event.wait(), event.wait(), event.wait()];
    event.notify_all(Copied(clones.clone(), usize::MAX));
    assert_eq!(clones.load(Ordering::Relaxed), 2);
    for wait in waits {
        testing::success_of(wait);
    }
    assert_eq!(Arc::strong_count(&clones), 1);
}

#[test]
fn a_clone_panics_then_the_others_are_told() {
    let (event, clones) = (Event::new(), Arc::new(AtomicUsize::new(0)));
    let [a, b, c] = [event.wait(), event.wait(), event.wait()];
    let told = catch_unwind(AssertUnwindSafe(|| event.notify_all(Copied(clones, 1))));
    assert_eq!(told.unwrap(), 3);
    testing::success_of(a);
    assert!(testing::failure_of(b).is_panic());
    testing::success_of(c);
}

#[test]
fn notify_from_threads_while_others_leave() {
    for _ in 0..if cfg!(miri) { 10 } else { 500 } {
        let event = Event::new();
        let waits: Vec<_> = (0..4).map(|_| event.wait()).collect();
        let start = Barrier::new(3);
        let (told, kept) = std::thread::scope(|scope| {
            let notify = || {
                start.wait();
                event.notify(2, ())
            };
            let (a, b) = (scope.spawn(notify), scope.spawn(notify));
            start.wait();
            let mut waits = waits.into_iter();
            drop(waits.next());
            let kept = waits.collect::<Vec<_>>();
            (a.join().unwrap() + b.join().unwrap(), kept)
        });
        // One left, so three are told; it may have been told before it left, and
        // then it passed that on, or there was nobody left.
        assert!(kept.iter().all(|wait| wait.is_fired()));
        assert!((3..=4).contains(&told), "{told}");
        for wait in kept {
            testing::success_of(wait);
        }
    }
}
