//! Notifications that meet waits which leave.

use crate::Event;
use crate::models::harness::{Touch, Value, bounded, model, outcome, value};
use loom::thread;

#[test]
fn wait_while_all_are_notified() {
    model(|| {
        let event = Event::<Value>::new();
        let told = event.wait();
        let other = event.clone();
        let notifying = thread::spawn(move || other.notify_all(value(1)));
        let late = event.wait();
        let n = notifying.join().unwrap();
        assert_eq!(outcome(told), 1);
        match late.try_result() {
            Ok(result) => assert_eq!((result.unwrap().0, n), (1, 2)),
            Err(waits) => {
                assert_eq!((event.waiting(), n), (1, 1));
                drop(waits);
            }
        }
    });
}

#[test]
fn a_wait_is_cancelled_while_it_is_told() {
    bounded(3, || {
        let event = Event::<Value>::new();
        let d = event.wait();
        let other = event.clone();
        let notifying = thread::spawn(move || other.notify(1, value(1)));
        d.cancel();
        let n = notifying.join().unwrap();
        assert_eq!(event.waiting(), 0);
        assert_eq!(outcome(d), if n == 1 { 1 } else { -1 });
    });
}

/// Whether it leaves before or after it was told, the other one is told.
#[test]
fn the_first_of_two_waits_is_dropped_while_one_is_told() {
    model(|| {
        let event = Event::<Value>::new();
        let (leaves, stays) = (event.wait(), event.wait());
        let other = event.clone();
        let notifying = thread::spawn(move || other.notify(1, value(1)));
        drop(leaves);
        assert_eq!(notifying.join().unwrap(), 1);
        assert_eq!(outcome(stays), 1);
        assert_eq!(event.waiting(), 0);
    });
}

#[test]
fn two_notify_one_each() {
    model(|| {
        let event = Event::<Value>::new();
        let waits = [event.wait(), event.wait()];
        let other = event.clone();
        let notifying = thread::spawn(move || other.notify(1, value(1)));
        let mine = event.notify(1, value(2));
        assert_eq!((mine, notifying.join().unwrap()), (1, 1));
        let mut told = waits.map(outcome);
        told.sort();
        assert_eq!(told, [1, 2]);
    });
}

#[test]
fn the_event_is_dropped_while_a_wait_is_cancelled() {
    bounded(3, || {
        let event = Event::<Value>::new();
        let d = event.wait();
        let touch = Touch::new();
        let other = touch.clone();
        let dropping = thread::spawn(move || {
            other.touch();
            drop(event);
            other.touch();
        });
        touch.touch();
        d.cancel();
        dropping.join().unwrap();
        // Cancelled, or left without a resolver.
        assert!(matches!(outcome(d), -1 | -2));
    });
}
