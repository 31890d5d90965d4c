//! One result for several subscribers, who come and go.
//!
//! | model | preemptions | interleavings |
//! |---|---|---|
//! | `subscribe_while_the_source_fires` | any | 14 |
//! | `subscribe_from_two_threads_while_the_source_fires` | any | 4,775 |
//! | `two_subscribe_to_a_result_that_is_there` | any | 14 |
//! | `one_of_two_cancels_while_the_source_fires` | any | 61,571 |
//! | `the_last_one_cancels_while_the_source_fires` | any | 135,445 |
//! | `both_cancel_from_two_threads` | any | 1,011 |
//! | `the_last_one_cancels_while_another_subscribes` | any | 30 |
//! | `a_subscriber_is_dropped_while_the_source_fires` | any | 24,698 |
//! | `one_is_dropped_while_the_other_cancels` | any | 49 |
//! | `the_handle_is_dropped_while_the_source_fires` | any | 5 |
//! | `a_subscriber_is_polled_while_the_source_fires` | any | 24 |
//! | `a_subscriber_subscribes_in_its_callback_while_another_does` | any | 44 |

use crate::models::harness::{Touch, Value, Wakes, bounded, fire, outcome, value};
use crate::{Deferred, Resolver, SharedDeferred};
use loom::thread;
use std::sync::Arc;

fn shared() -> (Resolver<Value>, SharedDeferred<Value>) {
    let (resolver, d) = Deferred::new();
    (resolver, d.share())
}

#[test]
fn subscribe_while_the_source_fires() {
    bounded(3, || {
        let (resolver, shared) = shared();
        let firing = fire(resolver, 1);
        let d = shared.subscribe();
        firing.join().unwrap();
        assert_eq!(outcome(d), 1);
        assert_eq!(outcome(shared.subscribe()), 1);
    });
}

#[test]
fn subscribe_from_two_threads_while_the_source_fires() {
    bounded(3, || {
        let (resolver, shared) = shared();
        let firing = fire(resolver, 1);
        let other = shared.clone();
        let subscribing = thread::spawn(move || other.subscribe());
        let d = shared.subscribe();
        firing.join().unwrap();
        let other = subscribing.join().unwrap();
        assert_eq!((outcome(d), outcome(other)), (1, 1));
    });
}

#[test]
fn two_subscribe_to_a_result_that_is_there() {
    bounded(3, || {
        let shared = Deferred::succeed(value(1)).share();
        let other = shared.clone();
        let subscribing = thread::spawn(move || other.subscribe());
        // The other one may have the result out, to clone it.
        let d = shared.subscribe();
        let other = subscribing.join().unwrap();
        assert_eq!((outcome(d), outcome(other)), (1, 1));
    });
}

#[test]
fn one_of_two_cancels_while_the_source_fires() {
    bounded(3, || {
        let (resolver, shared) = shared();
        let (leaving, staying) = (shared.subscribe(), shared.subscribe());
        let firing = fire(resolver, 1);
        leaving.cancel();
        firing.join().unwrap();
        assert!(matches!(outcome(leaving), 1 | -1));
        assert_eq!(outcome(staying), 1);
    });
}

#[test]
fn the_last_one_cancels_while_the_source_fires() {
    bounded(3, || {
        let (resolver, shared) = shared();
        let d = shared.subscribe();
        let firing = fire(resolver, 1);
        d.cancel();
        firing.join().unwrap();
        assert!(matches!(outcome(d), 1 | -1));
    });
}

#[test]
fn both_cancel_from_two_threads() {
    bounded(3, || {
        let (resolver, shared) = shared();
        let (one, two) = (shared.subscribe(), shared.subscribe());
        let cancelling = thread::spawn(move || {
            one.cancel();
            outcome(one)
        });
        two.cancel();
        assert_eq!(cancelling.join().unwrap(), -1);
        assert_eq!(outcome(two), -1);
        assert!(resolver.is_cancelled(), "nobody wants it any more");
        // Nor does anybody see this.
        assert!(resolver.try_callback(value(1)).is_err());
        drop(shared.subscribe().add_errback(|_| Ok(value(0))));
    });
}

#[test]
fn the_last_one_cancels_while_another_subscribes() {
    bounded(3, || {
        let (resolver, shared) = shared();
        let leaving = shared.subscribe();
        let subscribing = thread::spawn(move || shared.subscribe());
        leaving.cancel();
        let late = subscribing.join().unwrap();
        let cancelled = resolver.is_cancelled();
        resolver.callback(value(1));
        assert_eq!(outcome(leaving), -1);
        assert_eq!(outcome(late), if cancelled { -1 } else { 1 });
    });
}

#[test]
fn a_subscriber_is_dropped_while_the_source_fires() {
    bounded(3, || {
        let (resolver, shared) = shared();
        let (leaving, staying) = (shared.subscribe(), shared.subscribe());
        let firing = fire(resolver, 1);
        drop(leaving);
        firing.join().unwrap();
        assert_eq!(outcome(staying), 1);
    });
}

#[test]
fn one_is_dropped_while_the_other_cancels() {
    bounded(3, || {
        let (resolver, shared) = shared();
        let (leaving, cancelled) = (shared.subscribe(), shared.subscribe());
        let dropping = thread::spawn(move || drop(leaving));
        cancelled.cancel();
        dropping.join().unwrap();
        assert_eq!(outcome(cancelled), -1);
        drop(resolver);
        drop(shared.subscribe().add_errback(|_| Ok(value(0))));
    });
}

#[test]
fn the_handle_is_dropped_while_the_source_fires() {
    bounded(3, || {
        let (resolver, shared) = shared();
        let d = shared.subscribe();
        let touch = Touch::new();
        let other = touch.clone();
        let firing = thread::spawn(move || {
            other.touch();
            resolver.callback(value(1));
            other.touch();
        });
        touch.touch();
        drop(shared);
        firing.join().unwrap();
        assert_eq!(outcome(d), 1);
    });
}

#[test]
fn a_subscriber_is_polled_while_the_source_fires() {
    bounded(3, || {
        let (resolver, shared) = shared();
        let mut d = shared.subscribe();
        let firing = fire(resolver, 1);
        let wakes = Arc::new(Wakes::default());
        let polled = Wakes::poll(&wakes, &mut d);
        firing.join().unwrap();
        if polled.is_pending() {
            assert!(wakes.count() > 0, "it is woken");
            assert!(Wakes::poll(&wakes, &mut d).is_ready());
        }
    });
}

#[test]
fn a_subscriber_subscribes_in_its_callback_while_another_does() {
    bounded(3, || {
        let (resolver, shared) = shared();
        let again = shared.clone();
        let inner = shared.subscribe().add_callback(move |_| again.subscribe());
        let firing = fire(resolver, 1);
        let d = shared.subscribe();
        firing.join().unwrap();
        assert_eq!((outcome(inner), outcome(d)), (1, 1));
    });
}
