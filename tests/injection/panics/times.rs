//! Timers, loops and other runtimes, with the clock paused.

use crate::runs::runtime;
use crate::trial::{Kind::*, Trial};
use crate::user::Value;
use std::ops::ControlFlow::{Break, Continue};
use std::time::Duration;
use tokio::task::yield_now;
use tokio::time::sleep;
use tokio_deferred::task::{Cooperator, LoopingCall, defer_later, iterate};
use tokio_deferred::{Deferred, DeferredError, DeferredList, Failure, task};

const SECOND: Duration = Duration::from_secs(1);

/// A function for a timeout, which answers with another value.
fn instead_of(
    t: &Trial,
) -> impl FnOnce(Result<Value, Failure>) -> Result<Value, Failure> + Send + 'static {
    let (value, trial) = (t.value(), t.clone());
    t.call(Callback, move |result: Result<Value, Failure>| {
        drop(trial.look_at(result.map_err(DeferredError::from)));
        Ok(value)
    })
}

pub(super) fn timeouts(t: &Trial) {
    runtime(t).block_on(async {
        let (in_time, d) = Deferred::with_canceller(t.run(Canceller, || None));
        t.watch(
            d.add_timeout(SECOND)
                .map(t.call(Callback, |value: Value| value)),
        );
        in_time.callback(t.value());
        let (_late, d) = Deferred::<Value>::with_canceller(t.run(Canceller, || None));
        t.watch(d.add_timeout(SECOND));
        let (_late, d) = Deferred::<Value>::with_canceller(t.run(Canceller, || None));
        let f = instead_of(t);
        t.watch(d.add_timeout_with(SECOND, f));
        let (in_time, d) = Deferred::<Value>::new();
        let f = instead_of(t);
        t.watch(d.add_timeout_with(SECOND, f));
        in_time.callback(t.value());
        sleep(SECOND * 2).await;
    });
    // Without a runtime.
    let (_resolver, d) = Deferred::<Value>::with_canceller(t.run(Canceller, || None));
    t.watch(d.add_timeout_with(SECOND, instead_of(t)));
    // With one that goes away.
    let runtime = runtime(t);
    let entered = runtime.enter();
    let (_resolver, d) = Deferred::<Value>::with_canceller(t.run(Canceller, || None));
    t.watch(d.add_timeout_with(SECOND, instead_of(t)));
    drop(entered);
    drop(runtime);
}

pub(super) fn cancel_when(t: &Trial) {
    runtime(t).block_on(async {
        let (signal, when) = Deferred::<Value>::new();
        let (_resolver, d) = Deferred::<Value>::with_canceller(t.run(Canceller, || None));
        let trial = t.clone();
        let signal_of = t.work(async move {
            let value = trial.look_at(when.await);
            drop(value);
        });
        let d = t.noted(d.cancel_when(signal_of));
        yield_now().await;
        signal.callback(t.value());
        let result = d.await;
        t.take(result);
        // The result is first.
        let (resolver, d) = Deferred::<Value>::new();
        let d = d.cancel_when(t.work(std::future::pending()));
        yield_now().await;
        resolver.callback(t.value());
        let result = t.noted(d).await;
        t.take(result);
        yield_now().await;
    });
}

pub(super) fn later(t: &Trial) {
    runtime(t).block_on(async {
        let value = t.value();
        let d = defer_later(SECOND, t.run(Callback, move || Ok(value)));
        let stopped = defer_later(SECOND, t.run(Callback, || Ok(())));
        let dropped = defer_later(SECOND, t.run(Callback, || Ok(())));
        let (_inner, waits) = Deferred::<Value>::with_canceller(t.run(Canceller, || None));
        let waits = defer_later(SECOND, t.run(Callback, move || waits));
        stopped.cancel_with(t.oops());
        t.watch(stopped);
        drop(dropped);
        let result = t.noted(d).await;
        t.take(result);
        sleep(SECOND).await;
        waits.cancel();
        t.watch(waits);
    });
    let runtime = runtime(t);
    let entered = runtime.enter();
    t.watch(defer_later(SECOND, t.run(Callback, || Ok(()))));
    drop(entered);
    drop(runtime);
    t.watch(defer_later(SECOND, t.run(Callback, || Ok(()))));
}

pub(super) fn looping_call(t: &Trial) {
    runtime(t).block_on(async {
        let trial = t.clone();
        let call = LoopingCall::new({
            let mut f = t.calls(move |()| {
                let value = trial.value();
                defer_later(SECOND / 4, trial.run(Callback, move || drop(value)))
            });
            move || f(())
        });
        let ended = t.noted(call.start(SECOND));
        sleep(SECOND * 3 / 2).await;
        call.reset();
        call.stop();
        let result = ended.await;
        t.take(result);
        t.own(|| drop(call));
        // By a cancel, while the call waits.
        let (_inner, waits) = Deferred::<()>::with_canceller(t.run(Canceller, || None));
        let mut waits = Some(waits);
        let call = LoopingCall::with_count(t.calls(move |_: u64| waits.take().unwrap()));
        let ended = call.start_later(SECOND);
        sleep(SECOND * 3 / 2).await;
        ended.cancel_with(t.oops());
        let result = t.noted(ended).await;
        t.take(result);
        t.own(|| drop(call));
        // One that never runs.
        let call = LoopingCall::new(|| ());
        t.own(|| drop(call));
    });
}

pub(super) fn cooperator(t: &Trial) {
    runtime(t).block_on(async {
        let values = [t.value(), t.value(), t.value()];
        let task = task::cooperate(t.items(values).map(drop));
        let (one, two) = (task.when_done(), task.when_done());
        drop(task.when_done());
        two.cancel();
        t.watch(two);
        let _ = t.noted(one).await;
        t.watch(task.when_done());
        let (resolver, waits) = Deferred::<Value>::new();
        let values = t.value();
        let waits = waits.map(|value| drop((value, values)));
        let cooperator = Cooperator::new();
        let d = cooperator.coiterate(t.items([waits]));
        yield_now().await;
        yield_now().await;
        resolver.callback(t.value());
        let _ = t.noted(d).await;
        // Stopped while it has steps.
        let stopped = cooperator.cooperate(t.items(std::iter::repeat(())));
        yield_now().await;
        t.watch(stopped.when_done());
        let _ = stopped.stop();
        let d = cooperator.coiterate(t.items(std::iter::repeat(())));
        t.watch(d);
        cooperator.stop();
        yield_now().await;
        yield_now().await;
    });
}

pub(super) fn without_a_runtime(t: &Trial) {
    let kept = t.value();
    let pending = t.work(async move {
        std::future::pending::<()>().await;
        drop(kept);
    });
    t.watch(Deferred::from_infallible(pending));
    let (_resolver, d) = Deferred::<Value>::with_canceller(t.run(Canceller, || None));
    t.watch(d.cancel_when(t.work(std::future::pending())));
    let (resolver, d) = Deferred::<Value>::new();
    resolver.callback(t.value());
    t.watch(d.cancel_when(t.work(std::future::pending())));
    let task = task::cooperate(t.items([t.value()]).map(drop));
    t.watch(task.when_done());
    drop(task);
    let works = [t.value(), t.value()].map(|value| t.work(async { value }));
    let list = DeferredList::spawn(works).fire_on_one_errback(true);
    t.watch(list.into_deferred());
    let call = LoopingCall::new({
        let mut f = t.calls(|()| ());
        move || f(())
    });
    t.watch(call.start(SECOND));
    t.own(|| drop(call));
}

pub(super) fn iterated(t: &Trial) {
    let (one, first) = Deferred::<Value>::new();
    let (two, second) = Deferred::<Value>::new();
    let mut waits = vec![second, first];
    let d = iterate(
        t.value(),
        t.calls(move |state: Value| match waits.pop() {
            Some(d) => d.map(move |value| {
                drop(state);
                Continue(value)
            }),
            None => Deferred::succeed(Break(state)),
        }),
    );
    t.watch(d);
    one.callback(t.value());
    two.callback(t.value());
    let mut turns = 0;
    let d = iterate(
        t.value(),
        t.calls(move |state: Value| {
            turns += 1;
            if turns == 3 {
                return Break(state);
            }
            let next = state.clone();
            drop(state);
            Continue(next)
        }),
    );
    t.watch(d);
}

pub(super) fn via(t: &Trial) {
    let runtime = runtime(t);
    let (resolver, d) = Deferred::new();
    let d = d
        .map(t.call(Callback, |value: Value| value))
        .via(runtime.handle());
    let d = t.noted(d.map(t.call(Callback, |value| value)));
    resolver.callback(t.value());
    let result = runtime.block_on(d);
    t.take(result);
    let (resolver, d) = Deferred::new();
    let d = d
        .via(runtime.handle())
        .map(t.call(Callback, |value: Value| value));
    t.watch(d);
    resolver.callback(t.value());
    drop(runtime);
}
