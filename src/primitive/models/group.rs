//! Children whose results are put together, and what ends them.
//!
//! | model | preemptions | interleavings |
//! |---|---|---|
//! | `one_fires_while_it_is_entered` | any | 1,353 |
//! | `one_fires_while_another_fails` | any | 25 |
//! | `two_race_from_two_threads` | any | 71,278 |
//! | `one_fires_while_the_list_is_cancelled` | any | 53,083 |
//! | `one_fires_while_the_list_is_dropped` | any | 201 |

use crate::models::harness::{Value, bounded, fire, model, outcome, value};
use crate::{Deferred, FirstError, Resolver, gather_results, race};
use loom::thread;

fn two() -> ([Resolver<Value>; 2], [Deferred<Value>; 2]) {
    let (first, d) = Deferred::new();
    let (second, e) = Deferred::new();
    ([first, second], [d, e])
}

/// The values as one: 1 and 2 are 12.
fn digits(values: Vec<Value>) -> Value {
    value(values.iter().fold(0, |n, value| n * 10 + value.0))
}

#[test]
fn one_fires_while_it_is_entered() {
    model(|| {
        let ([first, second], children) = two();
        let firing = fire(first, 1);
        let all = gather_results(children).map(digits);
        second.callback(value(2));
        firing.join().unwrap();
        assert_eq!(outcome(all), 12);
    });
}

/// The failure is the list's, whether the value comes before it or is late.
#[test]
fn one_fires_while_another_fails() {
    model(|| {
        let ([first, second], children) = two();
        let all = gather_results(children);
        let firing = fire(first, 1);
        second.errback("no");
        firing.join().unwrap();
        let failure = all.try_result().expect("decided").err().expect("failed");
        assert_eq!(failure.check::<FirstError>().map(|e| e.index), Some(1));
    });
}

#[test]
fn two_race_from_two_threads() {
    bounded(3, || {
        let ([first, second], children) = two();
        let winner = race(children).map(|(index, won)| {
            assert_eq!(index as i32 + 1, won.0);
            won
        });
        let firing = fire(first, 1);
        let late = second.try_callback(value(2)).is_err();
        firing.join().unwrap();
        match outcome(winner) {
            1 => {}
            n => assert_eq!((n, late), (2, false)),
        }
    });
}

/// Either child that has no value yet is cancelled, and so is the list.
#[test]
fn one_fires_while_the_list_is_cancelled() {
    bounded(3, || {
        let ([first, second], children) = two();
        let all = gather_results(children).map(digits);
        let firing = fire(first, 1);
        all.cancel();
        firing.join().unwrap();
        assert!(second.is_cancelled());
        assert_eq!(outcome(all), -1);
    });
}

#[test]
fn one_fires_while_the_list_is_dropped() {
    model(|| {
        let ([first, second], children) = two();
        let all = gather_results(children);
        let dropping = thread::spawn(move || drop(all));
        first.callback(value(1));
        second.callback(value(2));
        dropping.join().unwrap();
    });
}
