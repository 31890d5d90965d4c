//! Deferreds as futures, and futures as Deferreds.

use super::chains::instead;
use crate::runs::runtime;
use crate::trial::{Kind::*, Trial};
use crate::user::{Task, Value};
use std::task::Poll;
use tokio_deferred::{Deferred, DeferredError, inline_callbacks};

pub(super) fn poll_fire_poll(t: &Trial) {
    let task = Task::new(t);
    let (resolver, d) = Deferred::new();
    let mut d = t.noted(d.map(t.call(Callback, |value: Value| value)));
    assert!(task.poll(&mut d).is_pending());
    assert!(task.poll(&mut d).is_pending());
    resolver.callback(t.value());
    assert!(task.was_woken(), "the wake is lost");
    let Poll::Ready(result) = task.poll(&mut d) else {
        panic!("no result after the wake")
    };
    t.take(result);
}

pub(super) fn poll_with_another_waker_then_drop(t: &Trial) {
    let (one, two) = (Task::new(t), Task::new(t));
    let (resolver, d) = Deferred::new();
    let mut d = t.noted(d);
    assert!(one.poll(&mut d).is_pending());
    assert!(two.poll(&mut d).is_pending());
    // A stage after a poll: nobody is to be woken for the old end.
    let mut d = d.map(t.call(Callback, |value: Value| value));
    assert!(two.poll(&mut d).is_pending());
    drop(d);
    resolver.callback(t.value());
    assert!(!one.was_woken());

    let (resolver, d) = Deferred::new();
    let mut d = d.cancel_on_drop();
    assert!(one.poll(&mut d).is_pending());
    t.own(|| drop(d));
    resolver.callback(t.value());
    // It waits for another, and is woken once that has its result.
    let (outer, d) = Deferred::new();
    let (inner, awaited) = Deferred::new();
    let mut d = t.noted(d.add_callback(t.call(Callback, instead(awaited))));
    assert!(two.poll(&mut d).is_pending());
    outer.callback(t.value());
    inner.callback(t.value());
    assert!(two.was_woken(), "the wake is lost");
    let result = task_result(&two, &mut d);
    t.take(result);
}

fn task_result(task: &Task, d: &mut Deferred<Value>) -> Result<Value, DeferredError> {
    match task.poll(d) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("no result after the wake"),
    }
}

pub(super) fn await_the_cancel(t: &Trial) {
    let (one, two) = (Task::new(t), Task::new(t));
    let (mut resolver, d) = Deferred::<Value>::with_canceller(t.run(Canceller, || None));
    one.begin(resolver.cancelled());
    two.begin(resolver.cancelled());
    d.cancel();
    assert!(two.was_woken() || t.is_hit(), "the wake is lost");
    assert!(resolver.is_cancelled());
    t.watch(d);
    // A fire drops the waker.
    let (mut resolver, d) = Deferred::new();
    one.begin(resolver.cancelled());
    t.watch(d);
    resolver.callback(t.value());
}

pub(super) fn coroutine_that_waits(t: &Trial) {
    let runtime = runtime(t);
    let (resolver, source) = Deferred::new();
    let (later, second) = Deferred::<Value>::new();
    let kept = t.value();
    let d = runtime.block_on(async {
        let trial = t.clone();
        let d = Deferred::from_coroutine(t.work(async move {
            let value = source.await?;
            drop(kept);
            // A failure that is handled.
            let failed = trial.look_at(second.await).is_none();
            Ok::<_, DeferredError>((value, failed))
        }));
        resolver.callback(t.value());
        later.errback(t.oops());
        t.noted(d).await
    });
    t.own(|| drop(d));
    // Ready at the first poll.
    let value = t.value();
    t.watch(Deferred::from_infallible(t.work(async { value })));
}

pub(super) fn coroutine_that_is_cancelled(t: &Trial) {
    let runtime = runtime(t);
    runtime.block_on(async {
        let (_resolver, source) = Deferred::<Value>::with_canceller(t.run(Canceller, || None));
        let (more, second) = Deferred::<Value>::new();
        let (kept, trial) = (t.value(), t.clone());
        let mut d = Deferred::from_coroutine(t.work(async move {
            // It cleans up, and goes on.
            let failed = trial.look_at(source.await).is_none();
            let value = second.await;
            drop((kept, value));
            Ok::<_, DeferredError>(failed)
        }));
        let handle = d.cancel_handle();
        let d = t.noted(d);
        tokio::task::yield_now().await;
        handle.cancel_with(t.oops());
        tokio::task::yield_now().await;
        more.callback(t.value());
        let result = d.await;
        t.take(result);
    });
}

pub(super) fn coroutine_without_a_deferred_is_cancelled(t: &Trial) {
    let runtime = runtime(t);
    runtime.block_on(async {
        let kept = t.value();
        let mut d = Deferred::from_infallible(t.work(async move {
            std::future::pending::<()>().await;
            kept
        }));
        let handle = d.cancel_handle();
        let d = t.noted(d);
        tokio::task::yield_now().await;
        handle.cancel_with(t.oops());
        let result = d.await;
        t.take(result);
    });
}

pub(super) fn inline_callbacks_of_both_sorts(t: &Trial) {
    let runtime = runtime(t);
    #[inline_callbacks]
    async fn first(t: Trial, source: Deferred<Value>) -> Result<Value, DeferredError> {
        let kept = t.value();
        let value = source.await?;
        drop(kept);
        Ok(value)
    }
    let _entered = runtime.enter();
    let trial = t.clone();
    let second = inline_callbacks(move |source: Deferred<Value>| {
        let value = trial.value();
        trial.work(async move {
            source.await?;
            Ok::<_, DeferredError>(value)
        })
    });
    let (resolver, source) = Deferred::new();
    let d = second(first(t.clone(), source).map(t.call(Callback, |value: Value| value)));
    let d = t.noted(d);
    resolver.callback(t.value());
    let result = runtime.block_on(d);
    t.take(result);
}

pub(super) fn runtime_goes_away(t: &Trial) {
    let runtime = runtime(t);
    let (resolver, source) = Deferred::new();
    let kept = t.value();
    let entered = runtime.enter();
    let d = Deferred::from_coroutine(t.work(async move {
        let value: Value = source.await?;
        drop(kept);
        Ok::<_, DeferredError>(value)
    }));
    t.watch(d.map(t.call(Callback, |value| value)));
    drop(entered);
    drop(runtime);
    resolver.callback(t.value());
}
