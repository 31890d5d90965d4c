//! Pauses that end while the chain is fired, added to, polled or dropped.
//!
//! | model | preemptions | interleavings |
//! |---|---|---|
//! | `unpause_while_fired_and_added_to` | 4 | 10,963 |
//! | `two_pauses_are_undone_at_once` | any | 7 |
//! | `unpause_of_a_ready_one_while_a_stage_is_added_and_polled` | any | 5,355 |
//! | `unpause_of_a_ready_one_while_a_stage_of_it_waits` | 5 | 28,499 |
//! | `unpause_while_a_ready_one_is_dropped` | any | 15 |

use crate::Deferred;
use crate::models::harness::{Value, Wakes, bounded, fire, model, outcome, value};
use loom::thread;
use std::sync::Arc;
use std::task::Poll;

#[test]
fn unpause_while_fired_and_added_to() {
    bounded(4, || {
        let (resolver, mut d) = Deferred::<Value>::new();
        let pause = d.pause();
        let firing = fire(resolver, 1);
        let unpausing = thread::spawn(move || drop(pause));
        let d = d.map(|v: Value| Value(v.0 + 1, v.1));
        firing.join().unwrap();
        unpausing.join().unwrap();
        assert_eq!(outcome(d), 2);
    });
}

#[test]
fn two_pauses_are_undone_at_once() {
    model(|| {
        let (resolver, mut d) = Deferred::<Value>::new();
        let (one, two) = (d.pause(), d.pause());
        let d = d.map(|v: Value| Value(v.0 + 1, v.1));
        resolver.callback(value(1));
        let unpausing = thread::spawn(move || drop(one));
        drop(two);
        unpausing.join().unwrap();
        assert_eq!(outcome(d), 2);
    });
}

#[test]
fn unpause_of_a_ready_one_while_a_stage_is_added_and_polled() {
    model(|| {
        let mut d = Deferred::succeed(value(1));
        let pause = d.pause();
        let unpausing = thread::spawn(move || drop(pause));
        let mut d = d.map(|v: Value| Value(v.0 + 1, v.1));
        let wakes = Arc::new(Wakes::default());
        let polled = Wakes::poll(&wakes, &mut d);
        unpausing.join().unwrap();
        if polled.is_pending() {
            assert!(wakes.count() > 0);
            assert_eq!(Wakes::poll(&wakes, &mut d), Poll::Ready(2));
        }
    });
}

/// The last unpause leaves the chain running for a moment, in which its
/// owner must not take it for one at rest.
#[test]
fn unpause_of_a_ready_one_while_a_stage_of_it_waits() {
    bounded(5, || {
        let mut d = Deferred::succeed(value(1));
        let pause = d.pause();
        let unpausing = thread::spawn(move || drop(pause));
        let (inner, returned) = Deferred::<Value>::new();
        let d = d
            .add_callback(move |_| returned)
            .map(|v: Value| Value(v.0 + 1, v.1));
        inner.callback(value(2));
        unpausing.join().unwrap();
        assert_eq!(outcome(d), 3);
    });
}

#[test]
fn unpause_while_a_ready_one_is_dropped() {
    model(|| {
        let mut d = Deferred::succeed(value(1));
        let pause = d.pause();
        let unpausing = thread::spawn(move || drop(pause));
        drop(d);
        unpausing.join().unwrap();
    });
}
