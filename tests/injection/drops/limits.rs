//! Permits, locks and items: they are back, or with the next.

use super::{Course, World};
use crate::trial::Kind::*;
use crate::user::Value;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio_deferred::{
    Deferred, DeferredFilesystemLock, DeferredLock, DeferredQueue, DeferredSemaphore, testing,
};

/// A semaphore all of whose permits are back at the end.
fn semaphore(w: &World, limit: usize) -> DeferredSemaphore {
    let semaphore = DeferredSemaphore::new(limit);
    let back = semaphore.clone();
    w.trial
        .at_end("all permits are back", move || back.tokens() == limit);
    semaphore
}

pub(super) fn acquire(w: &World) -> Course {
    let semaphore = semaphore(w, 1);
    let held = testing::success_of(semaphore.acquire());
    let (mine, next) = (semaphore.acquire(), semaphore.acquire());
    w.trial.watch(next.map(drop));
    Course::new(w, async {
        let permit = mine.await?;
        tokio::task::yield_now().await;
        drop(permit);
        Ok(())
    })
    .then(|_| drop(held))
    .then(|_| ())
}

pub(super) fn acquire_many(w: &World) -> Course {
    let semaphore = semaphore(w, 3);
    let first = testing::success_of(semaphore.acquire());
    let second = testing::success_of(semaphore.acquire());
    let (mine, next) = (semaphore.acquire_many(3), semaphore.acquire_many(2));
    w.trial.watch(next.map(drop));
    Course::new(w, async {
        drop(mine.await?);
        Ok(())
    })
    .then(|_| drop(first))
    .then(|_| drop(second))
}

pub(super) fn run_with_a_permit(w: &World) -> Course {
    let t = &w.trial;
    let semaphore = semaphore(w, 1);
    let held = testing::success_of(semaphore.acquire());
    let (resolver, job) = Deferred::<Value>::with_canceller(t.run(Canceller, || None));
    let mine = semaphore.run(t.run(Callback, move || job));
    w.trial.watch(semaphore.run(t.run(Callback, || Ok(()))));
    Course::new(w, async {
        drop(mine.await?);
        Ok(())
    })
    .then(|_| drop(held))
    .then(|w| resolver.callback(w.trial.value()))
}

pub(super) fn lock(w: &World) -> Course {
    let lock = DeferredLock::new();
    let back = lock.clone();
    w.trial
        .at_end("nobody holds the lock", move || !back.is_locked());
    let held = testing::success_of(lock.acquire());
    let (mine, next) = (lock.acquire(), lock.acquire());
    w.trial.watch(next.map(drop));
    Course::new(w, async {
        drop(mine.await?);
        Ok(())
    })
    .then(|_| drop(held))
}

/// A queue, with the number of the items that were got of it.
fn queue(w: &World, put: usize) -> (DeferredQueue<Value>, Arc<AtomicUsize>) {
    let (queue, got) = (DeferredQueue::new(), Arc::new(AtomicUsize::new(0)));
    let (left, all, trial) = (queue.clone(), got.clone(), w.trial.clone());
    w.trial.at_end("every item is somewhere", move || {
        let balanced = all.load(Relaxed) + left.len() == put && left.waiting() == 0;
        // With the items that are left.
        trial.own(|| drop(left));
        balanced
    });
    (queue, got)
}

pub(super) fn queue_get(w: &World) -> Course {
    let (queue, got) = queue(w, 3);
    let (mine, next) = (queue.get(), queue.get());
    let (all, second) = (got.clone(), queue.clone());
    w.trial.watch(next.map(move |value| {
        got.fetch_add(1, Relaxed);
        drop(value);
    }));
    let one = queue.clone();
    Course::new(w, async move {
        let value = mine.await?;
        all.fetch_add(1, Relaxed);
        drop(value);
        let value = second.get().await?;
        all.fetch_add(1, Relaxed);
        drop(value);
        Ok(())
    })
    .then(move |w| one.put(w.trial.value()).expect("there is room"))
    .then({
        let queue = queue.clone();
        move |w| queue.put(w.trial.value()).expect("there is room")
    })
    .then(move |w| queue.put(w.trial.value()).expect("there is room"))
}

pub(super) fn queue_get_with_a_stage(w: &World) -> Course {
    let (queue, got) = queue(w, 1);
    let all = got.clone();
    let mine = queue.get().map(move |value| {
        all.fetch_add(1, Relaxed);
        value
    });
    Course::new(w, async {
        drop(mine.await?);
        Ok(())
    })
    .then(move |w| queue.put(w.trial.value()).expect("there is room"))
}

pub(super) fn filesystem_lock(w: &World) -> Course {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let (held, mine) = (
        DeferredFilesystemLock::new(&path),
        DeferredFilesystemLock::new(&path),
    );
    let held = held.defer_until_locked(None);
    let pause = Duration::from_secs(2);
    w.trial.at_end("nobody holds the lock file", move || {
        let again = DeferredFilesystemLock::new(&path).defer_until_locked(None);
        let free = again.is_fired();
        drop((again, folder));
        free
    });
    Course::new(w, async move {
        drop(mine.defer_until_locked(None).await?);
        Ok(())
    })
    .then(move |w| w.advance(pause))
    .then(|_| drop(held))
    .then(move |w| w.advance(pause))
}
