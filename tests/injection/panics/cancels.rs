//! Cancels on one thread.

use super::chains::instead;
use crate::trial::{Kind::*, Trial};
use crate::user::Value;
use std::sync::{Arc, Mutex};
use tokio_deferred::{Deferred, Resolver};

pub(super) fn cancel_with_a_canceller(t: &Trial) {
    let value = t.value();
    let (mut resolver, mut d) = Deferred::with_canceller(t.run(Canceller, || Some(Ok(value))));
    resolver.on_cancel(t.run(OnCancel, || ()));
    resolver.on_cancel(t.run(OnCancel, || ()));
    let handle = d.cancel_handle();
    t.watch(d.map(t.call(Callback, |value: Value| value)));
    handle.cancel();
    handle.cancel();
    // After the cancel it runs at once.
    resolver.on_cancel(t.run(OnCancel, || ()));
    drop(resolver);

    let (resolver, mut d) = Deferred::<Value>::with_canceller(t.run(Canceller, || None));
    let handle = d.cancel_handle();
    t.watch(d);
    handle.cancel_with(t.oops());
    drop(resolver);

    let failed = t.oops();
    let canceller = t.run(Canceller, || Some(Err(failed.into())));
    let (resolver, d) = Deferred::<Value>::with_canceller(canceller);
    d.cancel_with(t.oops());
    t.watch(d);
    resolver.callback(t.value());
}

/// As Twisted's cancellers do: the result is there before its panic.
pub(super) fn canceller_that_fires(t: &Trial) {
    let place = Arc::new(Mutex::new(None));
    let (own, trial) = (place.clone(), t.clone());
    let canceller = t.run(Canceller, move || {
        let resolver: Option<Resolver<Value>> = own.lock().unwrap().take();
        resolver.into_iter().for_each(|r| r.callback(trial.value()));
        None
    });
    let (resolver, mut d) = Deferred::with_canceller(canceller);
    *place.lock().unwrap() = Some(resolver);
    let handle = d.cancel_handle();
    t.watch(d.map(t.call(Callback, |value: Value| value)));
    handle.cancel_with(t.oops());
    let resolver = place.lock().unwrap().take();
    drop(resolver);
}

pub(super) fn fire_what_has_a_canceller(t: &Trial) {
    let (mut resolver, d) = Deferred::with_canceller(t.run(Canceller, || None));
    resolver.on_cancel(t.run(OnCancel, || ()));
    resolver.on_cancel(t.run(OnCancel, || ()));
    t.watch(d.map(t.call(Callback, |value: Value| value)));
    resolver.callback(t.value());
    let (mut resolver, d) = Deferred::<Value>::new();
    resolver.on_cancel(t.run(OnCancel, || ()));
    t.watch(d);
    drop(resolver);
}

pub(super) fn cancel_what_is_waited_for(t: &Trial) {
    let (_inner, awaited) = Deferred::<Value>::with_canceller(t.run(Canceller, || None));
    let (outer, d) = Deferred::new();
    let mut d = d.add_callback(t.call(Callback, instead(awaited)));
    let handle = d.cancel_handle();
    t.watch(d.add_errback(t.call(Errback, Err)));
    outer.callback(t.value());
    handle.cancel();
    let other = Deferred::succeed(t.value());
    other.cancel_with(t.oops());
    t.watch(other);
}

pub(super) fn cancel_by_a_drop_and_by_handles(t: &Trial) {
    let (resolver, d) = Deferred::<Value>::with_canceller(t.run(Canceller, || None));
    drop(d.cancel_on_drop());
    drop(resolver);
    let (mut resolver, d) = Deferred::<Value>::new();
    resolver.on_cancel(t.run(OnCancel, || ()));
    let d = d.cancel_on_drop();
    let mut inner = d.into_inner();
    let (one, two) = (inner.cancel_handle(), inner.cancel_handle());
    t.watch(inner);
    one.cancel_with(t.oops());
    two.cancel_with(t.oops());
}

pub(super) fn fire_late(t: &Trial) {
    let (resolver, d) = Deferred::<Value>::new();
    d.cancel();
    t.watch(d);
    resolver.callback(t.value());
    let (resolver, d) = Deferred::<Value>::new();
    d.cancel();
    t.watch(d);
    resolver.errback(t.oops());
    let (resolver, d) = Deferred::<Value>::new();
    d.cancel();
    t.watch(d);
    let value = resolver.try_callback(t.value());
    t.own(|| drop(value));
    // The target is cancelled, its source goes on to no end.
    t.may_vanish(Callback);
    t.may_vanish(ClosureDrop);
    let (source, d) = Deferred::new();
    let (target, t_d) = Deferred::new();
    d.map(t.call(Callback, |value: Value| value))
        .chain_deferred(target);
    t_d.cancel();
    t.watch(t_d);
    source.callback(t.value());
}
