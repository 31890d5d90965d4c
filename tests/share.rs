//! Shared results: who gets what, cancels, clones that panic, threads.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, OnceLock};
use tokio_deferred::{CancelHandle, Deferred, SharedDeferred, testing};

#[test]
fn subscribers_before_and_after_the_fire() {
    let (resolver, d) = Deferred::new();
    let shared = d.share();
    let early: Vec<_> = (0..3).map(|_| shared.subscribe()).collect();
    early.iter().for_each(testing::assert_no_result);
    resolver.callback("text".to_owned());
    for d in early {
        assert_eq!(testing::success_of(d), "text");
    }
    assert_eq!(testing::success_of(shared.clone().subscribe()), "text");
}

#[test]
fn ready_and_failed_sources() {
    assert_eq!(
        testing::success_of(Deferred::succeed(1).share().subscribe()),
        1
    );
    let shared = Deferred::<i32>::fail("out").share();
    for _ in 0..2 {
        assert_eq!(testing::failure_of(shared.subscribe()).to_string(), "out");
    }
}

#[test]
fn subscribers_run_in_order() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let (resolver, d) = Deferred::new();
    let shared = d.share();
    for n in 0..100 {
        let log = log.clone();
        shared
            .subscribe()
            .map(move |()| log.lock().unwrap().push(n))
            .detach();
    }
    resolver.callback(());
    assert_eq!(*log.lock().unwrap(), (0..100).collect::<Vec<_>>());
}

#[test]
fn cancel_one_leaves_the_others() {
    let (resolver, d) = Deferred::new();
    let shared = d.share();
    let (a, b) = (shared.subscribe(), shared.subscribe());
    a.cancel_with("not needed");
    let failure = testing::failure_of(a);
    assert!(failure.is_cancelled());
    assert!(!resolver.is_cancelled());
    resolver.callback(1);
    assert_eq!(testing::success_of(b), 1);
}

#[test]
fn cancel_all_then_the_source_is_cancelled_once() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    let (_resolver, d) = Deferred::<i32>::with_canceller(move || {
        count.fetch_add(1, Ordering::Relaxed);
        None
    });
    let reports = testing::capture_unhandled(|| {
        let shared = d.share();
        let all: Vec<_> = (0..3).map(|_| shared.subscribe()).collect();
        for (n, d) in all.iter().enumerate() {
            assert_eq!(calls.load(Ordering::Relaxed), 0, "before cancel {n}");
            d.cancel();
        }
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        for d in all {
            assert!(testing::failure_of(d).is_cancelled());
        }
        assert!(testing::failure_of(shared.subscribe()).is_cancelled());
    });
    assert!(reports.is_empty(), "{reports:?}");
}

#[test]
fn drop_one_then_cancel_the_last() {
    let (resolver, d) = Deferred::<i32>::new();
    let shared = d.share();
    let (a, b) = (shared.subscribe(), shared.subscribe());
    drop(a);
    assert!(!resolver.is_cancelled());
    b.cancel();
    assert!(resolver.is_cancelled());
    assert!(testing::failure_of(b).is_cancelled());
}

#[test]
fn drop_one_with_a_stage_then_cancel_the_other() {
    let (resolver, d) = Deferred::new();
    let shared = d.share();
    let seen = Arc::new(AtomicUsize::new(0));
    let count = seen.clone();
    drop(
        shared
            .subscribe()
            .map(move |n| count.fetch_add(n, Ordering::Relaxed)),
    );
    let b = shared.subscribe();
    b.cancel();
    assert!(testing::failure_of(b).is_cancelled());
    assert!(!resolver.is_cancelled(), "a stage still wants the result");
    resolver.callback(5);
    assert_eq!(seen.load(Ordering::Relaxed), 5);
}

#[test]
fn drop_every_subscriber_and_handle_then_nothing_is_cancelled() {
    let (resolver, d) = Deferred::<i32>::new();
    let shared = d.share();
    drop(shared.subscribe());
    drop(shared);
    assert!(!resolver.is_cancelled());
    let reports = testing::capture_unhandled(|| resolver.errback("nobody"));
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].failure().to_string(), "nobody");
}

#[test]
fn failure_that_a_subscriber_handles_is_not_reported() {
    let (resolver, d) = Deferred::<i32>::new();
    let reports = testing::capture_unhandled(|| {
        let shared = d.share();
        let handled = shared.subscribe().add_errback(|_| Ok(0));
        resolver.errback("out");
        assert_eq!(testing::success_of(handled), 0);
    });
    assert!(reports.is_empty(), "{reports:?}");
}

#[test]
fn cancel_a_later_subscriber_inside_a_callback() {
    let (resolver, d) = Deferred::new();
    let shared = d.share();
    let handle = Arc::new(OnceLock::<CancelHandle>::new());
    let of_second = handle.clone();
    let first = shared.subscribe().map(move |n: i32| {
        of_second.get().unwrap().cancel();
        n
    });
    let mut second = shared.subscribe();
    handle.set(second.cancel_handle()).unwrap();
    resolver.callback(1);
    assert_eq!(testing::success_of(first), 1);
    assert!(testing::failure_of(second).is_cancelled());
}

#[test]
fn subscribe_inside_a_callback_has_the_result_at_once() {
    let (resolver, d) = Deferred::new();
    let shared = d.share();
    let inner = shared.clone();
    let sum = shared
        .subscribe()
        .map(move |n: i32| n + testing::success_of(inner.subscribe()));
    let other = shared.subscribe();
    resolver.callback(2);
    assert_eq!(testing::success_of(sum), 4);
    assert_eq!(testing::success_of(other), 2);
}

#[test]
fn subscribe_inside_a_callback_then_the_next_is_served_after_it() {
    let (resolver, d) = Deferred::new();
    let shared = d.share();
    let log = Arc::new(Mutex::new(Vec::new()));
    let subscribers: Vec<_> = (0..3)
        .map(|name| {
            let (again, log) = (shared.clone(), log.clone());
            shared.subscribe().map(move |n: i32| {
                log.lock().unwrap().push((name, "begins"));
                assert_eq!(testing::success_of(again.subscribe()), n);
                log.lock().unwrap().push((name, "ends"));
            })
        })
        .collect();
    resolver.callback(1);
    subscribers.into_iter().for_each(testing::success_of);
    let expected: Vec<_> = (0..3)
        .flat_map(|name| [(name, "begins"), (name, "ends")])
        .collect();
    assert_eq!(*log.lock().unwrap(), expected);
}

/// Subscribes in its first clone, and so learns whether a lock is held there.
struct Nosy {
    /// Taken out by that clone, or the value would keep itself.
    shared: Arc<Mutex<Option<SharedDeferred<Nosy>>>>,
    clones: Arc<AtomicUsize>,
}

impl Clone for Nosy {
    fn clone(&self) -> Self {
        if self.clones.fetch_add(1, Ordering::Relaxed) == 0 {
            let shared = self.shared.lock().unwrap().take().unwrap();
            shared.subscribe().map(|_| ()).detach();
        }
        Nosy {
            shared: self.shared.clone(),
            clones: self.clones.clone(),
        }
    }
}

#[test]
fn subscribe_inside_the_clone_is_served_after_it() {
    let (resolver, d) = Deferred::new();
    let shared = d.share();
    let place = Arc::new(Mutex::new(Some(shared.clone())));
    let clones = Arc::new(AtomicUsize::new(0));
    let first = shared.subscribe();
    resolver.callback(Nosy {
        shared: place,
        clones: clones.clone(),
    });
    testing::success_of(first);
    assert_eq!(clones.load(Ordering::Relaxed), 2);
}

/// Panics in its first clone, and in its drop if told so.
struct Sore(Arc<AtomicUsize>);

impl Clone for Sore {
    fn clone(&self) -> Self {
        let clones = self.0.fetch_add(1, Ordering::Relaxed);
        assert!(clones > 0, "the first clone");
        Sore(self.0.clone())
    }
}

#[test]
fn clone_panics_then_only_that_subscriber_fails() {
    let (resolver, d) = Deferred::new();
    let shared = d.share();
    let (a, b) = (shared.subscribe(), shared.subscribe());
    resolver.callback(Sore(Arc::default()));
    assert!(testing::failure_of(a).is_panic());
    testing::success_of(b);
    testing::success_of(shared.subscribe());
}

/// A value whose drop panics.
#[derive(Clone)]
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("dropped");
        }
    }
}

#[test]
fn drop_of_the_value_panics_with_the_last_handle() {
    let (resolver, d) = Deferred::new();
    let shared = d.share();
    resolver.callback(Bomb);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(shared))).is_ok());
}

#[test]
fn value_goes_with_the_last_handle() {
    let value = Arc::new(());
    let shared = Deferred::succeed(value.clone()).share();
    let handle = shared.clone();
    drop(testing::success_of(shared.subscribe()));
    drop(shared);
    assert_eq!(Arc::strong_count(&value), 2);
    drop(handle);
    assert_eq!(Arc::strong_count(&value), 1);
}

/// A value that is not `Sync`, and knows when two threads clone it at a time.
struct Alone {
    busy: Arc<AtomicBool>,
    clones: Cell<usize>,
}

impl Clone for Alone {
    fn clone(&self) -> Self {
        assert!(
            !self.busy.swap(true, Ordering::Acquire),
            "cloned by two threads"
        );
        self.clones.set(self.clones.get() + 1);
        std::thread::yield_now();
        let clone = Alone {
            busy: self.busy.clone(),
            clones: self.clones.clone(),
        };
        self.busy.store(false, Ordering::Release);
        clone
    }
}

#[test]
fn subscribe_and_fire_from_threads_then_all_are_served() {
    for _ in 0..200 {
        let (resolver, d) = Deferred::new();
        let shared = d.share();
        let start = Barrier::new(3);
        let all = std::thread::scope(|scope| {
            let subscribers: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        (0..50).map(|_| shared.subscribe()).collect::<Vec<_>>()
                    })
                })
                .collect();
            start.wait();
            resolver.callback(Alone {
                busy: Arc::default(),
                clones: Cell::new(0),
            });
            let joined = subscribers.into_iter().map(|thread| thread.join().unwrap());
            joined.flatten().collect::<Vec<_>>()
        });
        assert_eq!(all.len(), 100);
        for d in all {
            assert!(testing::success_of(d).clones.get() >= 1);
        }
    }
}

#[test]
fn cancel_from_threads_then_the_source_is_cancelled() {
    for _ in 0..500 {
        let (resolver, d) = Deferred::<i32>::new();
        let shared = d.share();
        let all: Vec<_> = (0..4).map(|_| shared.subscribe()).collect();
        let (left, right) = all.split_at(2);
        let start = Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                for d in left {
                    d.cancel();
                }
            });
            start.wait();
            for d in right {
                d.cancel();
            }
        });
        assert!(resolver.is_cancelled());
        for d in all {
            assert!(testing::failure_of(d).is_cancelled());
        }
    }
}

#[test]
fn hundred_thousand_subscribers_of_which_most_are_dropped() {
    let (resolver, d) = Deferred::<usize>::new();
    let shared = d.share();
    let mut kept = Vec::new();
    for n in 0..if cfg!(miri) { 500 } else { 100_000 } {
        let d = shared.subscribe();
        if n % 100 == 0 {
            kept.push(d);
        }
    }
    let last = kept.pop().unwrap();
    for d in kept {
        d.cancel();
        assert!(testing::failure_of(d).is_cancelled());
    }
    assert!(!resolver.is_cancelled());
    resolver.callback(9);
    assert_eq!(testing::success_of(last), 9);
}
