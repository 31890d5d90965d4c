//! Models of coroutines: who polls, who cancels, who drops, and when.
//!
//! | model | preemptions | interleavings |
//! |---|---|---|
//! | `the_awaited_one_fires_while_the_coroutine_begins` | 3 | 1,907 |
//! | `the_awaited_one_fires_while_the_task_is_polled` | any | 7 |
//! | `the_awaited_one_fires_while_the_coroutine_is_cancelled` | 1 | 1,897 |
//! | `a_cancel_that_comes_between_two_awaits_reaches_the_second` | 1 | 6,047 |
//! | `a_cancel_while_it_is_woken_reaches_what_it_awaits_next` | 2 | 322 |
//! | `a_cancel_is_applied_to_one_of_two_awaits` | 1 | 6,047 |
//! | `cancelled_from_two_threads` | 2 | 543 |
//! | `woken_while_cancelled_beside_a_plain_future` | 3 | 12,357 |
//! | `the_runtime_ends_while_the_awaited_one_fires` | 3 | 1,355 |
//! | `the_runtime_ends_while_the_coroutine_is_cancelled` | 3 | 1,155 |
//! | `the_runtime_ends_while_a_plain_future_is_cancelled` | 3 | 1,121 |
//! | `the_deferred_is_dropped_while_the_awaited_one_fires` | 3 | 4,847 |
//! | `resumed_by_the_fire_while_the_coroutine_begins` | any | 7,782 |
//! | `two_fires_from_two_threads_resume_one_coroutine` | 2 | 73 |
//! | `resumed_by_the_fire_while_it_is_cancelled` | 2 | 1,693 |
//! | `a_cancel_between_two_inline_awaits_is_applied_to_one_of_them` | 1 | 107 |
//! | `one_inline_coroutine_awaits_another` | 2 | 855 |
//! | `woken_by_a_fire_and_by_something_else_at_once` | 2 | 676 |
//! | `the_runtime_ends_while_a_fire_resumes` | 2 | 17 |

use super::coroutine::{Resumed, Spawner, begin};
use crate::failure::{Failure, NoRuntime};
use crate::models::harness::{Value, block_on, bounded, fire, model, outcome, value};
use crate::{Deferred, DeferredError, Resolver, testing};
use loom::sync::Mutex;
use loom::thread::{self, JoinHandle};
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, Waker};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A runtime that runs the tasks which it is given when it is told to.
#[derive(Clone, Default)]
struct Runtime(Arc<std::sync::Mutex<Option<Task>>>);

impl Spawner for Runtime {
    fn spawn<K>(&self, make: impl FnOnce() -> K) -> Result<(), NoRuntime>
    where
        K: Future<Output = ()> + Send + 'static,
    {
        let old = self.0.lock().unwrap().replace(Box::pin(make()));
        assert!(old.is_none(), "two tasks for one coroutine");
        Ok(())
    }
}

/// None.
struct Nowhere;

impl Spawner for Nowhere {
    fn spawn<K>(&self, _make: impl FnOnce() -> K) -> Result<(), NoRuntime>
    where
        K: Future<Output = ()> + Send + 'static,
    {
        Err(NoRuntime::not_found())
    }
}

/// Begins a coroutine that has to wait, and returns its task as well.
fn coroutine(
    body: impl Future<Output = Result<Value, DeferredError>> + Send + 'static,
) -> (Deferred<Value>, Option<Task>) {
    let runtime = Runtime::default();
    let future = async move { body.await.map_err(Failure::from) };
    let d = begin(future, runtime.clone(), Resumed::ByTask, Location::caller());
    let task = runtime.0.lock().unwrap().take();
    (d, task)
}

/// Begins a coroutine that fires resume.
fn inline(
    body: impl Future<Output = Result<Value, DeferredError>> + Send + 'static,
) -> Deferred<Value> {
    let future = async move { body.await.map_err(Failure::from) };
    begin(future, Nowhere, Resumed::InFires, Location::caller())
}

/// As a runtime runs it.
fn run(task: Option<Task>) -> JoinHandle<()> {
    thread::spawn(move || task.into_iter().for_each(block_on))
}

fn pair() -> (Resolver<Value>, Deferred<Value>) {
    Deferred::new()
}

/// Something that is awaited and is no Deferred.
#[derive(Default)]
struct Signal(Mutex<(bool, Option<Waker>)>);

impl Signal {
    fn set(&self) {
        let mut state = self.0.lock().unwrap();
        state.0 = true;
        let waker = state.1.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    async fn wait(&self) {
        poll_fn(|cx| {
            let mut state = self.0.lock().unwrap();
            if state.0 {
                return Poll::Ready(());
            }
            state.1 = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

#[test]
fn the_awaited_one_fires_while_the_coroutine_begins() {
    bounded(3, || {
        let (resolver, awaited) = pair();
        let firing = fire(resolver, 1);
        let (d, task) = coroutine(async move { awaited.await });
        run(task).join().unwrap();
        firing.join().unwrap();
        assert_eq!(outcome(d), 1);
    });
}

#[test]
fn the_awaited_one_fires_while_the_task_is_polled() {
    model(|| {
        let (resolver, awaited) = pair();
        let (d, task) = coroutine(async move { awaited.await });
        let task = run(task);
        resolver.callback(value(1));
        task.join().unwrap();
        assert_eq!(outcome(d), 1);
    });
}

#[test]
fn the_awaited_one_fires_while_the_coroutine_is_cancelled() {
    bounded(1, || {
        let (resolver, awaited) = pair();
        let (d, task) = coroutine(async move { awaited.await });
        let task = run(task);
        let firing = fire(resolver, 1);
        d.cancel();
        firing.join().unwrap();
        task.join().unwrap();
        assert!(matches!(outcome(d), 1 | -1));
    });
}

/// Awaits both, whatever the first comes to: ten times it, and the second.
async fn one_then_another(
    first: Deferred<Value>,
    second: Deferred<Value>,
) -> Result<Value, DeferredError> {
    let first = first.await.map_or(-1, |value| value.0);
    let second = second.await.map_or(-1, |value| value.0);
    Ok(value(10 * first + second))
}

#[test]
fn a_cancel_that_comes_between_two_awaits_reaches_the_second() {
    bounded(1, || {
        let (resolver, first) = pair();
        let (second, awaited) = pair();
        let (d, task) = coroutine(one_then_another(first, awaited));
        let task = run(task);
        let firing = fire(resolver, 1);
        d.cancel();
        firing.join().unwrap();
        // If the cancel reached the first, the second is awaited still.
        let _ = second.try_callback(value(2));
        task.join().unwrap();
        // It was applied to one of them, or came too late for both.
        let n = outcome(d);
        assert!(matches!(n, -8 | 9 | 12), "{n}");
    });
}

#[test]
fn a_cancel_while_it_is_woken_reaches_what_it_awaits_next() {
    bounded(2, || {
        let signal = Arc::new(Signal::default());
        let seen = signal.clone();
        let (resolver, awaited) = pair();
        let (d, task) = coroutine(async move {
            seen.wait().await;
            Ok(value(awaited.await.map_or(7, |value| value.0)))
        });
        let task = run(task);
        let waking = thread::spawn(move || signal.set());
        d.cancel();
        waking.join().unwrap();
        // Nothing else ends it, if the cancel is forgotten.
        task.join().unwrap();
        assert!(matches!(outcome(d), 7 | -1));
        let _ = resolver.try_callback(value(1));
    });
}

#[test]
fn a_cancel_is_applied_to_one_of_two_awaits() {
    bounded(1, || {
        let (resolver, first) = pair();
        let (second, awaited) = pair();
        let (d, task) = coroutine(one_then_another(first, awaited));
        let task = run(task);
        let firing = thread::spawn(move || resolver.try_callback(value(1)).is_err());
        d.cancel();
        // If the cancel came too late for the first, it is the second's: nobody
        // else ends that, and the checker would see the task wait for ever.
        if firing.join().unwrap() {
            second.callback(value(2));
            task.join().unwrap();
            assert_eq!(outcome(d), -8);
        } else {
            task.join().unwrap();
            assert_eq!(outcome(d), 9);
            drop(second);
        }
    });
}

#[test]
fn cancelled_from_two_threads() {
    bounded(2, || {
        let (resolver, awaited) = pair();
        let (mut d, task) = coroutine(async move { awaited.await });
        let handle = d.cancel_handle();
        let cancelling = thread::spawn(move || handle.cancel());
        d.cancel();
        cancelling.join().unwrap();
        run(task).join().unwrap();
        assert_eq!(outcome(d), -1);
        assert!(resolver.is_cancelled());
    });
}

#[test]
fn woken_while_cancelled_beside_a_plain_future() {
    bounded(3, || {
        let signal = Arc::new(Signal::default());
        let seen = signal.clone();
        let (d, task) = coroutine(async move {
            let repr = value(1);
            seen.wait().await;
            Ok(repr)
        });
        let task = run(task);
        let waking = thread::spawn(move || signal.set());
        d.cancel();
        waking.join().unwrap();
        task.join().unwrap();
        assert!(matches!(outcome(d), 1 | -1));
    });
}

#[test]
fn the_runtime_ends_while_the_awaited_one_fires() {
    bounded(3, || {
        let (resolver, awaited) = pair();
        let (d, task) = coroutine(async move { awaited.await });
        let firing = fire(resolver, 1);
        drop(task);
        firing.join().unwrap();
        assert_eq!(outcome(d), -3);
    });
}

#[test]
fn the_runtime_ends_while_the_coroutine_is_cancelled() {
    bounded(3, || {
        // The future is dropped with what it awaits, which nobody handles then.
        let _ = testing::capture_unhandled(|| {
            let (resolver, awaited) = pair();
            let (d, task) = coroutine(async move { awaited.await });
            let ending = thread::spawn(move || drop(task));
            d.cancel();
            ending.join().unwrap();
            assert!(matches!(outcome(d), -1 | -3));
            drop(resolver);
        });
    });
}

#[test]
fn the_runtime_ends_while_a_plain_future_is_cancelled() {
    bounded(3, || {
        let signal = Arc::new(Signal::default());
        let (d, task) = coroutine(async move {
            let repr = value(1);
            signal.wait().await;
            Ok(repr)
        });
        let ending = thread::spawn(move || drop(task));
        d.cancel();
        ending.join().unwrap();
        assert!(matches!(outcome(d), -1 | -3));
    });
}

#[test]
fn the_deferred_is_dropped_while_the_awaited_one_fires() {
    bounded(3, || {
        let (resolver, awaited) = pair();
        let (d, task) = coroutine(async move { awaited.await });
        let task = run(task);
        let firing = fire(resolver, 1);
        drop(d);
        firing.join().unwrap();
        task.join().unwrap();
    });
}

#[test]
fn resumed_by_the_fire_while_the_coroutine_begins() {
    model(|| {
        let (resolver, awaited) = pair();
        let firing = fire(resolver, 1);
        let d = inline(async move { awaited.await });
        firing.join().unwrap();
        assert_eq!(outcome(d), 1);
    });
}

#[test]
fn two_fires_from_two_threads_resume_one_coroutine() {
    bounded(2, || {
        let (resolver, first) = pair();
        let (second, awaited) = pair();
        let d = inline(one_then_another(first, awaited));
        let firing = fire(resolver, 1);
        second.callback(value(2));
        firing.join().unwrap();
        assert_eq!(outcome(d), 12);
    });
}

#[test]
fn resumed_by_the_fire_while_it_is_cancelled() {
    bounded(2, || {
        let (resolver, awaited) = pair();
        let d = inline(async move { awaited.await });
        let firing = fire(resolver, 1);
        d.cancel();
        firing.join().unwrap();
        assert!(matches!(outcome(d), 1 | -1));
    });
}

#[test]
fn a_cancel_between_two_inline_awaits_is_applied_to_one_of_them() {
    bounded(1, || {
        let (resolver, first) = pair();
        let (second, awaited) = pair();
        let d = inline(one_then_another(first, awaited));
        let firing = thread::spawn(move || resolver.try_callback(value(1)).is_err());
        d.cancel();
        // If it came too late for the first, it ends the second.
        if firing.join().unwrap() {
            second.callback(value(2));
            assert_eq!(outcome(d), -8);
        } else {
            assert_eq!(outcome(d), 9);
            drop(second);
        }
    });
}

#[test]
fn one_inline_coroutine_awaits_another() {
    bounded(2, || {
        let (resolver, awaited) = pair();
        let firing = fire(resolver, 1);
        let inner = inline(async move { awaited.await });
        let outer = inline(async move { inner.await });
        firing.join().unwrap();
        assert_eq!(outcome(outer), 1);
    });
}

#[test]
fn woken_by_a_fire_and_by_something_else_at_once() {
    bounded(2, || {
        let signal = Arc::new(Signal::default());
        let seen = signal.clone();
        let (resolver, awaited) = pair();
        let runtime = Runtime::default();
        let future = async move {
            let (first, ()) = futures::future::join(awaited, seen.wait()).await;
            first.map_err(Failure::from)
        };
        let d = begin(
            future,
            runtime.clone(),
            Resumed::InFires,
            Location::caller(),
        );
        let firing = fire(resolver, 1);
        signal.set();
        let running = run(runtime.0.lock().unwrap().take());
        firing.join().unwrap();
        // The fire may have spawned the task, for the other wake.
        run(runtime.0.lock().unwrap().take()).join().unwrap();
        running.join().unwrap();
        assert_eq!(outcome(d), 1);
    });
}

#[test]
fn the_runtime_ends_while_a_fire_resumes() {
    bounded(2, || {
        let signal = Arc::new(Signal::default());
        let seen = signal.clone();
        let (resolver, awaited) = pair();
        let runtime = Runtime::default();
        let future = async move {
            seen.wait().await;
            awaited.await.map_err(Failure::from)
        };
        let d = begin(
            future,
            runtime.clone(),
            Resumed::InFires,
            Location::caller(),
        );
        signal.set();
        let mut task = runtime.0.lock().unwrap().take().unwrap();
        let polled = task
            .as_mut()
            .poll(&mut std::task::Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        let firing = fire(resolver, 1);
        drop(task);
        firing.join().unwrap();
        assert_eq!(outcome(d), 1);
    });
}
