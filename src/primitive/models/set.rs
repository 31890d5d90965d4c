//! Members that end while the set is polled, let go of or dropped.

use crate::models::harness::{Value, Wakes, bounded, fire, value};
use crate::{Deferred, DeferredSet, Resolver};
use futures::stream::Stream;
use futures::task::waker;
use loom::thread;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

fn one() -> (Resolver<Value>, DeferredSet<Value>) {
    let (resolver, d) = Deferred::new();
    (resolver, DeferredSet::from_iter([d]))
}

fn next(set: &mut DeferredSet<Value>) -> Option<i32> {
    let result = set.try_next()?;
    Some(result.map_or(-1, |value| value.0))
}

#[test]
fn a_member_ends_while_the_set_is_polled() {
    bounded(2, || {
        let (resolver, mut set) = one();
        let firing = fire(resolver, 1);
        let wakes = Arc::new(Wakes::default());
        let waker = waker(wakes.clone());
        let polled = Pin::new(&mut set).poll_next(&mut Context::from_waker(&waker));
        firing.join().unwrap();
        match polled {
            Poll::Ready(result) => assert_eq!(result.unwrap().unwrap().0, 1),
            Poll::Pending => {
                assert!(wakes.count() > 0, "it is woken");
                assert_eq!(next(&mut set), Some(1));
            }
        }
    });
}

#[test]
fn two_members_end_from_two_threads() {
    bounded(2, || {
        let (first, mut set) = one();
        let (second, d) = Deferred::new();
        set.insert(d);
        let firing = fire(first, 1);
        second.callback(value(2));
        firing.join().unwrap();
        let mut all = [next(&mut set), next(&mut set)];
        all.sort();
        assert_eq!(all, [Some(1), Some(2)]);
        assert!(set.is_empty());
    });
}

#[test]
fn a_member_ends_while_the_set_is_dropped() {
    bounded(2, || {
        let (resolver, set) = one();
        let dropping = thread::spawn(move || drop(set));
        resolver.callback(value(1));
        dropping.join().unwrap();
    });
}

#[test]
fn a_member_ends_while_all_are_cancelled() {
    bounded(2, || {
        let (resolver, mut set) = one();
        let firing = fire(resolver, 1);
        set.cancel_all();
        firing.join().unwrap();
        assert!(matches!(next(&mut set), Some(1 | -1)));
        assert!(set.is_empty());
    });
}

#[test]
fn a_member_ends_while_all_are_detached() {
    bounded(2, || {
        let (resolver, mut set) = one();
        let firing = fire(resolver, 1);
        set.detach_all();
        firing.join().unwrap();
        assert!(set.is_empty());
        assert_eq!(next(&mut set), None);
    });
}
