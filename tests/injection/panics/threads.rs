//! Other threads, of Tokio's pool and plain ones.

use super::chains::instead;
use super::limits::Books;
use crate::runs::{join, leave, runtime};
use crate::trial::{Kind::*, Trial};
use crate::user::{Task, Value};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::thread::{self, JoinHandle};
use tokio_deferred::{Deferred, DeferredQueue, threads};

pub(super) fn defer_to_thread(t: &Trial) {
    let runtime = runtime(t);
    runtime.block_on(async {
        let value = t.value();
        let d = threads::defer_to_thread(t.run(Callback, move || Ok(value)));
        let result = t.noted(d.map(t.call(Callback, |value| value))).await;
        t.take(result);
        // A Deferred, which another thread fires.
        let (resolver, inner) = Deferred::<Value>::new();
        let d = threads::defer_to_thread(t.run(Callback, move || inner));
        let d = t.noted(d);
        resolver.callback(t.value());
        let result = d.await;
        t.take(result);
    });
    // The runtime goes away before the call, or after it.
    let value = t.value();
    let d = threads::defer_to_thread_on(runtime.handle(), t.run(Callback, move || Ok(value)));
    t.watch(d);
    drop(runtime);
}

pub(super) fn cancel_a_call_that_runs(t: &Trial) {
    // What it comes to is dropped.
    t.may_vanish(Callback);
    t.may_vanish(ClosureDrop);
    let runtime = runtime(t);
    let (go, gone) = std::sync::mpsc::channel::<()>();
    runtime.block_on(async {
        let (began, has_begun) = Deferred::new();
        let value = t.value();
        let d = threads::defer_to_thread(t.run(Callback, move || {
            began.callback(());
            let _ = gone.recv();
            Ok(value)
        }));
        let _ = has_begun.await;
        d.cancel();
        t.watch(d);
        drop(go);
    });
}

pub(super) fn calls_that_are_not_made(t: &Trial) {
    let gone = runtime(t).handle().clone();
    let value = t.value();
    let call = t.run(Callback, move || Ok(value));
    t.watch(threads::defer_to_thread_on(&gone, call));
    threads::call_from_thread(&gone, t.run(Callback, || ()));
    let value = t.value();
    let call = t.run(Callback, move || Ok(value));
    t.take(threads::blocking_call_from_thread(&gone, call));
    // Without any.
    t.watch(threads::defer_to_thread(t.run(Callback, || Ok(()))));
    threads::call_in_thread(t.run(Callback, || ()));
}

pub(super) fn call_in_and_from_threads(t: &Trial) {
    let runtime = runtime(t);
    let (resolver, d) = Deferred::new();
    let _entered = runtime.enter();
    let (value, failed) = (t.value(), t.oops());
    threads::call_in_thread(t.run(Callback, move || {
        resolver.callback(value);
        Err::<(), _>(failed.into())
    }));
    let d = t.noted(d);
    let result = runtime.block_on(d);
    t.take(result);
    let calls = [t.oops(), t.oops()].map(|oops| t.run(Callback, move || drop(oops)));
    threads::call_multiple_in_thread(calls);
    let (resolver, d) = Deferred::new();
    let value = t.value();
    let call = t.run(Callback, move || resolver.callback(value));
    threads::call_from_thread(runtime.handle(), call);
    let result = runtime.block_on(t.noted(d));
    t.take(result);
    let handle = runtime.handle().clone();
    let (resolver, over) = Deferred::new();
    let blocking = beside(t, move |trial| {
        let value = trial.value();
        let call = trial.run(Callback, move || Ok(value));
        let result = threads::blocking_call_from_thread(&handle, call);
        trial.take(result);
        resolver.callback(());
    });
    runtime.block_on(over).unwrap();
    wait_for([blocking]);
}

/// Runs `f` on a thread of the trial's, side by side with others.
fn beside(t: &Trial, f: impl FnOnce(&Trial) + Send + 'static) -> JoinHandle<()> {
    let trial = t.clone();
    thread::spawn(move || {
        join(&trial);
        let result = catch_unwind(AssertUnwindSafe(|| f(&trial)));
        leave();
        if let Err(payload) = result {
            resume_unwind(payload);
        }
    })
}

fn wait_for(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    for thread in threads {
        if let Err(payload) = thread.join() {
            resume_unwind(payload);
        }
    }
}

pub(super) fn fire_and_cancel_and_drop(t: &Trial) {
    let (resolver, mut d) = Deferred::with_canceller(t.run(Canceller, || None));
    let handle = d.cancel_handle();
    let firing = beside(t, |t| resolver.callback(t.value()));
    let cancelling = beside(t, move |t| {
        handle.cancel_with(t.oops());
    });
    let d = d
        .map(t.call(Callback, |value: Value| value))
        .add_errback(t.call(Errback, Err));
    let dropping = beside(t, move |t| t.watch(d));
    wait_for([firing, cancelling, dropping]);
}

pub(super) fn fire_and_unpause_and_wait(t: &Trial) {
    let ((outer, mut d), (inner, awaited)) = (Deferred::new(), Deferred::new());
    let pause = d.pause();
    let d = d.add_callback(t.call(Callback, instead(awaited)));
    let task = Task::new(t);
    let mut d = t.noted(d.map(t.call(Callback, |value: Value| value)));
    assert!(task.poll(&mut d).is_pending());
    let first = beside(t, |t| outer.callback(t.value()));
    let second = beside(t, |t| inner.callback(t.value()));
    let third = beside(t, |_| drop(pause));
    let early = task.poll(&mut d);
    wait_for([first, second, third]);
    let late = match early {
        Poll::Ready(_) => early,
        Poll::Pending => task.poll(&mut d),
    };
    match late {
        Poll::Ready(result) => t.take(result),
        Poll::Pending => t.problem("no result after all threads"),
    }
}

pub(super) fn subscribe_and_fire(t: &Trial) {
    // Each of four that get a failure may drop it.
    t.is_shared_with(3);
    let (resolver, d) = Deferred::<Value>::new();
    let shared = d.map(t.call(Callback, |value| value)).share();
    let cancelled = shared.subscribe();
    let [one, two] = [(); 2].map(|()| {
        let shared = shared.clone();
        beside(t, move |t| {
            t.watch(shared.subscribe());
            drop(shared.subscribe());
        })
    });
    let firing = beside(t, |t| resolver.callback(t.value()));
    let cancelling = beside(t, |t| {
        cancelled.cancel_with(t.oops());
        t.watch(cancelled);
    });
    wait_for([one, two, firing, cancelling]);
}

pub(super) fn put_and_get(t: &Trial) {
    let queue = DeferredQueue::new();
    let books = Arc::new(Books::open(t, &queue));
    let putting = [(); 2].map(|()| {
        let books = books.clone();
        beside(t, move |_| {
            books.put();
            books.put();
        })
    });
    let (getting, other) = (queue.clone(), books.clone());
    let getting = beside(t, move |_| {
        books.consume(getting.get());
        drop(getting.get());
        books.consume(getting.get());
    });
    let cancelling = beside(t, move |t| {
        let d = other.get(queue.get());
        d.cancel();
        t.watch(d);
    });
    wait_for(putting);
    wait_for([getting, cancelling]);
}
