//! Cancelling, against everything else.
//!
//! | model | preemptions | interleavings |
//! |---|---|---|
//! | `fire_while_cancelled` | any | 817 |
//! | `fire_while_the_canceller_answers` | any | 19,128 |
//! | `on_cancel_while_cancelled_and_then_fired` | any | 83,416 |
//! | `cancelled_is_awaited_while_it_comes` | any | 167 |
//! | `cancel_from_two_threads` | any | 19,079 |
//! | `cancel_while_the_deferred_is_dropped` | 7 | 114,118 |
//! | `cancel_while_a_stage_is_added` | any | 22,435 |

use crate::Deferred;
use crate::models::harness::{Value, Wakes, bounded, fire, model, outcome, value};
use futures::task::waker;
use loom::thread;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Context;

#[test]
fn fire_while_cancelled() {
    model(|| {
        let (resolver, d) = Deferred::<Value>::new();
        let firing = fire(resolver, 1);
        d.cancel();
        let n = {
            firing.join().unwrap();
            outcome(d)
        };
        assert!(n == 1 || n == -1);
    });
}

#[test]
fn fire_while_the_canceller_answers() {
    model(|| {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        let held = value(0);
        let (resolver, d) = Deferred::with_canceller(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            Some(Ok(Value(2, held.1)))
        });
        let firing = fire(resolver, 1);
        d.cancel();
        firing.join().unwrap();
        let n = outcome(d);
        let called = calls.load(Ordering::Relaxed);
        assert!(
            n == 1 || (n == 2 && called == 1),
            "{n} after {called} calls"
        );
    });
}

#[test]
fn on_cancel_while_cancelled_and_then_fired() {
    model(|| {
        let (mut resolver, d) = Deferred::new();
        let told = Arc::new(AtomicUsize::new(0));
        let counted = told.clone();
        let producer = thread::spawn(move || {
            resolver.on_cancel(move || {
                counted.fetch_add(1, Ordering::Relaxed);
            });
            let cancelled = resolver.is_cancelled();
            resolver.callback(value(1));
            cancelled
        });
        d.cancel();
        let seen = producer.join().unwrap();
        let n = outcome(d);
        let told = told.load(Ordering::Relaxed);
        assert!(told <= 1);
        assert!(!seen || (told == 1 && n == -1));
    });
}

#[test]
fn cancelled_is_awaited_while_it_comes() {
    model(|| {
        let (mut resolver, mut d) = Deferred::<Value>::new();
        let handle = d.cancel_handle();
        let cancelling = thread::spawn(move || handle.cancel());
        let wakes = Arc::new(Wakes::default());
        let waker = waker(wakes.clone());
        let polled = {
            let waiting = std::pin::pin!(resolver.cancelled());
            waiting.poll(&mut Context::from_waker(&waker))
        };
        cancelling.join().unwrap();
        assert!(resolver.is_cancelled());
        assert!(polled.is_ready() || wakes.count() == 1);
        assert_eq!(outcome(d), -1);
        drop(resolver);
    });
}

#[test]
fn cancel_from_two_threads() {
    model(|| {
        let (resolver, mut d) = Deferred::<Value>::new();
        let handle = d.cancel_handle();
        let cancelling = thread::spawn(move || handle.cancel());
        d.cancel();
        cancelling.join().unwrap();
        assert_eq!(outcome(d), -1);
        assert!(resolver.try_callback(value(1)).is_err());
    });
}

#[test]
fn cancel_while_the_deferred_is_dropped() {
    bounded(7, || {
        let (resolver, mut d) = Deferred::<Value>::new();
        let handle = d.cancel_handle();
        let cancelling = thread::spawn(move || handle.cancel());
        drop(d.add_errback(|_| Ok(value(1))));
        cancelling.join().unwrap();
        drop(resolver);
    });
}

#[test]
fn cancel_while_a_stage_is_added() {
    model(|| {
        let (resolver, mut d) = Deferred::<Value>::new();
        let handle = d.cancel_handle();
        let cancelling = thread::spawn(move || handle.cancel());
        let d = d.add_errback(|failure| {
            assert!(failure.is_cancelled());
            Ok(value(2))
        });
        cancelling.join().unwrap();
        assert_eq!(outcome(d), 2);
        drop(resolver);
    });
}
