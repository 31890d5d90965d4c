//! Replies that meet cancels, drops and the end of the map.

use crate::ResolverMap;
use crate::models::harness::{Touch, Value, bounded, model, outcome, value};
use loom::thread;

fn map() -> ResolverMap<i32, Value> {
    ResolverMap::new()
}

#[test]
fn cancel_while_the_reply_comes() {
    bounded(3, || {
        let replies = map();
        let d = replies.insert(7);
        let other = replies.clone();
        let replying = thread::spawn(move || other.callback(&7, value(1)));
        d.cancel();
        let delivered = replying.join().unwrap();
        assert!(replies.is_empty());
        assert_eq!(outcome(d), if delivered { 1 } else { -1 });
    });
}

#[test]
fn drop_while_the_reply_comes() {
    model(|| {
        let replies = map();
        let d = replies.insert(7);
        let other = replies.clone();
        let replying = thread::spawn(move || other.callback(&7, value(1)));
        drop(d);
        replying.join().unwrap();
        assert!(replies.is_empty());
    });
}

#[test]
fn insert_while_the_map_is_closed() {
    bounded(3, || {
        let replies = map();
        let other = replies.clone();
        let closing = thread::spawn(move || other.close("closed"));
        let d = replies.insert(7);
        let failed = closing.join().unwrap();
        assert!(failed <= 1);
        let result = d.try_result().expect("it has its result");
        assert!(result.is_err(), "whoever was first");
        assert!(replies.is_empty());
    });
}

#[test]
fn two_insert_the_same_key() {
    model(|| {
        let replies = map();
        let other = replies.clone();
        let inserting = thread::spawn(move || other.insert(7));
        let mine = replies.insert(7);
        let theirs = inserting.join().unwrap();
        assert_eq!(replies.len(), 1);
        assert!(replies.callback(&7, value(1)));
        let both = [mine, theirs].map(|d| d.try_result().expect("it has its result"));
        let values = both.iter().filter_map(|result| result.as_ref().ok());
        assert_eq!(values.map(|value| value.0).collect::<Vec<_>>(), [1]);
    });
}

#[test]
fn the_map_is_dropped_while_a_reply_is_cancelled() {
    bounded(3, || {
        let replies = map();
        let d = replies.insert(7);
        let touch = Touch::new();
        let other = touch.clone();
        let dropping = thread::spawn(move || {
            other.touch();
            drop(replies);
            other.touch();
        });
        touch.touch();
        d.cancel();
        dropping.join().unwrap();
        // Cancelled, or left without a resolver.
        assert!(matches!(outcome(d), -1 | -2));
    });
}
