//! Semaphores, locks and queues: after each panic everything is back.

use crate::runs::runtime;
use crate::trial::{Kind::*, Trial};
use crate::user::Value;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use tokio::task::yield_now;
use tokio_deferred::{Deferred, DeferredLock, DeferredQueue, DeferredSemaphore};

pub(super) fn semaphore(t: &Trial) {
    let semaphore = DeferredSemaphore::new(2);
    let back = semaphore.clone();
    t.at_end("all permits are back", move || back.tokens() == 2);
    let runtime = runtime(t);
    runtime.block_on(async {
        let (inside, job) = Deferred::<Value>::new();
        let running = semaphore.run(t.run(Callback, move || job));
        let value = t.value();
        let d = semaphore.run(t.run(Callback, move || Ok(value)));
        t.watch(d.map(t.call(Callback, |value| value)));
        let held = semaphore.acquire_many(1);
        // These wait.
        let cancelled = semaphore.acquire();
        let dropped = semaphore.acquire();
        let value = t.value();
        let waits = semaphore.run(t.run(Callback, move || Ok(value)));
        let permit = t.value();
        let with_stage = semaphore.acquire().map(t.call(Callback, move |permit_of| {
            drop(permit);
            drop(permit_of);
        }));
        cancelled.cancel_with(t.oops());
        t.watch(cancelled);
        drop(dropped);
        inside.callback(t.value());
        t.watch(running.map(t.call(Callback, |value| value)));
        t.watch(held.map(t.call(Callback, drop)));
        let result = t.noted(waits).await;
        t.take(result);
        let result = t.noted(with_stage).await;
        t.take(result);
        // Its canceller is that of the job.
        let (_inside, job) = Deferred::<Value>::with_canceller(t.run(Canceller, || None));
        let running = semaphore.run(t.run(Callback, move || job));
        running.cancel();
        t.watch(running);
    });
}

pub(super) fn lock(t: &Trial) {
    let lock = DeferredLock::new();
    let back = lock.clone();
    t.at_end("nobody holds the lock", move || !back.is_locked());
    let runtime = runtime(t);
    runtime.block_on(async {
        let (inside, job) = Deferred::<Value>::new();
        t.watch(lock.run(t.run(Callback, move || job)));
        let cancelled = lock.acquire();
        drop(lock.acquire());
        let value = t.value();
        let waits = lock.run(t.run(Callback, move || Ok(value)));
        let last = lock.acquire().map(t.call(Callback, drop));
        cancelled.cancel();
        t.watch(cancelled);
        inside.errback(t.oops());
        let result = t.noted(waits).await;
        t.take(result);
        let result = t.noted(last).await;
        t.take(result);
        yield_now().await;
    });
}

/// Where the items of a queue are.
pub(super) struct Books {
    trial: Trial,
    queue: DeferredQueue<Value>,
    put: Arc<AtomicUsize>,
    got: Arc<AtomicUsize>,
}

impl Books {
    /// What was put is got, or still there, at the end.
    pub(super) fn open(trial: &Trial, queue: &DeferredQueue<Value>) -> Self {
        let (put, got) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let books = Books {
            trial: trial.clone(),
            queue: queue.clone(),
            put: put.clone(),
            got: got.clone(),
        };
        let (left, own) = (queue.clone(), trial.clone());
        trial.at_end("every item is somewhere", move || {
            let balanced = got.load(Relaxed) + left.len() == put.load(Relaxed);
            // With the items that are left.
            own.own(|| drop(left));
            balanced
        });
        books
    }

    pub(super) fn put(&self) {
        let value = self.trial.value();
        self.put.fetch_add(1, Relaxed);
        if let Err(refused) = self.queue.put(value) {
            self.put.fetch_sub(1, Relaxed);
            self.trial.own(|| drop(refused));
        }
    }

    /// Counts what `d` gets before anything can panic.
    pub(super) fn get(&self, d: Deferred<Value>) -> Deferred<Value> {
        let got = self.got.clone();
        d.map(move |value| {
            got.fetch_add(1, Relaxed);
            value
        })
    }

    pub(super) fn consume(&self, d: Deferred<Value>) {
        let t = &self.trial;
        t.watch(self.get(d).map(t.call(Callback, |value| value)));
    }
}

pub(super) fn queue(t: &Trial) {
    let queue = DeferredQueue::with_limits(Some(2), Some(3));
    let books = Arc::new(Books::open(t, &queue));
    books.consume(queue.get());
    let cancelled = queue.get();
    let dropped = queue.get();
    // One more than may wait.
    t.watch(queue.get());
    cancelled.cancel_with(t.oops());
    t.watch(cancelled);
    books.put();
    drop(dropped);
    books.put();
    books.put();
    // One more than there is room for.
    books.put();
    books.consume(queue.get());
    books.consume(queue.get());
    // Its consumer puts the next.
    let again = books.clone();
    let d = books.get(queue.get());
    t.watch(d.map(t.call(Callback, move |value: Value| {
        again.put();
        value
    })));
    books.consume(queue.get());
    books.put();
}

pub(super) fn queue_of_items_that_nobody_takes(t: &Trial) {
    let queue = DeferredQueue::new();
    let books = Books::open(t, &queue);
    let untaken = queue.get();
    books.put();
    drop(untaken);
    drop(queue.get());
    books.consume(queue.get());
    drop(queue.get());
    let late = queue.get();
    books.put();
    books.consume(late);
    // Of a queue that goes away with items and with gets.
    let gone = DeferredQueue::new();
    let _ = gone.put(t.value());
    let _ = gone.put(t.value());
    t.own(|| drop(gone));
    let gone = DeferredQueue::<Value>::new();
    let waits = gone.get().map(t.call(Callback, |value| value));
    t.watch(waits);
    let homeless = gone.get();
    drop(gone);
    t.watch(homeless);
    let gone = DeferredQueue::new();
    let _ = gone.put(t.value());
    let homeless = gone.get();
    drop(gone);
    drop(homeless);
}
