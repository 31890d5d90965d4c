//! The short way of a fire, with a value of one word, against what else may
//! happen to its chain. The values of the other models are larger, and go the
//! long way.
//!
//! | model | preemptions | interleavings |
//! |---|---|---|
//! | `fire_of_a_word_while_polled_with_another_waker` | any | 1,537 |
//! | `fire_of_a_word_while_paused_and_unpaused` | any | 886 |
//! | `fire_of_a_word_while_a_pause_ends` | 4 | 3,055 |
//! | `fire_of_a_word_while_cancelled` | 3 | 69 |
//! | `fire_of_a_word_while_the_deferred_is_dropped` | any | 65 |
//! | `fire_of_a_word_while_two_stages_are_added` | any | 3,182 |
//! | `fire_of_a_word_while_a_handle_comes_and_goes` | any | 44 |
//! | `fire_of_a_word_while_it_is_taken_beside_a_handle` | any | 7 |
//! | `fire_of_a_word_while_its_deferred_is_returned` | any | 7 |
//! | `fire_of_a_word_while_its_deferred_is_chained` | any | 7 |

use super::fire::polled_with_another_waker;
use crate::models::harness::{Value, Wakes, bounded, fire, model, outcome, value};
use crate::{Deferred, Failure};
use loom::thread;
use std::sync::Arc;
use std::task::Poll;

type Word = Box<Value>;

fn plus_one(mut word: Word) -> Word {
    word.0 += 1;
    word
}

#[test]
fn fire_of_a_word_while_polled_with_another_waker() {
    polled_with_another_waker::<Word>();
}

#[test]
fn fire_of_a_word_while_paused_and_unpaused() {
    model(|| {
        let (resolver, mut d) = Deferred::<Word>::new();
        let firing = fire(resolver, 1);
        let pause = d.pause();
        let d = d.map(plus_one);
        drop(pause);
        firing.join().unwrap();
        assert_eq!(outcome(d), 2);
    });
}

/// The pause ends on a third thread, which may find the chain at rest, with
/// nothing to run.
#[test]
fn fire_of_a_word_while_a_pause_ends() {
    bounded(4, || {
        let (resolver, mut d) = Deferred::<Word>::new();
        let pause = d.pause();
        let firing = fire(resolver, 1);
        let unpausing = thread::spawn(move || drop(pause));
        let wakes = Arc::new(Wakes::default());
        let polled = Wakes::poll(&wakes, &mut d);
        firing.join().unwrap();
        unpausing.join().unwrap();
        if polled.is_pending() {
            assert!(wakes.count() > 0);
            assert_eq!(Wakes::poll(&wakes, &mut d), Poll::Ready(1));
        }
    });
}

#[test]
fn fire_of_a_word_while_cancelled() {
    bounded(3, || {
        let (resolver, mut d) = Deferred::<Word>::new();
        let handle = d.cancel_handle();
        let cancelling = thread::spawn(move || handle.cancel());
        let fired = resolver.try_callback(value(1).into());
        cancelling.join().unwrap();
        match fired {
            Ok(()) => assert_eq!(outcome(d), 1),
            Err(word) => assert_eq!((word.0, outcome(d)), (1, -1)),
        }
    });
}

#[test]
fn fire_of_a_word_while_the_deferred_is_dropped() {
    model(|| {
        let (resolver, mut d) = Deferred::<Word>::new();
        let handle = d.cancel_handle();
        let firing = fire(resolver, 1);
        drop(d);
        drop(handle);
        firing.join().unwrap();
    });
}

#[test]
fn fire_of_a_word_while_two_stages_are_added() {
    model(|| {
        let (resolver, d) = Deferred::<Word>::new();
        let firing = fire(resolver, 1);
        let d = d.map(plus_one);
        let held = value(0).touched();
        let d = d.map(move |word: Word| {
            drop(held);
            plus_one(word)
        });
        firing.join().unwrap();
        assert_eq!(outcome(d), 3);
    });
}

/// The fire may have to go the long way after all, with the value that it has
/// put into its place already.
#[test]
fn fire_of_a_word_while_a_handle_comes_and_goes() {
    model(|| {
        let (resolver, mut d) = Deferred::<Word>::new();
        let firing = fire(resolver, 1);
        drop(d.cancel_handle());
        firing.join().unwrap();
        assert_eq!(outcome(d), 1);
    });
}

/// The stage behind gets what a second taking gets, not what is left of the
/// first value.
#[test]
fn fire_of_a_word_while_it_is_taken_beside_a_handle() {
    model(|| {
        let (resolver, mut d) = Deferred::<Word>::new();
        let handle = d.cancel_handle();
        let firing = fire(resolver, 1);
        let wakes = Arc::new(Wakes::default());
        let mut polled = Wakes::poll(&wakes, &mut d);
        if polled.is_ready() {
            drop(handle);
            firing.join().unwrap();
        } else {
            firing.join().unwrap();
            polled = Wakes::poll(&wakes, &mut d);
        }
        assert_eq!(polled, Poll::Ready(1));
        let d = d.add_errback(|_: Failure| Ok(value(2).into()));
        assert_eq!(outcome(d), 2);
    });
}

#[test]
fn fire_of_a_word_while_its_deferred_is_returned() {
    model(|| {
        let (outer, d) = Deferred::<Word>::new();
        let (inner, returned) = Deferred::<Word>::new();
        let d = d.add_callback(move |_| returned).map(plus_one);
        let firing = fire(inner, 1);
        outer.callback(value(9).into());
        firing.join().unwrap();
        assert_eq!(outcome(d), 2);
    });
}

#[test]
fn fire_of_a_word_while_its_deferred_is_chained() {
    model(|| {
        let (source, s) = Deferred::<Word>::new();
        let (target, d) = Deferred::<Word>::new();
        let firing = fire(source, 1);
        s.chain_deferred(target);
        firing.join().unwrap();
        assert_eq!(outcome(d), 1);
    });
}
