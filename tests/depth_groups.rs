//! Lists, races, joins and shared results inside of each other, to any depth,
//! take no more stack than one: fired, failed, cancelled and dropped.
//!
//! Every test runs on a thread of 256 KiB, and so fails, by overflowing it, if
//! anything takes stack for each level. Builds without optimisation go through a
//! fifth as many.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use tokio_deferred::{
    Deferred, DeferredList, FirstError, Resolver, SharedDeferred, debug, gather_results, join,
    map_with_concurrency, race, testing,
};

const LEVELS: u64 = if cfg!(miri) {
    300
} else if cfg!(debug_assertions) {
    20_000
} else {
    100_000
};
const STACK: usize = 256 * 1024;

fn on_small_stack(test: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(STACK);
    thread.spawn(test).unwrap().join().expect("no panic");
}

/// Makes one more level around a Deferred.
type Level = fn(Deferred<u64>) -> Deferred<u64>;

/// The only child's value, and one.
fn next(values: Vec<u64>) -> u64 {
    values[0] + 1
}

const KINDS: &[(&str, Level)] = &[
    ("gather", |d| gather_results([d]).map(next)),
    ("gather of two", |d| {
        gather_results([d, Deferred::succeed(0)]).map(next)
    }),
    ("list", |d| {
        let list = DeferredList::new([d]).into_deferred();
        list.add_callback(|mut results| Ok(results.remove(0)? + 1))
    }),
    ("race", |d| race([d]).map(|(_, n)| n + 1)),
    ("first callback", |d| {
        let first = DeferredList::new([d]).fire_on_one_callback();
        first.map(|(_, n)| n + 1)
    }),
    ("join", |d| join((d,)).map(|(n,)| n + 1)),
    ("join of two", |d| {
        join((d, Deferred::succeed(()))).map(|(n, ())| n + 1)
    }),
    ("bounded map", |d| {
        map_with_concurrency([d], 1, |d| d).gather().map(next)
    }),
    ("share", |d| d.share().subscribe().map(|n| n + 1)),
    ("share of two", |d| {
        let shared = d.share();
        let (one, other) = (shared.subscribe(), shared.subscribe());
        let both = DeferredList::new([one.map(|n| n + 1), other])
            .fire_on_one_errback(true)
            .consume_errors(true);
        let both = both.into_deferred();
        both.add_callback(|mut results| Ok(results.swap_remove(0)?))
    }),
    ("share in a waiting one", |d| {
        let shared = d.share();
        Deferred::succeed(()).add_callback(move |()| shared.subscribe().map(|n| n + 1))
    }),
    ("list that cancels the rest", |d| {
        let limit = DeferredList::new([d]).cancel_rest(true);
        let list = limit.fire_on_one_errback(true).into_deferred();
        list.add_callback(|mut results| Ok(results.remove(0)? + 1))
    }),
];

fn nested(level: Level) -> (Resolver<u64>, Deferred<u64>) {
    let (resolver, mut d) = Deferred::new();
    for _ in 0..LEVELS {
        d = level(d);
    }
    (resolver, d)
}

#[test]
fn fired_from_the_innermost() {
    on_small_stack(|| {
        for (name, level) in KINDS {
            println!("{name}");
            let (resolver, d) = nested(*level);
            resolver.callback(0);
            assert_eq!(testing::success_of(d), LEVELS, "{name}");
        }
    });
}

#[test]
fn fired_before_they_are_put_together() {
    on_small_stack(|| {
        for (name, level) in KINDS {
            let mut d = Deferred::succeed(0);
            for _ in 0..LEVELS {
                d = level(d);
            }
            assert_eq!(testing::success_of(d), LEVELS, "{name}");
        }
    });
}

#[test]
fn failed_from_the_innermost_then_printed_and_dropped() {
    on_small_stack(|| {
        for (name, level) in KINDS {
            println!("{name}");
            let (resolver, d) = nested(*level);
            resolver.errback("out of paper");
            let failure = testing::failure_of(d);
            assert!(!failure.is_cancelled() && !failure.is_timed_out(), "{name}");
            assert!(failure.to_string().len() < 1_000, "{name}");
            assert!(format!("{failure:?}").len() < 100_000, "{name}");
        }
    });
}

#[test]
fn reported_as_unhandled() {
    on_small_stack(|| {
        for (name, level) in KINDS {
            let (resolver, d) = nested(*level);
            drop(d);
            let reports = testing::capture_unhandled(|| resolver.errback("out of paper"));
            assert_eq!(reports.len(), 1, "{name}");
        }
    });
}

#[test]
fn cancelled_from_the_outermost() {
    on_small_stack(|| {
        for (name, level) in KINDS {
            println!("{name}");
            let reports = testing::capture_unhandled(|| {
                let (resolver, d) = nested(*level);
                d.cancel();
                assert!(resolver.is_cancelled(), "{name}");
                let failure = testing::failure_of(d);
                assert!(failure.is_cancelled(), "{name}");
            });
            assert!(reports.is_empty(), "{name}: {}", reports.len());
        }
    });
}

#[test]
fn dropped_in_a_cancel_on_drop() {
    on_small_stack(|| {
        for (name, level) in KINDS {
            let reports = testing::capture_unhandled(|| {
                let (resolver, d) = nested(*level);
                drop(d.cancel_on_drop());
                assert!(resolver.is_cancelled(), "{name}");
            });
            assert!(reports.is_empty(), "{name}: {}", reports.len());
        }
    });
}

#[test]
fn the_resolver_is_dropped_then_the_rest() {
    on_small_stack(|| {
        for (name, level) in KINDS {
            let (resolver, d) = nested(*level);
            drop(resolver);
            let reports = testing::capture_unhandled(|| drop(d));
            assert_eq!(reports.len(), 1, "{name}");
            // Detached, then abandoned.
            let (resolver, d) = nested(*level);
            drop(d);
            let reports = testing::capture_unhandled(|| drop(resolver));
            assert_eq!(reports.len(), 1, "{name}");
        }
    });
}

/// Jobs of which each starts when the one before it is over: the queue that
/// promise programs build of a shared end.
fn queue_of_jobs(ran: &Arc<AtomicU64>) -> (Resolver<()>, SharedDeferred<()>, Vec<Deferred<()>>) {
    let (resolver, first) = Deferred::new();
    let mut end = first.share();
    let mut results = Vec::new();
    for _ in 0..LEVELS {
        let ran = ran.clone();
        let job = end.subscribe().map(move |()| {
            ran.fetch_add(1, Ordering::Relaxed);
        });
        let shared = job.share();
        results.push(shared.subscribe());
        end = shared;
    }
    (resolver, end, results)
}

#[test]
fn jobs_behind_the_shared_end_of_the_last_are_fired() {
    on_small_stack(|| {
        let ran = Arc::default();
        let (resolver, end, results) = queue_of_jobs(&ran);
        resolver.callback(());
        assert_eq!(ran.load(Ordering::Relaxed), LEVELS);
        testing::success_of(end.subscribe());
        for result in results {
            testing::success_of(result);
        }
    });
}

#[test]
fn jobs_behind_the_shared_end_of_the_last_fail() {
    on_small_stack(|| {
        let ran = Arc::default();
        let (resolver, end, results) = queue_of_jobs(&ran);
        resolver.errback("out of paper");
        assert_eq!(ran.load(Ordering::Relaxed), 0);
        let failure = testing::failure_of(end.subscribe());
        assert_eq!(failure.to_string(), "out of paper");
        for result in results {
            testing::failure_of(result);
        }
    });
}

#[test]
fn jobs_behind_the_shared_end_of_the_last_are_cancelled_from_the_back() {
    on_small_stack(|| {
        let ran = Arc::default();
        let (resolver, end, results) = queue_of_jobs(&ran);
        for result in results.into_iter().rev() {
            result.cancel();
            assert!(testing::failure_of(result).is_cancelled());
        }
        let last = end.subscribe();
        last.cancel();
        assert!(testing::failure_of(last).is_cancelled());
        assert!(resolver.is_cancelled());
        assert_eq!(ran.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn jobs_behind_the_shared_end_of_the_last_are_dropped() {
    on_small_stack(|| {
        let reports = testing::capture_unhandled(|| {
            let ran = Arc::default();
            let (resolver, end, results) = queue_of_jobs(&ran);
            drop(results);
            drop(end);
            drop(resolver);
            assert_eq!(ran.load(Ordering::Relaxed), 0);
        });
        assert_eq!(reports.len(), 1, "nobody saw that the first one never came");
    });
}

/// What one subscriber starts is over before the next one is served, and all is
/// over before the fire returns: as in nested calls.
#[test]
fn subscribers_run_in_the_order_of_nested_calls() {
    thread_local! {
        static ORDER: Cell<u64> = const { Cell::new(0) };
    }
    fn note(expected: u64) -> impl FnOnce(u64) -> u64 + Send + 'static {
        move |n| {
            assert_eq!(ORDER.replace(expected + 1), expected);
            n
        }
    }
    let (resolver, d) = Deferred::new();
    let outer = d.share();
    let inner = outer.subscribe().map(note(0)).share();
    inner.subscribe().map(note(1)).log_errors();
    gather_results([inner.subscribe().map(note(2))])
        .map(next)
        .map(note(3))
        .log_errors();
    inner.subscribe().map(note(4)).log_errors();
    outer.subscribe().map(note(5)).log_errors();
    resolver.callback(0);
    assert_eq!(ORDER.get(), 6);
}

/// The error of the innermost is found however deep it is.
#[test]
fn the_innermost_error_is_found() {
    on_small_stack(|| {
        let (resolver, mut d) = Deferred::<u64>::new();
        for _ in 0..1_000 {
            d = gather_results([d]).map(next);
        }
        resolver.errback(std::fmt::Error);
        let failure = testing::failure_of(d);
        assert!(failure.is::<std::fmt::Error>() && failure.is::<FirstError>());
    });
}

#[test]
fn with_debugging_on() {
    debug::set_debugging(true);
    on_small_stack(|| {
        let (resolver, mut d) = Deferred::new();
        for _ in 0..LEVELS / 100 {
            d = gather_results([d]).map(next);
        }
        resolver.callback(0);
        testing::success_of(d);
    });
    debug::set_debugging(false);
}
