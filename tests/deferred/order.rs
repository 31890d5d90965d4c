//! Who runs what, when, and on which thread.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use test_support::{Later, Log, fire_elsewhere};
use tokio_deferred::{Deferred, testing};

#[test]
fn fire_runs_all_stages_in_order_before_it_returns() {
    let log = Log::default();
    let (resolver, mut d) = Deferred::new();
    for n in 0..50 {
        let log = log.clone();
        d = d.map(move |sum: i32| {
            log.add(n.to_string());
            sum + n
        });
    }
    testing::assert_no_result(&d);
    resolver.callback(0);
    assert_eq!(
        log.all(),
        (0..50).map(|n| n.to_string()).collect::<Vec<_>>()
    );
    assert_eq!(testing::success_of(d), 1225);
}

#[test]
fn stages_run_on_the_thread_that_fires() {
    let (resolver, d) = Deferred::new();
    let d = d.map(|()| thread::current().id());
    let there = fire_elsewhere(resolver, ());
    assert_eq!(testing::success_of(d), there);
}

#[test]
fn a_stage_added_after_the_fire_runs_on_the_adders_thread() {
    let (resolver, d) = Deferred::new();
    fire_elsewhere(resolver, ());
    let d = d.map(|()| thread::current().id());
    assert_eq!(testing::success_of(d), thread::current().id());
}

#[test]
fn callback_and_errback_see_only_their_side() {
    let log = Log::default();
    let (one, two) = (log.clone(), log.clone());
    let d = Deferred::succeed(1)
        .add_errback(move |_| {
            one.add("errback on a value");
            Ok(0)
        })
        .add_callback(|_| -> Result<i32, _> { Err("out".parse::<i32>().unwrap_err().into()) })
        .map(move |n| {
            two.add("callback on a failure");
            n
        })
        .add_callbacks(|_| Ok("value"), |_| Ok("failure"));
    assert_eq!(testing::success_of(d), "failure");
    assert!(log.all().is_empty(), "{:?}", log.all());
}

#[test]
fn a_stage_adds_to_its_own_chain_and_it_runs_after_it_in_order() {
    let log = Log::default();
    let own = Later::<Deferred<i32>>::new();
    let result = Later::new();
    let (resolver, d) = Deferred::new();
    let d = {
        let (log, own, result) = (log.clone(), own.clone(), result.clone());
        d.map(move |n: i32| {
            log.add("first begins");
            let (one, two) = (log.clone(), log.clone());
            let d = own.take();
            let d = d.map(move |n| {
                one.add("added 1");
                n + 1
            });
            result.put(d.map(move |n| {
                two.add("added 2");
                n + 1
            }));
            log.add("first ends");
            n
        })
    };
    own.put(d);
    resolver.callback(40);
    assert_eq!(
        log.all(),
        ["first begins", "first ends", "added 1", "added 2"]
    );
    assert_eq!(testing::success_of(result.take()), 42);
}

#[test]
fn a_stage_fires_another_deferred_which_runs_inside_it() {
    let log = Log::default();
    let (other, watched) = Deferred::<()>::new();
    let inside = log.clone();
    drop(watched.map(move |()| inside.add("other")));
    let (resolver, d) = Deferred::new();
    let outside = log.clone();
    let d = d.map(move |()| {
        outside.add("begins");
        other.callback(());
        outside.add("ends");
    });
    resolver.callback(());
    assert_eq!(log.all(), ["begins", "other", "ends"]);
    testing::success_of(d);
}

#[test]
fn a_stage_drops_cancels_and_looks_at_its_own_deferred() {
    let own = Later::<Deferred<()>>::new();
    let (resolver, d) = Deferred::new();
    let mine = own.clone();
    let d = d.map(move |()| {
        let d = mine.take();
        d.cancel();
        assert!(!d.is_fired(), "it is running");
        drop(d);
    });
    own.put(d);
    resolver.callback(());
    assert!(own.try_take().is_none(), "the stage ran");
}

#[test]
fn a_dropped_deferred_still_runs_its_stages() {
    let log = Log::default();
    let (resolver, d) = Deferred::new();
    let there = log.clone();
    drop(d.map(move |()| there.add("ran")));
    resolver.callback(());
    assert_eq!(log.all(), ["ran"]);
}

/// Firing and adding race; each stage runs once, in order, whoever wins.
#[test]
fn fire_and_add_from_two_threads() {
    let rounds = if cfg!(miri) { 20 } else { 5_000 };
    let barrier = Arc::new(Barrier::new(2));
    let (tx, rx) = std::sync::mpsc::channel::<tokio_deferred::Resolver<Vec<u32>>>();
    let there = barrier.clone();
    let firing = thread::spawn(move || {
        for resolver in rx {
            there.wait();
            resolver.callback(Vec::new());
        }
    });
    for _ in 0..rounds {
        let (resolver, mut d) = Deferred::new();
        tx.send(resolver).unwrap();
        barrier.wait();
        for n in 0..8 {
            d = d.map(move |mut seen: Vec<u32>| {
                seen.push(n);
                seen
            });
        }
        let seen = futures::executor::block_on(d).unwrap();
        assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6, 7]);
    }
    drop(tx);
    firing.join().unwrap();
}

/// Values and closures of every size pass, those that do not fit in the block
/// and those that want a larger alignment included.
#[test]
fn large_values_and_large_closures_pass() {
    #[repr(align(128))]
    #[derive(Clone, Copy)]
    struct Wide([u64; 32]);

    let (resolver, d) = Deferred::<Wide>::new();
    let captured = Wide([3; 32]);
    let text = "a text".repeat(100);
    let d = d
        .map(move |wide| (wide, captured))
        .map(move |(a, b)| format!("{} {} {}", a.0[31], b.0[31], text.len()))
        .map(|s| s.into_bytes())
        .map(|bytes| String::from_utf8(bytes).unwrap());
    resolver.callback(Wide([7; 32]));
    assert_eq!(testing::success_of(d), "7 3 600");
}

#[test]
fn each_value_is_dropped_once() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    struct Counted;
    impl Drop for Counted {
        fn drop(&mut self) {
            DROPS.fetch_add(1, Ordering::Relaxed);
        }
    }
    let made = 7;
    // Taken, detached, dropped unfired and fired, cancelled, refused.
    let (r, d) = Deferred::new();
    r.callback(Counted);
    drop(d);
    let (r, d) = Deferred::new();
    drop(d);
    r.callback(Counted);
    let (r, d) = Deferred::new();
    d.cancel();
    r.callback(Counted);
    assert!(testing::failure_of(d).is_cancelled());
    let (r, d) = Deferred::new();
    let held = Counted;
    let d = d.add_callback(move |c: Counted| {
        drop(held);
        Ok(c)
    });
    r.callback(Counted);
    drop(testing::success_of(d));
    let (r, d) = Deferred::new();
    drop(d);
    assert!(r.try_callback(Counted).is_err());
    drop(Deferred::succeed(Counted));
    assert_eq!(DROPS.load(Ordering::Relaxed), made);
}

#[test]
fn taken_beside_a_handle_then_the_value_is_dropped_once() {
    let value = Arc::new(());
    let mut d = Deferred::succeed(value.clone());
    let handle = d.cancel_handle();
    drop(d.try_result());
    assert_eq!(Arc::strong_count(&value), 1);
    drop(handle);
}

/// Records of this many words behind each other, up to several chunks of them.
fn fire_stages_that_hold<const WORDS: usize>() {
    for stages in 0..24 {
        let (resolver, mut d) = Deferred::<u64>::new();
        for _ in 0..stages {
            let held = [1; WORDS];
            d = d.map(move |sum| sum + held.iter().sum::<u64>());
        }
        resolver.callback(0);
        assert_eq!(testing::success_of(d), stages * WORDS as u64);
    }
}

#[test]
fn closures_of_every_size_leave_room_for_what_ends_the_chain() {
    fire_stages_that_hold::<0>();
    fire_stages_that_hold::<1>();
    fire_stages_that_hold::<2>();
    fire_stages_that_hold::<4>();
    fire_stages_that_hold::<7>();
    // As many words as the block has room for.
    fire_stages_that_hold::<9>();
    fire_stages_that_hold::<16>();
    fire_stages_that_hold::<17>();
}

/// Takes `value` through a chain whose callbacks capture values like it.
fn through<T: Copy + PartialEq + std::fmt::Debug + Send + 'static>(value: T, other: T) {
    let (resolver, d) = Deferred::new();
    let d = d.map(move |seen: T| {
        assert_eq!(seen, value);
        other
    });
    let d = d.map(|seen| seen).map(move |seen| {
        assert_eq!(seen, other);
        value
    });
    resolver.callback(value);
    assert_eq!(testing::success_of(d), value);
}

#[test]
fn values_and_captures_of_any_size_and_alignment_go_through() {
    #[derive(Clone, Copy, PartialEq, Debug)]
    #[repr(align(16))]
    struct Aligned(u8);

    #[derive(Clone, Copy, PartialEq, Debug)]
    #[repr(align(64))]
    struct Wide([u8; 192]);

    through((), ());
    through(1_u8, 2);
    through([1_u64; 2], [2; 2]);
    through([1_u64; 3], [2; 3]);
    through([1_u64; 4], [2; 4]);
    through([1_u64; 16], [2; 16]);
    through([1_u64; 17], [2; 17]);
    through([1_u8; 10_001], [2; 10_001]);
    through(Aligned(1), Aligned(2));
    through(Wide([1; 192]), Wide([2; 192]));
}
