//! What runs a model, and what models are made of.

use super::LIVE;
use crate::{Deferred, Resolver};
use futures::task::{ArcWake, waker};
use loom::sync::{Arc as Checked, Notify, atomic::AtomicUsize};
use loom::thread;
use std::borrow::Borrow;
use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize as Count, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

thread_local! {
    /// The panics on this thread, on which all threads of a model run.
    static PANICS: Cell<usize> = const { Cell::new(0) };
}

/// Runs a model, and checks that nothing of it is left.
pub(crate) fn model(f: impl Fn() + Sync + Send + 'static) {
    run(None, f);
}

/// As `model`, with at most this many preemptions.
pub(crate) fn bounded(preemptions: usize, f: impl Fn() + Sync + Send + 'static) {
    run(Some(preemptions), f);
}

fn run(bound: Option<usize>, f: impl Fn() + Sync + Send + 'static) {
    // One at a time: the count of blocks is one for all.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = bound;
    builder.max_branches = 100_000;
    let runs = Arc::new(Count::new(0));
    let counted = runs.clone();
    LIVE.store(0, Ordering::Relaxed);
    count_panics();
    let start = Instant::now();
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        f();
        assert_eq!(LIVE.load(Ordering::Relaxed), 0, "a block is left");
        // The library catches panics of what it calls, and so the checker's.
        assert_eq!(PANICS.get(), 0, "a panic was caught");
    });
    let name = std::thread::current().name().unwrap_or("?").to_owned();
    let bound = bound.map_or("unbounded".to_owned(), |n| format!("{n} preemptions"));
    let (runs, took) = (runs.load(Ordering::Relaxed), start.elapsed());
    println!(
        "{name}: {bound}, {runs} interleavings, {:.2} s",
        took.as_secs_f64()
    );
}

/// Counts the panics of the model that runs next on this thread.
fn count_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.set(PANICS.get() + 1);
            hook(info);
        }));
    });
    PANICS.set(0);
}

/// What is done to a standard `Arc` is nothing to the checker, so it would not
/// try its order: threads that touch this before are tried in every order.
#[derive(Clone)]
pub(crate) struct Touch(Checked<AtomicUsize>);

impl Touch {
    pub(crate) fn new() -> Self {
        Touch(Checked::new(AtomicUsize::new(0)))
    }

    pub(crate) fn touch(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

/// A value that the checker misses if it is not dropped, and that finds out if
/// it was handed from thread to thread without order.
#[derive(Clone)]
pub(crate) struct Value(pub(crate) i32, #[allow(dead_code)] pub(crate) Checked<Mark>);

pub(crate) fn value(n: i32) -> Value {
    Value(n, Checked::new(Mark(AtomicUsize::new(0))))
}

impl Value {
    /// Writes to it in a step of its own: what a thread makes between two steps
    /// is for the checker as old as the first of them.
    pub(crate) fn touched(self) -> Self {
        self.1.0.store(1, Ordering::Relaxed);
        self
    }
}

/// What a model's Deferreds hold: a [`Value`], or a box of one, which is a word.
pub(crate) trait OutputSink: Borrow<Value> + From<Value> + Send + 'static {}

impl<V: Borrow<Value> + From<Value> + Send + 'static> OutputSink for V {}

/// Memory that is written when it is made, and again, without an atomic step,
/// at its end: the checker does not know a chain's records and values.
pub(crate) struct Mark(AtomicUsize);

impl Drop for Mark {
    fn drop(&mut self) {
        self.0.with_mut(|_| ());
    }
}

/// What happened, in order.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    pub(crate) fn add(&self, what: &'static str) {
        self.0.lock().unwrap().push(what);
    }

    pub(crate) fn all(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().clone()
    }
}

#[derive(Default)]
pub(crate) struct Wakes(Count);

impl ArcWake for Wakes {
    fn wake_by_ref(this: &Arc<Self>) {
        this.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Wakes {
    pub(crate) fn poll<V: OutputSink>(this: &Arc<Self>, d: &mut Deferred<V>) -> Poll<i32> {
        let waker = waker(this.clone());
        Pin::new(d)
            .poll(&mut Context::from_waker(&waker))
            .map(|result| result.map_or(-1, |value| value.borrow().0))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// The value, or why there is none: -1 cancelled, -2 the resolver was dropped, -3
/// the runtime is gone.
pub(crate) fn outcome<V: OutputSink>(d: Deferred<V>) -> i32 {
    match d.try_result().expect("it has its result") {
        Ok(value) => value.borrow().0,
        Err(failure) if failure.is_cancelled() => -1,
        Err(failure) if failure.is_resolver_dropped() => -2,
        Err(failure) if failure.is::<crate::NoRuntime>() => -3,
        Err(failure) => panic!("{failure:?}"),
    }
}

pub(crate) fn fire<V: OutputSink>(resolver: Resolver<V>, n: i32) -> thread::JoinHandle<()> {
    thread::spawn(move || resolver.callback(value(n).into()))
}

struct Unpark(Notify);

impl ArcWake for Unpark {
    fn wake_by_ref(this: &Arc<Self>) {
        this.0.notify();
    }
}

/// Runs a task to its end, as a runtime would.
pub(crate) fn block_on(future: impl Future<Output = ()>) {
    let mut future = std::pin::pin!(future);
    let unpark = Arc::new(Unpark(Notify::new()));
    let waker = waker(unpark.clone());
    while future
        .as_mut()
        .poll(&mut Context::from_waker(&waker))
        .is_pending()
    {
        unpark.0.wait();
    }
}
