//! Stages run in the span that was current when they were added.

use futures::FutureExt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use test_support::{Later, Log};
use tokio_deferred::{Deferred, Resolver, testing};
use tracing::span::Attributes;
use tracing::{Dispatch, Id, Span, Subscriber, info_span};
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

/// As stages are: in the span that was current when the coroutine began.
#[test]
fn later_polls_of_a_coroutine_are_in_the_span_it_began_in() {
    tracing::subscriber::with_default(Registry::default(), || {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.unwrap();
        for is_task in [false, true] {
            let log = Log::default();
            let (resolver, awaited) = Deferred::<()>::new();
            let (one, two) = (note(&log), note(&log));
            let body = async move {
                one(());
                awaited.await?;
                two(());
                Ok::<_, tokio_deferred::DeferredError>(())
            };
            let d = info_span!("beginning").in_scope(|| {
                if is_task {
                    Deferred::from_coroutine_on(runtime.handle(), body)
                } else {
                    Deferred::from_coroutine(body)
                }
            });
            info_span!("firing").in_scope(|| {
                resolver.callback(());
                assert_eq!(Span::current().metadata().unwrap().name(), "firing");
            });
            runtime.block_on(d).unwrap();
            assert_eq!(log.all(), ["beginning", "beginning"], "{is_task}");
        }
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

/// Counts the spans that are open.
#[derive(Clone, Default)]
struct Open(Arc<AtomicUsize>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Open {
    fn on_new_span(&self, _: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn on_close(&self, _: Id, _: Context<'_, S>) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Calls `f` with what counts the open spans.
fn counting(f: impl FnOnce(&dyn Fn() -> usize)) {
    let open = Open::default();
    tracing::subscriber::with_default(Registry::default().with(open.clone()), || {
        f(&|| open.0.load(Ordering::Relaxed));
    });
}

/// A Deferred with two stages in a span that only the chain has.
fn in_a_span() -> (Resolver<()>, Deferred<()>) {
    let (resolver, d) = Deferred::new();
    let d = info_span!("request").in_scope(|| d.map(|()| ()).map(|()| ()));
    (resolver, d)
}

#[test]
fn fired_and_taken_while_a_handle_is_kept_then_the_span_is_closed() {
    type End = fn(Deferred<()>);
    let ends: [(&str, End); 6] = [
        ("taken", testing::success_of),
        ("dropped", drop),
        ("logged", Deferred::log_errors),
        ("chained", |d| {
            let (resolver, target) = Deferred::new();
            d.chain_deferred(resolver);
            drop(target);
        }),
        ("returned", |d| {
            drop(Deferred::succeed(()).add_callback(|()| d))
        }),
        ("awaited", |mut d| {
            (&mut d).now_or_never().expect("fired").expect("a value");
        }),
    ];
    for (name, end) in ends {
        let needs_the_result = ["taken", "awaited"].contains(&name);
        for fired_first in [true, needs_the_result] {
            counting(|open| {
                let (resolver, mut d) = in_a_span();
                let handle = d.cancel_handle();
                assert_eq!(open(), 1);
                if fired_first {
                    resolver.callback(());
                    end(d);
                } else {
                    end(d);
                    resolver.callback(());
                }
                assert_eq!(open(), 0, "{name} {fired_first}");
                drop(handle);
            });
        }
    }
}

#[test]
fn fired_and_kept_then_the_span_is_closed() {
    counting(|open| {
        let (resolver, d) = in_a_span();
        resolver.callback(());
        assert_eq!(open(), 0);
        testing::success_of(d);
    });
}

#[test]
fn cancelled_while_the_resolver_is_kept_then_the_span_is_closed() {
    counting(|open| {
        let (resolver, d) = in_a_span();
        d.cancel();
        assert_eq!(open(), 0);
        assert!(testing::failure_of(d).is_cancelled());
        drop(resolver);
    });
}

#[test]
fn a_paused_one_that_fired_keeps_its_span_until_it_is_unpaused() {
    counting(|open| {
        let (resolver, mut d) = in_a_span();
        let pause = d.pause();
        resolver.callback(());
        assert_eq!(open(), 1);
        drop(pause);
        assert_eq!(open(), 0);
        testing::success_of(d);
    });
}

#[test]
fn an_intermediate_one_is_let_go_while_its_handle_is_kept_then_its_span_is_closed() {
    for paused in [false, true] {
        counting(|open| {
            let (first, outer) = Deferred::<()>::new();
            let (second, middle) = in_a_span();
            let (third, inner) = Deferred::<()>::new();
            let (last, innermost) = Deferred::<()>::new();
            let inner = inner.add_callback(move |()| innermost);
            let mut middle =
                info_span!("request").in_scope(|| middle.add_callback(move |()| inner));
            let handle = middle.cancel_handle();
            let pause = paused.then(|| middle.pause());
            let outer = outer.add_callback(move |()| middle);
            first.callback(());
            second.callback(());
            // The one that is paused waits, and is taken out by the next that goes.
            drop(pause);
            third.callback(());
            assert_eq!(open(), 0, "{paused}");
            last.callback(());
            testing::success_of(outer);
            drop(handle);
        });
    }
}

#[test]
fn added_at_rest_in_the_span_of_the_stage_before_then_later_stages_are_in_it() {
    tracing::subscriber::with_default(Registry::default(), || {
        let log = Log::default();
        let one = info_span!("one");
        let (resolver, d) = Deferred::new();
        let d = one.in_scope(|| d.map(note(&log)));
        resolver.callback(());
        let (inner, returned) = Deferred::<()>::new();
        let d = one.in_scope(|| d.add_callback(move |()| returned));
        let d = one.in_scope(|| d.map(note(&log)));
        inner.callback(());
        assert_eq!(log.all(), ["one", "one"]);
        testing::success_of(d);
    });
}

/// The stage is appended to a chain that runs, and may find it at rest.
#[test]
fn added_while_it_comes_to_rest_then_later_stages_are_in_the_span() {
    let dispatch = Dispatch::new(Registry::default());
    tracing::dispatcher::with_default(&dispatch, || {
        for _ in 0..1_000 {
            let log = Log::default();
            let one = info_span!("one");
            let (resolver, d) = Deferred::new();
            let d = one.in_scope(|| d.map(|()| ()));
            let (inner, returned) = Deferred::<()>::new();
            let (start, there) = (Arc::new(Barrier::new(2)), dispatch.clone());
            let started = start.clone();
            let firing = thread::spawn(move || {
                tracing::dispatcher::with_default(&there, || {
                    started.wait();
                    resolver.callback(());
                });
            });
            let _entered = one.enter();
            start.wait();
            let d = d.add_callback(move |()| returned).map(note(&log));
            firing.join().unwrap();
            thread::scope(|scope| {
                scope.spawn(|| {
                    tracing::dispatcher::with_default(&dispatch, || inner.callback(()));
                });
            });
            testing::success_of(d);
            assert_eq!(log.all(), ["one"]);
        }
    });
}
