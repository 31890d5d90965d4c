//! Stages in `tracing` spans, whose subscriber panics.

use super::chains::instead;
use crate::runs::runtime;
use crate::trial::{Kind::*, Trial};
use crate::user::Value;
use tokio_deferred::{Deferred, DeferredError};
use tracing::{Span, info_span};

/// Runs `f` in a span, whose making and leaving is the scenario's own.
fn within<R>(t: &Trial, span: &Option<Span>, f: impl FnOnce() -> R) -> R {
    let entered = t.own(|| span.as_ref().map(Span::enter));
    let result = f();
    t.own(|| drop(entered));
    result
}

pub(super) fn stages_in_spans(t: &Trial) {
    let one = t.own(|| info_span!("one"));
    let two = t.own(|| info_span!("two"));
    let (resolver, d) = Deferred::new();
    let (inner, awaited) = Deferred::new();
    let d = within(t, &one, || d.map(t.call(Callback, |value: Value| value)));
    let d = within(t, &two, || {
        d.add_callback(t.call(Callback, instead(awaited)))
            .map(t.call(Callback, |value: Value| value))
    });
    let d = d.map(t.call(Callback, |value: Value| value));
    t.watch(d);
    within(t, &one, || resolver.callback(t.value()));
    inner.callback(t.value());
    // Dropped with spans that no stage was run in.
    let (resolver, d) = Deferred::<Value>::new();
    let d = within(t, &two, || d.map(t.call(Callback, |value| value)));
    t.watch(d);
    drop(resolver);
    t.own(|| drop(one));
    t.own(|| drop(two));
}

pub(super) fn coroutine_in_a_span(t: &Trial) {
    let runtime = runtime(t);
    let span = t.own(|| info_span!("coroutine"));
    let (resolver, source) = Deferred::<Value>::new();
    let entered = runtime.enter();
    let d = within(t, &span, || {
        let d = Deferred::from_coroutine(t.work(async move {
            let value = source.await?;
            Ok::<_, DeferredError>(value)
        }));
        d.map(t.call(Callback, |value| value))
    });
    drop(entered);
    let d = t.noted(d);
    resolver.callback(t.value());
    let result = runtime.block_on(d);
    t.take(result);
    t.own(|| drop(span));
}
