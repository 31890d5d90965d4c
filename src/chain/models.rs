//! Models of the ends that users hold: who fires, who waits, who starts.
//!
//! | model | preemptions | interleavings |
//! |---|---|---|
//! | `fire_shared_from_two_threads` | any | 4 |
//! | `fire_shared_then_cancel_from_other_thread` | 1 | 6 |
//! | `wait_then_fire_from_other_thread` | any | 52 |
//! | `start_returns_a_canceller_then_fire_from_other_thread` | any | 36 |

use crate::Deferred;
use crate::models::harness::{Value, bounded, fire, model, outcome, value};
use loom::thread;

/// One call wins and says so, and its value is the result.
#[test]
fn fire_shared_from_two_threads() {
    model(|| {
        let (resolver, d) = Deferred::<Value>::new();
        let shared = resolver.shared();
        let also = shared.clone();
        let other = thread::spawn(move || also.callback(value(2)));
        let here = shared.callback(value(1));
        let there = other.join().unwrap();
        assert!(here != there, "one of them wins");
        assert_eq!(outcome(d), if here { 1 } else { 2 });
    });
}

/// Whoever comes first decides; a call that comes after the cancel says so. A
/// cancel that finds the other thread in the middle of the fire says that it will
/// be made after it.
#[test]
fn fire_shared_then_cancel_from_other_thread() {
    bounded(1, || {
        let (resolver, mut d) = Deferred::<Value>::new();
        let shared = resolver.shared();
        let handle = d.cancel_handle();
        let other = thread::spawn(move || handle.cancel());
        let fired = shared.callback(value(1));
        let cancelled = other.join().unwrap();
        assert!(fired || cancelled, "one of them decides");
        assert_eq!(outcome(d), if fired { 1 } else { -1 });
    });
}

/// No wake is lost between the look and the wait.
#[test]
fn wait_then_fire_from_other_thread() {
    model(|| {
        let (resolver, mut d) = Deferred::<Value>::new();
        let firing = fire(resolver, 1);
        assert!(d.park_until_fired(None));
        assert_eq!(outcome(d), 1);
        firing.join().unwrap();
    });
}

/// The canceller is put in its place while the resolver fires: it is kept until
/// the fire, or dropped, and never called.
#[test]
fn start_returns_a_canceller_then_fire_from_other_thread() {
    model(|| {
        let held = value(7);
        let mut firing = None;
        let d = Deferred::<Value>::from_callback(|resolver| {
            firing = Some(fire(resolver, 1));
            move || panic!("called, with {}", held.0)
        });
        firing.unwrap().join().unwrap();
        assert_eq!(outcome(d), 1);
    });
}
