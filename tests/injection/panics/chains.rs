//! Chains on one thread.

use crate::trial::{Kind::*, Trial};
use crate::user::{Oops, Value};
use tokio_deferred::{Deferred, Failure};

/// A callback that returns `d`.
pub(super) fn instead(d: Deferred<Value>) -> impl FnOnce(Value) -> Deferred<Value> {
    move |value| {
        // Before there is something to return, as in `Trial::call`.
        drop(value);
        d
    }
}

/// Every sort of stage.
fn stages(t: &Trial, d: Deferred<Value>) -> Deferred<Value> {
    let trial = t.clone();
    d.add_callback(t.call(Callback, Ok))
        .add_errback(t.call(Errback, Err))
        .add_callbacks(
            t.call(Callback, |value: Value| {
                let copy = value.clone();
                drop(value);
                Ok(copy)
            }),
            t.call(Errback, Err),
        )
        .add_both(t.call(Callback, |result| result))
        .map(t.call(Callback, move |value| {
            drop(value);
            trial.value()
        }))
        .finally(t.run(Callback, || ()))
        .inspect_failure(t.look())
        .label("a chain")
}

pub(super) fn fire_a_chain_of_every_stage(t: &Trial) {
    let (resolver, d) = Deferred::new();
    let d = stages(t, d);
    t.watch(d);
    resolver.callback(t.value());
}

pub(super) fn fail_a_chain_of_every_stage(t: &Trial) {
    let (resolver, d) = Deferred::new();
    let value = t.value();
    let d = stages(t, d).add_errback(t.call(Errback, move |failure: Failure| {
        failure.trap::<Oops>()?;
        Ok(value)
    }));
    t.watch(d);
    resolver.errback(t.oops());
}

pub(super) fn add_to_fired_ones(t: &Trial) {
    t.watch(stages(t, Deferred::succeed(t.value())));
    t.watch(stages(t, Deferred::fail(t.oops())));
    // With something beside the result: an anchor.
    let mut d = Deferred::succeed(t.value());
    let handle = d.cancel_handle();
    t.watch(stages(t, d));
    handle.cancel();
}

pub(super) fn wait_for_returned_ones(t: &Trial) {
    let (outer, d) = Deferred::new();
    let (inner, awaited) = Deferred::new();
    let (innermost, last) = Deferred::new();
    let last = last.map(t.call(Callback, |value: Value| value));
    let d = d
        .add_callback(t.call(Callback, instead(awaited)))
        .map(t.call(Callback, |value: Value| value));
    t.watch(d);
    outer.callback(t.value());
    // What is waited for waits in turn.
    let (returned, middle) = Deferred::new();
    t.watch(middle.add_callback(t.call(Callback, instead(last))));
    returned.callback(t.value());
    inner.callback(t.value());
    innermost.callback(t.value());
}

pub(super) fn link_and_flatten(t: &Trial) {
    let (first, one) = Deferred::new();
    let (second, two) = Deferred::new();
    one.map(t.call(Callback, |value: Value| value))
        .chain_deferred(second);
    t.watch(two.map(t.call(Callback, |value: Value| value)));
    first.callback(t.value());

    let (outer, nested) = Deferred::new();
    let (inner, d) = Deferred::new();
    t.watch(nested.flatten());
    outer.callback(d.map(t.call(Callback, |value: Value| value)));
    inner.callback(t.value());

    let (third, three) = Deferred::<Value>::new();
    t.watch(three);
    third.fire_from(Deferred::fail(t.oops()));
}

pub(super) fn pause_and_unpause(t: &Trial) {
    let (resolver, mut d) = Deferred::new();
    let (one, two) = (d.pause(), d.pause());
    t.watch(d.map(t.call(Callback, |value: Value| value)));
    resolver.callback(t.value());
    drop(one);
    two.unpause();

    let mut ready = Deferred::succeed(t.value());
    let pause = ready.pause();
    t.watch(ready.map(t.call(Callback, |value: Value| value)));
    drop(pause);

    let mut dropped = Deferred::succeed(t.value());
    let pause = dropped.pause();
    drop(dropped);
    drop(pause);
}

pub(super) fn drop_the_halves(t: &Trial) {
    // The resolver, with stages.
    let (resolver, d) = Deferred::<Value>::new();
    t.watch(d.map(t.call(Callback, |value| value)));
    drop(resolver);
    // The Deferred: before and after the fire.
    let (resolver, d) = Deferred::new();
    drop(d);
    resolver.callback(t.value());
    let (resolver, d) = Deferred::new();
    resolver.callback(t.value());
    drop(d);
    drop(Deferred::succeed(t.value()));
    let (resolver, d) = Deferred::new();
    drop(d);
    // The value is the scenario's again.
    let value = resolver.try_callback(t.value());
    t.own(|| drop(value));
    // A resolver that a closure owns which never runs.
    let (resolver, d) = Deferred::<Value>::new();
    t.watch(d);
    let owner = t.call(Errback, move |failure| {
        drop(resolver);
        Err(failure)
    });
    t.watch(Deferred::succeed(t.value()).add_errback(owner));
}

pub(super) fn split_and_register(t: &Trial) {
    let (resolver, d) = Deferred::new();
    let (ok, err) = resolver.into_callbacks();
    t.watch(d.map(t.call(Callback, |value: Value| value)));
    ok(t.value());
    // Not used: the error is the caller's, but the drop of it is not.
    t.own(|| err(t.oops()));

    let value = t.value();
    let register = t.call(Callback, |resolver: tokio_deferred::Resolver<Value>| {
        resolver.callback(value);
    });
    t.watch(Deferred::from_callback(register));
    let (value, start) = (t.value(), t.oops());
    t.watch(Deferred::maybe(t.run(Callback, move || Ok(value))));
    t.watch(Deferred::<Value>::maybe(
        t.run(Callback, move || Err(start.into())),
    ));
}

pub(super) fn unhandled(t: &Trial) {
    drop(Deferred::<Value>::fail(t.oops()));
    let (resolver, d) = Deferred::<Value>::new();
    drop(d.map(t.call(Callback, |value| value)));
    resolver.errback(t.oops());
    Deferred::<Value>::fail(t.oops()).log_errors();
    let (resolver, mut d) = Deferred::<Value>::new();
    let pause = d.pause();
    resolver.errback(t.oops());
    drop(d);
    drop(pause);
}
