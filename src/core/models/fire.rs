//! Firing, against adding stages, polling and dropping.
//!
//! | model | preemptions | interleavings |
//! |---|---|---|
//! | `fire_while_two_stages_are_added` | any | 5,168 |
//! | `fire_while_two_stages_are_added_and_a_handle_comes_and_goes` | 4 | 294,319 |
//! | `fire_while_polled_with_another_waker` | any | 2,035 |
//! | `fire_while_polled_again_with_the_same_waker` | any | 463 |
//! | `fire_while_the_deferred_is_polled_and_given_a_stage` | any | 7,069 |
//! | `fire_while_the_deferred_is_dropped` | any | 10 |
//! | `try_callback_while_the_deferred_is_dropped` | any | 10 |
//! | `drop_of_the_resolver_while_a_stage_is_added` | any | 208 |
//! | `more_stages_than_the_block_holds_are_added_while_it_fires` | 3 | 16,227 |
//! | `a_failure_is_dropped_once` | any | 14 |
//! | `labelled_while_it_fires` | any | 105 |
//! | `polled_again_behind_a_stage_that_waits_while_it_is_woken` | 3 | 3,427 |
//! | `labelled_while_the_resolver_is_dropped` | any | 10 |
//! | `a_handle_is_dropped_while_a_dropped_one_fires` | any | 13 |

use crate::models::harness::{Log, OutputSink, Value, Wakes, bounded, fire, model, outcome, value};
use crate::{Deferred, Failure, testing};
use loom::thread;
use std::sync::Arc;
use std::task::Poll;

#[test]
fn fire_while_two_stages_are_added() {
    model(|| {
        let (resolver, d) = Deferred::<Value>::new();
        let log = Log::default();
        let firing = fire(resolver, 1);
        let (one, two) = (log.clone(), log.clone());
        let held = value(0);
        let d = d.map(move |v: Value| {
            one.add("one");
            drop(held);
            v
        });
        // Made after the first stage was, so that only its own makes it known.
        let held = value(0).touched();
        let d = d.map(move |v| {
            two.add("two");
            drop(held);
            v
        });
        firing.join().unwrap();
        assert_eq!(log.all(), ["one", "two"]);
        assert_eq!(outcome(d), 1);
    });
}

/// The second stage is made known while the state changes under it, and comes
/// back to what it was: the runner must not take it for the state it saw.
#[test]
fn fire_while_two_stages_are_added_and_a_handle_comes_and_goes() {
    bounded(4, || {
        let (resolver, mut d) = Deferred::<Value>::new();
        let handle = d.cancel_handle();
        let firing = fire(resolver, 1);
        let cloning = thread::spawn(move || {
            drop(handle.clone());
            handle
        });
        let d = d.map(|v: Value| Value(v.0 + 1, v.1));
        let d = d.map(|v: Value| Value(v.0 * 2, v.1));
        firing.join().unwrap();
        drop(cloning.join().unwrap());
        assert_eq!(outcome(d), 4);
    });
}

#[test]
fn fire_while_polled_with_another_waker() {
    polled_with_another_waker::<Value>();
}

/// Polls twice while a value, which may be a word or more, is fired.
pub(super) fn polled_with_another_waker<V: OutputSink>() {
    model(|| {
        let (resolver, mut d) = Deferred::<V>::new();
        let (first, second) = (Arc::new(Wakes::default()), Arc::new(Wakes::default()));
        let firing = fire(resolver, 1);
        let mut polled = Wakes::poll(&first, &mut d);
        if polled.is_pending() {
            polled = Wakes::poll(&second, &mut d);
        }
        firing.join().unwrap();
        match polled {
            Poll::Ready(n) => assert_eq!(n, 1),
            Poll::Pending => {
                assert!(second.count() > 0, "the newest waker is woken");
                assert_eq!(Wakes::poll(&second, &mut d), Poll::Ready(1));
            }
        }
    });
}

#[test]
fn fire_while_polled_again_with_the_same_waker() {
    model(|| {
        let (resolver, mut d) = Deferred::<Value>::new();
        let wakes = Arc::new(Wakes::default());
        let firing = fire(resolver, 1);
        let mut polled = Wakes::poll(&wakes, &mut d);
        if polled.is_pending() {
            polled = Wakes::poll(&wakes, &mut d);
        }
        firing.join().unwrap();
        if polled.is_pending() {
            assert!(wakes.count() > 0);
            assert_eq!(Wakes::poll(&wakes, &mut d), Poll::Ready(1));
        }
    });
}

#[test]
fn fire_while_the_deferred_is_polled_and_given_a_stage() {
    model(|| {
        let (resolver, mut d) = Deferred::<Value>::new();
        let wakes = Arc::new(Wakes::default());
        let firing = fire(resolver, 1);
        if Wakes::poll(&wakes, &mut d).is_pending() {
            let d = d.map(|v: Value| Value(v.0 + 1, v.1));
            firing.join().unwrap();
            assert_eq!(outcome(d), 2);
        } else {
            firing.join().unwrap();
        }
    });
}

#[test]
fn fire_while_the_deferred_is_dropped() {
    model(|| {
        let (resolver, d) = Deferred::<Value>::new();
        let firing = fire(resolver, 1);
        drop(d);
        firing.join().unwrap();
    });
}

#[test]
fn try_callback_while_the_deferred_is_dropped() {
    model(|| {
        let (resolver, d) = Deferred::<Value>::new();
        let firing = thread::spawn(move || resolver.try_callback(value(1)).is_err());
        drop(d);
        firing.join().unwrap();
    });
}

#[test]
fn drop_of_the_resolver_while_a_stage_is_added() {
    model(|| {
        let (resolver, d) = Deferred::<Value>::new();
        let dropping = thread::spawn(move || drop(resolver));
        let d = d.add_errback(|failure| {
            assert!(failure.is_resolver_dropped());
            Ok(value(3))
        });
        dropping.join().unwrap();
        assert_eq!(outcome(d), 3);
    });
}

#[test]
fn more_stages_than_the_block_holds_are_added_while_it_fires() {
    bounded(3, || {
        let (resolver, d) = Deferred::<Value>::new();
        let mut d = d.map(|v: Value| Value(v.0 + 1, v.1));
        d = d.map(|v: Value| Value(v.0 * 2, v.1));
        let firing = fire(resolver, 1);
        for _ in 0..3 {
            d = d.map(|v: Value| Value(v.0 * 2, v.1));
        }
        firing.join().unwrap();
        assert_eq!(outcome(d), 32);
    });
}

#[test]
fn a_failure_is_dropped_once() {
    model(|| {
        let (resolver, d) = Deferred::<Value>::new();
        let firing = thread::spawn(move || resolver.errback("out"));
        let d = d.add_errback(|failure: Failure| {
            assert_eq!(failure.to_string(), "out");
            Ok(value(0))
        });
        firing.join().unwrap();
        testing::success_of(d);
    });
}

#[test]
fn labelled_while_it_fires() {
    model(|| {
        let (resolver, d) = Deferred::<Value>::new();
        let firing = fire(resolver, 1);
        let d = d.map(|v: Value| Value(v.0 + 1, v.1)).label("sum");
        firing.join().unwrap();
        assert_eq!(outcome(d), 2);
    });
}

/// A runner of before may be at the waker's place still.
#[test]
fn polled_again_behind_a_stage_that_waits_while_it_is_woken() {
    bounded(3, || {
        let (resolver, mut d) = Deferred::<Value>::new();
        let (first, second) = (Arc::new(Wakes::default()), Arc::new(Wakes::default()));
        assert!(Wakes::poll(&first, &mut d).is_pending());
        let firing = fire(resolver, 1);
        let (inner, returned) = Deferred::<Value>::new();
        let mut d = d.add_callback(move |_| returned);
        assert!(Wakes::poll(&second, &mut d).is_pending());
        inner.callback(value(2));
        firing.join().unwrap();
        assert!(second.count() > 0, "the newest waker is woken");
        assert_eq!(Wakes::poll(&second, &mut d), Poll::Ready(2));
    });
}

#[test]
fn labelled_while_the_resolver_is_dropped() {
    model(|| {
        let (resolver, d) = Deferred::<Value>::new();
        let dropping = thread::spawn(move || drop(resolver));
        let d = d.label("number");
        dropping.join().unwrap();
        let failure = testing::failure_of(d);
        assert!(failure.to_string().contains(file!()), "{failure}");
    });
}

#[test]
fn a_handle_is_dropped_while_a_dropped_one_fires() {
    model(|| {
        let (resolver, mut d) = Deferred::<Value>::new();
        let handle = d.cancel_handle();
        drop(d);
        let firing = fire(resolver, 1);
        drop(handle);
        firing.join().unwrap();
    });
}
