//! Items and gets that meet.
//!
//! | model | preemptions | interleavings |
//! |---|---|---|
//! | `get_while_put` | any | 5 |
//! | `two_put_while_one_gets_twice` | any | 644 |
//! | `two_get_while_one_puts` | any | 129 |
//! | `a_get_is_cancelled_while_put` | any | 4,246 |
//! | `the_first_of_two_gets_is_cancelled_while_put` | any | 4,246 |
//! | `a_get_is_dropped_while_put` | any | 2,699 |
//! | `a_get_with_its_item_is_dropped_while_another_gets` | any | 5 |
//! | `the_queue_is_dropped_while_a_get_is_cancelled` | any | 437 |

use crate::models::harness::{Touch, Value, bounded, model, outcome, value};
use crate::{Deferred, DeferredQueue};
use loom::thread::{self, JoinHandle};

fn put(queue: &DeferredQueue<Value>, n: i32) -> JoinHandle<()> {
    let queue = queue.clone();
    thread::spawn(move || assert!(queue.put(value(n)).is_ok()))
}

/// Takes everything out that is left.
fn rest(queue: &DeferredQueue<Value>) -> Vec<i32> {
    std::iter::from_fn(|| (!queue.is_empty()).then(|| outcome(queue.get()))).collect()
}

fn got(d: Deferred<Value>) -> Option<i32> {
    d.try_result().ok().map(|result| result.map_or(-1, |v| v.0))
}

#[test]
fn get_while_put() {
    model(|| {
        let queue = DeferredQueue::new();
        let putting = put(&queue, 1);
        let d = queue.get();
        putting.join().unwrap();
        assert_eq!(outcome(d), 1);
        assert!(queue.is_empty());
    });
}

#[test]
fn two_put_while_one_gets_twice() {
    model(|| {
        let queue = DeferredQueue::new();
        let (one, two) = (put(&queue, 1), put(&queue, 2));
        let (first, second) = (queue.get(), queue.get());
        one.join().unwrap();
        two.join().unwrap();
        let mut all = [outcome(first), outcome(second)];
        all.sort();
        assert_eq!(all, [1, 2]);
    });
}

#[test]
fn two_get_while_one_puts() {
    model(|| {
        let queue = DeferredQueue::new();
        let putting = put(&queue, 1);
        let other = queue.clone();
        let getting = thread::spawn(move || other.get());
        let mine = queue.get();
        putting.join().unwrap();
        let other = getting.join().unwrap();
        assert_eq!(queue.waiting(), 1);
        assert!(queue.put(value(2)).is_ok());
        let mut all = [outcome(mine), outcome(other)];
        all.sort();
        assert_eq!(all, [1, 2]);
    });
}

#[test]
fn a_get_is_cancelled_while_put() {
    bounded(3, || {
        let queue = DeferredQueue::new();
        let d = queue.get();
        let putting = put(&queue, 1);
        d.cancel();
        putting.join().unwrap();
        match outcome(d) {
            1 => assert!(queue.is_empty()),
            _ => assert_eq!(rest(&queue), [1], "the item is kept"),
        }
    });
}

#[test]
fn the_first_of_two_gets_is_cancelled_while_put() {
    bounded(3, || {
        let queue = DeferredQueue::new();
        let (first, second) = (queue.get(), queue.get());
        let putting = put(&queue, 1);
        first.cancel();
        putting.join().unwrap();
        match outcome(first) {
            1 => assert_eq!(queue.waiting(), 1),
            _ => assert_eq!(got(second), Some(1)),
        }
    });
}

#[test]
fn a_get_is_dropped_while_put() {
    model(|| {
        let queue = DeferredQueue::new();
        let d = queue.get();
        let putting = put(&queue, 1);
        drop(d);
        putting.join().unwrap();
        assert_eq!(rest(&queue), [1], "no item is lost");
    });
}

#[test]
fn a_get_with_its_item_is_dropped_while_another_gets() {
    model(|| {
        let queue = DeferredQueue::new();
        assert!(queue.put(value(1)).is_ok());
        let d = queue.get();
        let dropping = thread::spawn(move || drop(d));
        let other = queue.get();
        dropping.join().unwrap();
        assert_eq!(outcome(other), 1, "the item goes on");
    });
}

#[test]
fn the_queue_is_dropped_while_a_get_is_cancelled() {
    bounded(3, || {
        let queue = DeferredQueue::<Value>::new();
        let d = queue.get();
        let touch = Touch::new();
        let other = touch.clone();
        let dropping = thread::spawn(move || {
            other.touch();
            drop(queue);
        });
        touch.touch();
        d.cancel();
        dropping.join().unwrap();
        assert!(matches!(outcome(d), -1 | -2));
    });
}
