//! Several Deferreds as one, and one for several.

use crate::runs::runtime;
use crate::trial::{Kind::*, Trial};
use crate::user::Value;
use tokio_deferred::{Deferred, DeferredError, DeferredList, Resolver, gather_results, join};
use tokio_deferred::{map_with_concurrency, race};

type Pair = (Resolver<Value>, Deferred<Value>);

/// A pending one with a stage and a canceller.
fn pending(t: &Trial) -> Pair {
    let (resolver, d) = Deferred::with_canceller(t.run(Canceller, || None));
    (resolver, d.map(t.call(Callback, |value: Value| value)))
}

/// Looks at each of a list's results.
fn each(t: &Trial, d: Deferred<Vec<Result<Value, DeferredError>>>) -> Deferred<Vec<Value>> {
    let trial = t.clone();
    d.map(move |results| {
        let values = results.into_iter().map(|result| trial.look_at(result));
        values.flatten().collect()
    })
}

pub(super) fn gather(t: &Trial) {
    let ((one, a), (two, b)) = (pending(t), pending(t));
    t.watch(gather_results([a, Deferred::succeed(t.value()), b]));
    two.callback(t.value());
    one.callback(t.value());
    // The first failure is the failure; what the others come to is reported.
    let ((one, a), (two, b), (three, c)) = (pending(t), pending(t), pending(t));
    t.watch(gather_results([a, b, c]));
    one.callback(t.value());
    two.errback(t.oops());
    three.errback(t.oops());
    // Nobody sees it.
    let ((one, a), (two, b)) = (pending(t), pending(t));
    drop(gather_results([a, b]));
    one.callback(t.value());
    two.callback(t.value());
}

/// What is ready is dealt with on the thread that puts it together.
pub(super) fn ready_ones(t: &Trial) {
    let value = || Deferred::succeed(t.value());
    let failed = || Deferred::<Value>::fail(t.oops());
    t.watch(gather_results([value(), value()]));
    t.watch(gather_results([value(), failed(), value(), failed()]));
    let list = DeferredList::new([failed(), value(), value()]);
    t.watch(list.fire_on_one_callback());
    t.watch(join((value(), failed())));
    t.watch(race([value(), value()]));
    drop(gather_results([value(), value()]));
    drop(race([value()]));
    let f = t.calls(|item: Deferred<Value>| item);
    t.watch(map_with_concurrency([value(), failed(), value()], 1, f).gather());
    t.watch(value().share().subscribe());
}

pub(super) fn list_of_failures(t: &Trial) {
    let ((one, a), (two, b)) = (pending(t), pending(t));
    let items = t.items([a, b, Deferred::fail(t.oops())]);
    // The iterator is the caller's, on the caller's thread.
    if let Some(list) = t.own(|| DeferredList::new(items)) {
        t.watch(each(t, list.into_deferred()));
    }
    one.errback(t.oops());
    two.callback(t.value());
    let ((one, a), (two, b)) = (pending(t), pending(t));
    let list = DeferredList::new([a, b]).cancel_rest(true);
    t.watch(each(t, list.fire_on_one_errback(true).into_deferred()));
    one.errback(t.oops());
    two.callback(t.value());
    let ((one, a), (_two, b)) = (pending(t), pending(t));
    let d = DeferredList::new([a, b]).into_deferred();
    one.callback(t.value());
    d.cancel_with(t.oops());
    t.watch(each(t, d));
}

pub(super) fn races(t: &Trial) {
    // What becomes of the others is not reported.
    for kind in [Canceller, ClosureDrop, Callback] {
        t.may_vanish(kind);
    }
    let ((_one, a), (two, b), (three, c)) = (pending(t), pending(t), pending(t));
    t.watch(race([a, b, c]));
    three.errback(t.oops());
    two.callback(t.value());
    let ((one, a), (two, b)) = (pending(t), pending(t));
    t.watch(race([a, b]));
    one.errback(t.oops());
    two.errback(t.oops());
    let ((_one, a), (_two, b)) = (pending(t), pending(t));
    let d = race([a, b]);
    d.cancel();
    t.watch(d);
}

pub(super) fn join_of_different_types(t: &Trial) {
    let ((one, a), (two, b)) = (pending(t), pending(t));
    t.watch(join((a, b.map(|value| (value, 1)))));
    one.callback(t.value());
    two.callback(t.value());
    let ((one, a), (two, b)) = (pending(t), pending(t));
    t.watch(join((a, b)));
    one.callback(t.value());
    two.errback(t.oops());
    let ((_one, a), (two, b)) = (pending(t), pending(t));
    let d = join((a, b));
    d.cancel();
    t.watch(d);
    two.callback(t.value());
}

pub(super) fn share_among_three(t: &Trial) {
    let (resolver, d) = pending(t);
    let shared = d.share();
    let (one, two, three) = (shared.subscribe(), shared.subscribe(), shared.subscribe());
    t.watch(one.map(t.call(Callback, |value| value)));
    two.cancel();
    t.watch(two);
    drop(shared.subscribe());
    let again = shared.clone();
    let trial = t.clone();
    t.watch(three.add_callback(t.call(Callback, move |value| {
        trial.watch(again.subscribe());
        Ok(value)
    })));
    resolver.callback(t.value());
    t.watch(shared.subscribe());
    drop(shared);
    // All are gone by cancelling.
    let (resolver, d) = pending(t);
    let shared = d.share();
    let (one, two) = (shared.subscribe(), shared.subscribe());
    one.cancel();
    two.cancel_with(t.oops());
    t.watch(one);
    t.watch(two);
    assert!(resolver.is_cancelled());
    // A failure that nobody got.
    drop(Deferred::<Value>::fail(t.oops()).share());
}

pub(super) fn map_over_items(t: &Trial) {
    let ((one, a), (two, b)) = (pending(t), pending(t));
    let trial = t.clone();
    let f = t.calls(move |item: Option<Deferred<Value>>| {
        item.unwrap_or_else(|| Deferred::succeed(trial.value()))
    });
    let items = t.items([Some(a), None, Some(b), None]);
    t.watch(each(t, map_with_concurrency(items, 1, f).into_deferred()));
    one.callback(t.value());
    two.callback(t.value());
    let ((_one, a), (_two, b)) = (pending(t), pending(t));
    let f = t.calls(|item: Deferred<Value>| item);
    let d = map_with_concurrency(t.items([a, b]), 1, f).gather();
    d.cancel();
    t.watch(d);
}

pub(super) fn spawn_tasks(t: &Trial) {
    // Of a task that was cancelled: its Deferred has failed before.
    t.may_vanish(FutureDrop);
    let runtime = runtime(t);
    runtime.block_on(async {
        let works = [(); 2].map(|()| {
            let value = t.value();
            t.work(async move {
                tokio::task::yield_now().await;
                value
            })
        });
        let list = t.noted(each(t, DeferredList::spawn(works).into_deferred()));
        let result = list.await;
        t.take(result);
        let works = [(); 2].map(|()| t.work(std::future::pending::<Value>()));
        let d = DeferredList::spawn(works).into_deferred();
        tokio::task::yield_now().await;
        d.cancel();
        let result = t.noted(each(t, d)).await;
        t.take(result);
    });
}
