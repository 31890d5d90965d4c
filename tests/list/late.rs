//! What comes after a list fired, and values that panic.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tokio_deferred::{Deferred, DeferredList, gather_results, testing};

fn reported(f: impl FnOnce()) -> Vec<String> {
    let reports = testing::capture_unhandled(f);
    let text = |report: &tokio_deferred::Unhandled| report.failure().to_string();
    reports.iter().map(text).collect()
}

#[test]
fn failure_after_the_first_is_reported_once() {
    let reports = reported(|| {
        let (resolver, late) = Deferred::<i32>::new();
        let all = gather_results([late, Deferred::fail("first"), Deferred::fail("second")]);
        assert!(testing::failure_of(all).is::<tokio_deferred::FirstError>());
        resolver.errback("late");
    });
    assert_eq!(reports, ["second", "late"]);
}

#[test]
fn failure_before_the_first_value_is_reported_when_it_comes() {
    let (resolver, late) = Deferred::new();
    let first = DeferredList::new([Deferred::fail("early"), late]).fire_on_one_callback();
    assert_eq!(reported(|| resolver.callback(1)), ["early"]);
    assert_eq!(testing::success_of(first), (1, 1));
}

#[test]
fn consumed_failures_are_not_reported() {
    let reports = reported(|| {
        let (resolver, late) = Deferred::<i32>::new();
        let first = DeferredList::new([Deferred::fail("early"), Deferred::succeed(1), late])
            .consume_errors(true)
            .fire_on_one_callback();
        assert_eq!(testing::success_of(first), (1, 1));
        resolver.errback("late");
    });
    assert_eq!(reports, [""; 0]);
}

#[test]
fn failures_in_the_result_are_not_reported() {
    let reports = reported(|| {
        let list = DeferredList::<()>::new([Deferred::fail("in the list")]);
        assert!(testing::success_of(list.into_deferred())[0].is_err());
    });
    assert_eq!(reports, [""; 0]);
}

#[test]
fn drop_list_then_child_fails() {
    let (resolver, child) = Deferred::<i32>::new();
    drop(DeferredList::new([child, Deferred::succeed(1)]).into_deferred());
    assert_eq!(reported(|| resolver.errback("unseen")), ["unseen"]);

    let (resolver, child) = Deferred::<i32>::new();
    let consuming = DeferredList::new([child]).consume_errors(true);
    drop(consuming.into_deferred());
    assert_eq!(reported(|| resolver.errback("unseen")), [""; 0]);
}

#[test]
fn drop_list_of_which_a_stage_sees_the_result() {
    let (resolver, child) = Deferred::<i32>::new();
    let seen = Arc::new(std::sync::Mutex::new(0));
    let count = seen.clone();
    drop(
        DeferredList::new([child])
            .into_deferred()
            .map(move |results| *count.lock().unwrap() = results.len()),
    );
    assert_eq!(reported(|| resolver.errback("seen")), [""; 0]);
    assert_eq!(*seen.lock().unwrap(), 1);
}

/// A value whose drop panics, and says by the count whether it came.
struct Sore {
    _alive: Arc<()>,
}

impl Drop for Sore {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("dropped");
        }
    }
}

#[test]
fn values_whose_drops_panic_then_failure() {
    let alive = Arc::new(());
    let sore = || {
        Deferred::succeed(Sore {
            _alive: alive.clone(),
        })
    };
    let (resolver, failing) = Deferred::new();
    let all = gather_results([sore(), sore(), sore(), failing]);
    let fired = catch_unwind(AssertUnwindSafe(|| resolver.errback("out")));
    assert!(fired.is_ok());
    assert_eq!(
        format!("{:#}", testing::failure_of(all)),
        "Deferred number 3 failed: out"
    );
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[test]
fn unseen_values_whose_drops_panic() {
    let alive = Arc::new(());
    let (resolver, child) = Deferred::new();
    drop(gather_results([
        Deferred::succeed(Sore {
            _alive: alive.clone(),
        }),
        child,
    ]));
    let value = Sore {
        _alive: alive.clone(),
    };
    assert!(catch_unwind(AssertUnwindSafe(|| resolver.callback(value))).is_ok());
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[test]
fn iterator_panics_then_children_are_detached() {
    let (resolver, child) = Deferred::<i32>::new();
    let mut children = Some(child);
    let broken = std::iter::from_fn(move || match children.take() {
        Some(child) => Some(child),
        None => panic!("no more"),
    });
    assert!(catch_unwind(AssertUnwindSafe(|| gather_results(broken))).is_err());
    assert_eq!(resolver.try_callback(1), Err(1));
}
