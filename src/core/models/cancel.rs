//! Cancelling, against everything else.
//!
//! | model | preemptions | interleavings |
//! |---|---|---|
//! | `fire_while_cancelled` | any | 51,953 |
//! | `fire_while_the_canceller_answers` | 3 | 2,022 |
//! | `on_cancel_while_cancelled_and_then_fired` | 3 | 2,070 |
//! | `cancelled_is_awaited_while_it_comes` | any | 167 |
//! | `cancel_from_two_threads` | 3 | 951 |
//! | `cancel_while_the_deferred_is_dropped` | 7 | 114,898 |
//! | `cancel_while_a_stage_is_added` | 3 | 187 |
//! | `cancel_while_a_stage_runs_that_returns_a_pending_one` | 3 | 2,195 |
//! | `cancel_while_the_awaited_chain_delivers_to_one_that_waits_again` | 3 | 29,535 |

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
    bounded(4, || {
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
    bounded(3, || {
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
    bounded(3, || {
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
    bounded(3, || {
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
    bounded(3, || {
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

/// Before the fire, while the stage runs, or after it: the cancel arrives.
#[test]
fn cancel_while_a_stage_runs_that_returns_a_pending_one() {
    bounded(3, || {
        let (resolver, d) = Deferred::<Value>::new();
        let (kept, pending) = Deferred::<Value>::new();
        let d = d.add_callback(move |_| pending);
        let firing = fire(resolver, 1);
        d.cancel();
        firing.join().unwrap();
        assert_eq!(outcome(d), -1);
        kept.callback(value(3));
    });
}

/// A cancel that is too late for the awaited chain is in time for the next.
#[test]
fn cancel_while_the_awaited_chain_delivers_to_one_that_waits_again() {
    bounded(3, || {
        let (resolver, inner) = Deferred::<Value>::new();
        let (kept, pending) = Deferred::<Value>::new();
        let (start, outer) = Deferred::<Value>::new();
        let d = outer
            .add_callback(move |_| inner)
            .add_callback(move |_| pending);
        start.callback(value(0));
        let firing = fire(resolver, 1);
        d.cancel();
        firing.join().unwrap();
        assert_eq!(outcome(d), -1);
        kept.callback(value(3));
    });
}
