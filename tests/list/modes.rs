//! What a list fires with, and what a cancel of it does.

use std::sync::{Arc, Mutex, OnceLock};
use tokio_deferred::{
    CancelHandle, Deferred, DeferredList, FailureGroup, FirstError, Resolver, gather_results,
    testing,
};

/// Unfired children, and what fires them.
fn pending<T: Send + 'static>(n: usize) -> (Vec<Resolver<T>>, Vec<Deferred<T>>) {
    (0..n).map(|_| Deferred::new()).unzip()
}

/// A value in place of each value, the text of the error in place of a failure.
fn texts<T: std::fmt::Display, E: std::fmt::Display>(results: Vec<Result<T, E>>) -> Vec<String> {
    let text = |result: Result<T, E>| match result {
        Ok(value) => value.to_string(),
        Err(error) => format!("! {error:#}"),
    };
    results.into_iter().map(text).collect()
}

#[test]
fn fire_last_child_first_then_results_in_input_order() {
    let (resolvers, children) = pending(4);
    let list = DeferredList::new(children).into_deferred();
    for (n, resolver) in resolvers.into_iter().enumerate().rev() {
        testing::assert_no_result(&list);
        if n == 2 {
            resolver.errback("two");
        } else {
            resolver.callback(n);
        }
    }
    assert_eq!(texts(testing::success_of(list)), ["0", "1", "! two", "3"]);
}

#[test]
fn ready_and_pending_children_mixed() {
    let (mut resolvers, mut children) = pending(1);
    children.insert(0, Deferred::succeed(0));
    children.push(Deferred::fail("two"));
    let list = DeferredList::new(children).into_deferred();
    testing::assert_no_result(&list);
    resolvers.remove(0).callback(1);
    assert_eq!(texts(testing::success_of(list)), ["0", "1", "! two"]);
}

#[test]
fn no_children() {
    let none = Vec::<Deferred<i32>>::new;
    assert!(testing::success_of(DeferredList::new(none()).into_deferred()).is_empty());
    assert!(testing::success_of(gather_results(none())).is_empty());
    let first = DeferredList::new(none()).fire_on_one_callback();
    let failure = testing::failure_of(first);
    assert!(failure.check::<FailureGroup>().unwrap().failures.is_empty());
}

#[test]
fn child_taken_by_an_await_then_listed() {
    let mut child = Deferred::succeed(1);
    assert_eq!(futures::executor::block_on(&mut child).unwrap(), 1);
    let results = testing::success_of(DeferredList::new([child]).into_deferred());
    assert!(
        results[0]
            .as_ref()
            .unwrap_err()
            .is::<tokio_deferred::AlreadyTaken>()
    );
}

#[test]
fn paused_child_holds_the_list_up() {
    let mut child = Deferred::succeed(1);
    let pause = child.pause();
    let list = gather_results([child, Deferred::succeed(2)]);
    testing::assert_no_result(&list);
    drop(pause);
    assert_eq!(testing::success_of(list), [1, 2]);
}

#[test]
fn first_errback_then_values_are_dropped() {
    let (mut resolvers, children) = pending(3);
    let value = Arc::new(());
    let list = DeferredList::new(children)
        .fire_on_one_errback(true)
        .into_deferred();
    resolvers.remove(0).callback(value.clone());
    resolvers.remove(0).errback("one");
    let failure = testing::failure_of(list);
    let first = failure.check::<FirstError>().unwrap();
    assert_eq!((first.index, first.failure.to_string()), (1, "one".into()));
    assert_eq!(Arc::strong_count(&value), 1);
    assert!(!resolvers[0].is_cancelled());
    resolvers.remove(0).callback(value.clone());
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn error_of_a_child_is_found_through_the_list() {
    let parsed = Deferred::succeed("x").add_callback(|s| Ok(s.parse::<i32>()?));
    let failure = testing::failure_of(gather_results([parsed]));
    assert!(failure.is::<std::num::ParseIntError>());
}

#[test]
fn first_callback_wins_over_earlier_failure() {
    let (mut resolvers, children) = pending(3);
    let first = DeferredList::new(children)
        .consume_errors(true)
        .fire_on_one_callback();
    resolvers.remove(0).errback("zero");
    testing::assert_no_result(&first);
    resolvers.remove(1).callback(2);
    assert_eq!(testing::success_of(first), (2, 2));
    assert!(!resolvers[0].is_cancelled());
}

#[test]
fn first_of_either_sort() {
    let list = |children| {
        DeferredList::<i32>::new(children)
            .fire_on_one_errback(true)
            .fire_on_one_callback()
    };
    let failed = list(vec![Deferred::fail("zero"), Deferred::succeed(1)]);
    assert_eq!(
        testing::failure_of(failed)
            .check::<FirstError>()
            .unwrap()
            .index,
        0
    );
    let won = list(vec![Deferred::succeed(1)]);
    assert_eq!(testing::success_of(won), (0, 1));
}

#[test]
fn all_fail_then_a_group_in_order() {
    let (mut resolvers, children) = pending::<()>(2);
    let first = DeferredList::new(children).fire_on_one_callback();
    resolvers.pop().unwrap().errback("one");
    resolvers.pop().unwrap().errback("zero");
    let failure = testing::failure_of(first);
    let failures = &failure.check::<FailureGroup>().unwrap().failures;
    let texts: Vec<_> = failures.iter().map(|f| f.to_string()).collect();
    assert_eq!(texts, ["zero", "one"]);
}

#[test]
fn cancel_rest_cancels_in_order_before_the_list_fires() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let note = |entry: &'static str| {
        let log = log.clone();
        move || log.lock().unwrap().push(entry)
    };
    let child = |name| {
        let note = note(name);
        let cancelled = move || {
            note();
            None
        };
        Deferred::<()>::with_canceller(cancelled)
    };
    let (_a, a) = child("a");
    let (b, failing) = child("b");
    let (_c, c) = child("c");
    let fired = note("list");
    let list = DeferredList::new([a, failing, c])
        .fire_on_one_errback(true)
        .cancel_rest(true)
        .into_deferred()
        .finally(fired);
    let reports = testing::capture_unhandled(|| b.errback("out"));
    assert_eq!(*log.lock().unwrap(), ["a", "c", "list"]);
    assert_eq!(
        testing::failure_of(list)
            .check::<FirstError>()
            .unwrap()
            .index,
        1
    );
    assert!(reports.is_empty(), "{reports:?}");
}

#[test]
fn cancel_reaches_every_child_and_nothing_else() {
    let (answer, a) = Deferred::with_canceller(|| Some(Ok(1)));
    let (_b, b) = Deferred::new();
    let (c, mut stubborn) = Deferred::with_canceller(|| Some(Ok(3)));
    let pause = stubborn.pause();
    let list = DeferredList::new([a, b, stubborn]).into_deferred();
    list.cancel_with("enough");
    assert!(answer.is_cancelled() && c.is_cancelled());
    testing::assert_no_result(&list);
    drop(pause);
    let results = testing::success_of(list);
    let reason = std::error::Error::source(results[1].as_ref().unwrap_err().failure().error());
    assert_eq!(reason.unwrap().to_string(), "enough");
    assert_eq!(texts(results), ["1", "! cancelled: enough", "3"]);
}

#[test]
fn cancel_of_a_gather_is_its_first_childs() {
    let (_resolvers, children) = pending::<()>(3);
    let reports = testing::capture_unhandled(|| {
        let all = gather_results(children);
        all.cancel();
        let failure = testing::failure_of(all);
        assert!(failure.is_cancelled());
        assert_eq!(failure.check::<FirstError>().unwrap().index, 0);
    });
    assert!(reports.is_empty(), "{reports:?}");
}

#[test]
fn cancel_inside_a_childs_callback() {
    let handle = Arc::new(OnceLock::<CancelHandle>::new());
    let of_list = handle.clone();
    let (resolver, running) = Deferred::new();
    let (other, pending) = Deferred::new();
    let running = running.map(move |n| {
        of_list.get().unwrap().cancel();
        n
    });
    let mut list = DeferredList::new([running, pending]).into_deferred();
    handle.set(list.cancel_handle()).unwrap();
    resolver.callback(7);
    assert!(other.is_cancelled());
    assert_eq!(texts(testing::success_of(list)), ["7", "! cancelled"]);
}

#[test]
fn list_of_lists() {
    let (mut resolvers, children) = pending(4);
    let mut children = children.into_iter();
    let rows: Vec<_> = (0..2)
        .map(|_| gather_results(children.by_ref().take(2)))
        .collect();
    let all = gather_results(rows);
    for value in [3, 2, 1, 0] {
        resolvers.pop().unwrap().callback(value);
    }
    assert_eq!(testing::success_of(all), [[0, 1], [2, 3]]);
}

#[tokio::test]
async fn awaited_as_a_future() {
    let (resolver, child) = Deferred::new();
    tokio::spawn(async move { resolver.callback(1) });
    let results = DeferredList::new([child]).await.unwrap();
    assert_eq!(texts(results), ["1"]);
}
