//! The bounded map: its limit, its order, its ends.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio_deferred::{Deferred, Failure, FirstError, Resolver, map_with_concurrency, testing};

/// An item, and what ends it.
type Job = (usize, Resolver<usize>);

/// A function for a map that waits for the test to end each item.
#[derive(Clone, Default)]
struct Jobs(Arc<Mutex<Vec<Job>>>);

impl Jobs {
    fn start(&self) -> impl FnMut(usize) -> Deferred<usize> + Send + 'static {
        let jobs = self.0.clone();
        move |n| {
            let (resolver, d) = Deferred::new();
            jobs.lock().unwrap().push((n, resolver));
            d
        }
    }

    /// What is under way, oldest first.
    fn running(&self) -> Vec<usize> {
        self.0.lock().unwrap().iter().map(|(n, _)| *n).collect()
    }

    /// Takes the job at `at` among those under way.
    fn take(&self, at: usize) -> Job {
        self.0.lock().unwrap().remove(at)
    }
}

#[test]
fn items_start_in_order_as_there_is_room() {
    let jobs = Jobs::default();
    let all = map_with_concurrency(0..6, 3, jobs.start()).gather();
    assert_eq!(jobs.running(), [0, 1, 2]);
    for (at, then) in [
        (1, vec![0, 2, 3]),
        (2, vec![0, 2, 4]),
        (0, vec![2, 4, 5]),
        (1, vec![2, 5]),
    ] {
        let (n, resolver) = jobs.take(at);
        resolver.callback(n * 10);
        assert_eq!(jobs.running(), then);
    }
    testing::assert_no_result(&all);
    for _ in 0..2 {
        let (n, resolver) = jobs.take(0);
        resolver.callback(n * 10);
    }
    assert_eq!(testing::success_of(all), [0, 10, 20, 30, 40, 50]);
}

#[test]
fn no_items_and_more_room_than_items() {
    let none = map_with_concurrency(0..0, 3, Ok::<usize, Failure>);
    assert!(testing::success_of(none.gather()).is_empty());
    let few = map_with_concurrency(0..2, usize::MAX, Ok::<usize, Failure>);
    assert_eq!(testing::success_of(few.gather()), [0, 1]);
}

#[test]
fn hundred_thousand_ready_items_need_no_stack() {
    const ITEMS: usize = if cfg!(miri) { 300 } else { 100_000 };
    let work = || {
        let all = map_with_concurrency(0..ITEMS, 2, Ok).gather();
        assert_eq!(testing::success_of(all).len(), ITEMS);
    };
    let thread = std::thread::Builder::new()
        .stack_size(256 * 1024)
        .spawn(work);
    thread.unwrap().join().unwrap();
}

#[test]
fn failures_do_not_stop_it_unless_asked() {
    let results = map_with_concurrency(0..5, 2, |n: usize| {
        if n == 1 {
            Deferred::fail("one")
        } else {
            Deferred::succeed(n)
        }
    });
    let results = testing::success_of(results.into_deferred());
    let values: Vec<_> = results.iter().map(|r| r.as_ref().ok().copied()).collect();
    assert_eq!(values, [Some(0), None, Some(2), Some(3), Some(4)]);
}

#[test]
fn first_failure_then_no_more_are_started() {
    let jobs = Jobs::default();
    let all = map_with_concurrency(0..10, 2, jobs.start())
        .fire_on_one_errback(true)
        .into_deferred();
    jobs.take(0).1.errback("out");
    assert_eq!(
        testing::failure_of(all)
            .check::<FirstError>()
            .unwrap()
            .index,
        0
    );
    assert_eq!(jobs.running(), [1]);
    let (_, other) = jobs.take(0);
    assert!(!other.is_cancelled());
    let reports = testing::capture_unhandled(|| other.errback("late"));
    assert_eq!(reports.len(), 1);
    assert!(jobs.running().is_empty());
}

#[test]
fn first_failure_cancels_the_rest_if_asked() {
    let jobs = Jobs::default();
    let reports = testing::capture_unhandled(|| {
        let all = map_with_concurrency(0..10, 3, jobs.start())
            .cancel_rest(true)
            .gather();
        jobs.take(1).1.errback("out");
        assert_eq!(
            testing::failure_of(all)
                .check::<FirstError>()
                .unwrap()
                .index,
            1
        );
    });
    assert_eq!(jobs.running(), [0, 2]);
    assert!(jobs.take(0).1.is_cancelled() && jobs.take(0).1.is_cancelled());
    assert!(reports.is_empty(), "{reports:?}");
}

#[test]
fn cancel_then_nothing_more_is_started() {
    let jobs = Jobs::default();
    let alive = Arc::new(());
    let kept = alive.clone();
    let items = (0..10).inspect(move |_| drop(kept.clone()));
    let reports = testing::capture_unhandled(|| {
        let all = map_with_concurrency(items, 2, jobs.start()).into_deferred();
        all.cancel_with("enough");
        let failure = testing::failure_of(all);
        assert!(failure.is_cancelled());
        assert!(std::error::Error::source(failure.error()).is_some());
    });
    assert_eq!(jobs.running(), [0, 1]);
    assert!(jobs.take(0).1.is_cancelled() && jobs.take(0).1.is_cancelled());
    assert_eq!(Arc::strong_count(&alive), 1, "the iterator is dropped");
    assert!(reports.is_empty(), "{reports:?}");
}

#[test]
fn function_cancels_its_own_map() {
    let handle = Arc::new(Mutex::new(None::<tokio_deferred::CancelHandle>));
    let of_map = handle.clone();
    let (start, started) = Deferred::new();
    let mut first = Some(started);
    let late = Arc::new(Mutex::new(None));
    let of_late = late.clone();
    let mut all = map_with_concurrency(0..10, 1, move |_: usize| {
        if let Some(first) = first.take() {
            return first;
        }
        of_map.lock().unwrap().take().unwrap().cancel();
        let (resolver, d) = Deferred::<()>::new();
        *of_late.lock().unwrap() = Some(resolver);
        d
    })
    .into_deferred();
    *handle.lock().unwrap() = Some(all.cancel_handle());
    start.callback(());
    assert!(testing::failure_of(all).is_cancelled());
    assert!(late.lock().unwrap().take().unwrap().is_cancelled());
}

#[test]
fn function_panics_then_its_item_fails() {
    let results = map_with_concurrency(0..3, 1, |n: usize| {
        assert!(n != 1, "not one");
        Ok(n)
    });
    let results = testing::success_of(results.into_deferred());
    assert!(results[1].as_ref().unwrap_err().is_panic());
    assert!(results[0].is_ok() && results[2].is_ok());
}

#[test]
fn iterator_panics_then_the_map_fails() {
    let jobs = Jobs::default();
    let items = (0..10).inspect(|n| assert!(*n < 2, "broken"));
    let all = map_with_concurrency(items, 2, jobs.start()).into_deferred();
    jobs.take(0).1.callback(0);
    assert!(testing::failure_of(all).is_panic());
    assert_eq!(jobs.running(), [1]);
    jobs.take(0).1.callback(1);
}

#[test]
fn limit_of_none_panics_at_once() {
    let made = catch_unwind(AssertUnwindSafe(|| {
        drop(map_with_concurrency(0..1, 0, Ok::<usize, Failure>));
    }));
    assert!(made.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tasks_on_threads_never_exceed_the_limit() {
    const ITEMS: usize = if cfg!(miri) { 50 } else { 5_000 };
    let (active, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let peak = most.clone();
    let all = map_with_concurrency(0..ITEMS, 7, move |n| {
        let (active, peak) = (active.clone(), peak.clone());
        Deferred::from_infallible(async move {
            peak.fetch_max(active.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            active.fetch_sub(1, Ordering::SeqCst);
            n
        })
    });
    assert_eq!(all.gather().await.unwrap(), (0..ITEMS).collect::<Vec<_>>());
    let most = most.load(Ordering::SeqCst);
    assert!((2..=7).contains(&most), "{most} at once");
}

/// Whoever makes room for an item, it is started in the span of the map.
#[test]
fn items_start_in_the_span_of_the_map_not_in_that_of_the_driver() {
    use tracing::{Span, info_span};
    use tracing_subscriber::Registry;

    fn current() -> &'static str {
        let span = Span::current();
        span.metadata().map_or("none", |metadata| metadata.name())
    }
    tracing::subscriber::with_default(Registry::default(), || {
        let jobs = Jobs::default();
        let mut start = jobs.start();
        let spans = Arc::new(Mutex::new(Vec::new()));
        let seen = spans.clone();
        let items = (0..3).inspect({
            let seen = spans.clone();
            move |_| seen.lock().unwrap().push(current())
        });
        let all = info_span!("map").in_scope(|| {
            let map = map_with_concurrency(items, 1, move |n| {
                seen.lock().unwrap().push(current());
                start(n)
            });
            map.gather()
        });
        for n in 0..3 {
            info_span!("driver").in_scope(|| {
                jobs.take(0).1.callback(n);
                assert_eq!(current(), "driver");
            });
        }
        assert_eq!(testing::success_of(all), [0, 1, 2]);
        assert_eq!(*spans.lock().unwrap(), ["map"; 6]);
    });
}
