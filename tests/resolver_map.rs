//! Results by key: replies that come in any order, late, twice or never.

use std::sync::Barrier;
use std::time::Duration;
use test_support::Log;
use tokio_deferred::{Deferred, DuplicateKey, ResolverMap, testing};

#[test]
fn replies_in_any_order() {
    let replies = ResolverMap::new();
    let [a, b, c] = [1, 2, 3].map(|id| replies.insert(id));
    for id in [3, 1, 2] {
        assert!(replies.callback(&id, id * 10));
    }
    assert!(replies.is_empty());
    assert_eq!([a, b, c].map(testing::success_of), [10, 20, 30]);
}

#[test]
fn reply_twice_then_the_second_finds_nothing() {
    let replies = ResolverMap::new();
    let d = replies.insert("a");
    assert!(replies.callback(&"a", 1));
    assert!(!replies.callback(&"a", 2));
    assert!(!replies.errback(&"a", "too late"));
    assert_eq!(testing::success_of(d), 1);
}

#[test]
fn a_key_that_waits_is_refused_and_the_first_goes_on() {
    let replies = ResolverMap::new();
    let first = replies.insert(1);
    assert!(testing::failure_of(replies.insert(1)).is::<DuplicateKey>());
    assert_eq!(replies.len(), 1);
    assert!(replies.callback(&1, "first"));
    assert_eq!(testing::success_of(first), "first");
    // It is free again.
    testing::assert_no_result(&replies.insert(1));
}

#[test]
fn insert_the_same_key_inside_its_own_callback() {
    let replies = ResolverMap::new();
    let again = replies.clone();
    let d = replies
        .insert(1)
        .add_callback(move |n: i32| again.insert(1).map(move |m| n * 10 + m));
    assert!(replies.callback(&1, 1));
    assert!(replies.callback(&1, 2));
    assert_eq!(testing::success_of(d), 12);
}

#[test]
fn cancel_then_reply_finds_nothing() {
    let replies = ResolverMap::new();
    let d = replies.insert(1);
    d.cancel_with("not needed");
    assert!(!replies.contains_key(&1));
    assert!(!replies.callback(&1, ()));
    assert!(testing::failure_of(d).is_cancelled());
}

#[test]
fn cancel_after_the_key_was_used_again_leaves_the_new_one() {
    let replies = ResolverMap::new();
    let mut old = replies.insert(1);
    let handle = old.cancel_handle();
    assert!(replies.callback(&1, "old"));
    let new = replies.insert(1);
    handle.cancel();
    drop(old);
    assert!(replies.callback(&1, "new"));
    assert_eq!(testing::success_of(new), "new");
}

#[test]
fn drop_then_the_key_is_free_and_nothing_is_reported() {
    let replies = ResolverMap::<_, ()>::new();
    let reports = testing::capture_unhandled(|| {
        drop(replies.insert(1));
        assert!(replies.is_empty());
        assert!(!replies.errback(&1, "nobody sees this"));
    });
    assert!(reports.is_empty(), "{reports:?}");
}

#[test]
fn detached_with_a_stage_then_the_key_stays() {
    let (replies, log) = (ResolverMap::new(), Log::default());
    let noted = log.clone();
    replies
        .insert(1)
        .map(move |()| noted.add("seen"))
        .log_errors();
    assert!(replies.callback(&1, ()));
    assert_eq!(log.all(), ["seen"]);
}

#[test]
fn fail_all_in_the_order_of_the_inserts_then_insert_again() {
    let (replies, log) = (ResolverMap::<_, ()>::new(), Log::default());
    for name in ["e", "d", "c", "b", "a"] {
        let (log, again) = (log.clone(), replies.clone());
        let d = replies.insert(name).add_errback(move |failure| {
            log.add(name);
            assert_eq!(failure.to_string(), "connection reset");
            // A retry, on the next connection.
            drop(again.insert(name).map(|()| ()));
            Ok(())
        });
        d.log_errors();
    }
    assert_eq!(replies.fail_all("connection reset"), 5);
    assert_eq!(log.all(), ["e", "d", "c", "b", "a"]);
    assert_eq!(replies.len(), 5, "what was inserted meanwhile stays");
    for name in ["a", "b", "c", "d", "e"] {
        assert!(replies.callback(&name, ()));
    }
}

#[test]
fn close_then_insert_fails_with_the_same_error() {
    let replies = ResolverMap::<_, ()>::new();
    let waits = replies.insert(1);
    assert_eq!(replies.close(std::fmt::Error), 1);
    assert_eq!(replies.close("again"), 0);
    assert!(replies.is_closed());
    for d in [waits, replies.insert(1), replies.insert(2)] {
        assert!(testing::failure_of(d).is::<std::fmt::Error>());
    }
    assert!(!replies.callback(&1, ()));
}

#[test]
fn insert_inside_a_callback_of_close_fails_at_once() {
    let replies = ResolverMap::<_, ()>::new();
    let again = replies.clone();
    let d = replies.insert(1).add_errback(move |_| again.insert(1));
    replies.close("closed");
    assert_eq!(testing::failure_of(d).to_string(), "closed");
}

#[test]
fn the_map_is_dropped_then_all_fail_in_order() {
    let (replies, log) = (ResolverMap::<_, ()>::new(), Log::default());
    for name in ["a", "b", "c"] {
        let log = log.clone();
        let d = replies.insert(name).add_errback(move |failure| {
            assert!(failure.is_resolver_dropped());
            log.add(name);
            Ok(())
        });
        d.log_errors();
    }
    let also = replies.clone();
    drop(replies);
    assert!(log.all().is_empty());
    drop(also);
    assert_eq!(log.all(), ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn timed_out_then_the_key_is_free() {
    let replies = ResolverMap::<_, ()>::new();
    let d = replies.insert(1).add_timeout(Duration::from_secs(5));
    assert!(d.await.unwrap_err().is_timed_out());
    assert!(replies.is_empty());
}

#[test]
fn gathered_then_one_fails_then_the_others_replies_are_refused_or_dropped() {
    let replies = ResolverMap::new();
    let all = tokio_deferred::DeferredList::new([1, 2, 3].map(|id| replies.insert(id)))
        .fire_on_one_errback(true)
        .cancel_rest(true)
        .into_deferred();
    assert!(replies.errback(&2, "out"));
    assert!(replies.is_empty());
    assert!(!replies.callback(&1, ()));
    drop(testing::failure_of(all));
}

#[test]
fn cancel_while_the_reply_comes_from_another_thread() {
    for _ in 0..if cfg!(miri) { 20 } else { 2_000 } {
        let replies = ResolverMap::new();
        let d: Deferred<i32> = replies.insert(1);
        let start = Barrier::new(2);
        let delivered = std::thread::scope(|scope| {
            let replying = scope.spawn(|| {
                start.wait();
                replies.callback(&1, 7)
            });
            start.wait();
            d.cancel();
            replying.join().unwrap()
        });
        assert!(replies.is_empty());
        match d.try_result().expect("either came") {
            Ok(n) => assert_eq!((n, delivered), (7, true)),
            Err(failure) => assert!(failure.is_cancelled() && !delivered),
        }
    }
}
