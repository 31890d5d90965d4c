//! Stages run in the span that was current when they were added.

use crate::support::{Later, Log};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_deferred::{Deferred, testing};
use tracing::{Id, Span, Subscriber, info_span};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::{Registry, registry::LookupSpan};

fn note(log: &Log) -> impl FnOnce(()) + Send + 'static + use<> {
    let log = log.clone();
    move |()| {
        let span = Span::current();
        log.add(span.metadata().map_or("none", |m| m.name()));
    }
}

/// Those that were added in none run in whichever the thread is in that fires.
#[test]
fn each_stage_is_in_the_span_it_was_added_in() {
    tracing::subscriber::with_default(Registry::default(), || {
        let log = Log::default();
        let (resolver, d) = Deferred::new();
        let d = d.map(note(&log));
        let d = info_span!("one").in_scope(|| d.map(note(&log)).map(note(&log)));
        let d = info_span!("two").in_scope(|| d.map(note(&log)));
        let d = d.map(note(&log));
        info_span!("firing").in_scope(|| {
            resolver.callback(());
            assert_eq!(Span::current().metadata().unwrap().name(), "firing");
        });
        assert_eq!(log.all(), ["firing", "one", "one", "two", "firing"]);
        testing::success_of(d);
    });
}

#[test]
fn the_span_is_kept_over_a_wait() {
    tracing::subscriber::with_default(Registry::default(), || {
        let log = Log::default();
        let (resolver, d) = Deferred::new();
        let (inner, returned) = Deferred::<()>::new();
        let d = info_span!("one").in_scope(|| d.add_callback(move |()| returned).map(note(&log)));
        resolver.callback(());
        let d = info_span!("one again").in_scope(|| d.map(note(&log)));
        info_span!("firing").in_scope(|| inner.callback(()));
        assert_eq!(log.all(), ["one", "one again"]);
        testing::success_of(d);
    });
}

#[test]
fn the_span_is_left_when_the_fire_returns_also_behind_a_stage_that_pauses() {
    tracing::subscriber::with_default(Registry::default(), || {
        for pauses in [false, true] {
            let own = Later::<Deferred<()>>::new();
            let pause = Later::new();
            let (mine, out) = (own.clone(), pause.clone());
            let (resolver, d) = Deferred::<()>::new();
            let d = info_span!("one").in_scope(|| {
                d.map(move |()| {
                    let mut d = mine.take();
                    out.put(pauses.then(|| d.pause()));
                    mine.put(d);
                })
                .map(|()| ())
            });
            own.put(d);
            resolver.callback(());
            assert!(Span::current().is_none(), "{pauses}");
            drop(pause.take());
            testing::success_of(own.take());
        }
    });
}

#[test]
fn the_span_is_kept_from_run_to_run_until_another_one_is_current() {
    tracing::subscriber::with_default(Registry::default(), || {
        let log = Log::default();
        let one = info_span!("one");
        let (resolver, d) = Deferred::new();
        let d = one.in_scope(|| d.map(note(&log)));
        info_span!("firing").in_scope(|| resolver.callback(()));
        let mut d = Some(d);
        let mut added_paused = |span: &Span| {
            let pause = d.as_mut().map(Deferred::pause);
            d = d.take().map(|d| span.in_scope(|| d.map(note(&log))));
            info_span!("unpausing").in_scope(|| drop(pause));
        };
        added_paused(&one);
        added_paused(&Span::none());
        added_paused(&one);
        added_paused(&one);
        assert_eq!(log.all(), ["one", "one", "unpausing", "one", "one"]);
    });
}

/// Panics once when a span is left, after it was told to.
#[derive(Clone, Default)]
struct PanicAtExit(Arc<AtomicBool>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for PanicAtExit {
    fn on_exit(&self, _: &Id, _: Context<'_, S>) {
        let panics = self.0.swap(false, Ordering::Relaxed);
        assert!(!panics, "the subscriber's own");
    }
}

#[test]
fn a_subscriber_panics_when_the_span_is_left_then_later_stages_are_in_it() {
    let panics = PanicAtExit::default();
    tracing::subscriber::with_default(Registry::default().with(panics.clone()), || {
        let log = Log::default();
        let one = info_span!("one");
        let (resolver, d) = Deferred::new();
        let (inner, returned) = Deferred::<()>::new();
        let mut d = one.in_scope(|| {
            d.map(note(&log))
                .add_callback(move |()| returned)
                .map(note(&log))
        });
        panics.0.store(true, Ordering::Relaxed);
        resolver.callback(());
        assert!(!panics.0.load(Ordering::Relaxed), "it was left");
        inner.callback(());
        let pause = d.pause();
        let d = one.in_scope(|| d.map(note(&log)));
        drop(pause);
        assert_eq!(log.all(), ["one", "one", "one"]);
        testing::success_of(d);
    });
}
