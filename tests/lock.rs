//! The lock: one holder at a time, in order, between callbacks and async fns.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use test_support::Random;
use tokio::runtime::Builder;
use tokio::sync::Mutex;
use tokio_deferred::{Deferred, DeferredLock, NoRuntime, testing};

#[test]
fn free_lock_needs_no_runtime_and_a_held_one_does() {
    let lock = DeferredLock::new();
    let guard = testing::success_of(lock.acquire());
    assert!(lock.is_locked());
    assert!(testing::failure_of(lock.acquire()).is::<NoRuntime>());
    drop(guard);
    assert!(!lock.is_locked());
    assert_eq!(testing::success_of(lock.run(|| Ok(1))), 1);
    assert!(!lock.is_locked());
}

#[tokio::test]
async fn async_fns_and_callbacks_hold_it_by_turns_in_the_order_of_their_calls() {
    let mutex = Arc::new(Mutex::new(()));
    let lock = DeferredLock::from_tokio(mutex.clone());
    assert!(Arc::ptr_eq(lock.as_tokio(), &mutex));
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let held = lock.acquire().await.unwrap();
    let (mut tasks, mut jobs) = (Vec::new(), Vec::new());
    for who in 0..100 {
        let order = order.clone();
        if who % 2 == 0 {
            let mutex = mutex.clone();
            tasks.push(tokio::spawn(async move {
                let _guard = mutex.lock().await;
                order.lock().unwrap().push((who, "begins"));
                tokio::task::yield_now().await;
                order.lock().unwrap().push((who, "ends"));
            }));
            // A task queues when it is polled first.
            tokio::task::yield_now().await;
        } else {
            jobs.push(lock.run(move || {
                order.lock().unwrap().push((who, "begins"));
                Deferred::from_infallible(tokio::task::yield_now())
                    .map(move |()| order.lock().unwrap().push((who, "ends")))
            }));
        }
    }
    drop(held);
    for task in tasks {
        task.await.unwrap();
    }
    for job in jobs {
        job.await.unwrap();
    }
    let expected: Vec<_> = (0..100)
        .flat_map(|who| [(who, "begins"), (who, "ends")])
        .collect();
    assert_eq!(*order.lock().unwrap(), expected);
    assert!(!lock.is_locked());
}

#[tokio::test]
async fn cancel_and_drop_of_waiters_let_the_next_in() {
    let lock = DeferredLock::new();
    let held = lock.acquire().await.unwrap();
    let cancelled = lock.acquire();
    let dropped = lock.acquire();
    let next = lock.acquire();
    cancelled.cancel();
    assert!(testing::failure_of(cancelled).is_cancelled());
    drop(dropped);
    drop(held);
    drop(next.await.unwrap());
    assert!(!lock.is_locked());
}

#[test]
fn hundred_thousand_operations_on_several_threads_leave_it_free() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(3)
        .enable_all()
        .build()
        .unwrap();
    let lock = DeferredLock::new();
    let inside = Arc::new(AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (lock, inside, runtime) = (&lock, &inside, &runtime);
            scope.spawn(move || {
                let _entered = runtime.enter();
                let mut random = Random::seeded(thread);
                let mut waits = VecDeque::new();
                for _ in 0..if cfg!(miri) { 50 } else { 25_000 } {
                    let inside = inside.clone();
                    match random.below(4) {
                        0 => waits.push_back(lock.acquire()),
                        1 => drop(waits.pop_front()),
                        2 => {
                            if let Some(waiter) = waits.pop_back() {
                                waiter.cancel();
                                drop(waiter.add_both(|_| ()));
                            }
                        }
                        _ => drop(lock.run(move || {
                            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                            inside.fetch_sub(1, Ordering::SeqCst);
                        })),
                    }
                    waits.truncate(8);
                }
            });
        }
    });
    let guard = runtime
        .block_on(async { tokio::time::timeout(Duration::from_secs(60), lock.acquire()).await });
    drop(guard.expect("the lock was lost").unwrap());
    assert!(!lock.is_locked());
}

#[test]
fn looking_at_a_free_lock_from_another_thread_does_not_take_it() {
    let lock = DeferredLock::new();
    let (looking, over) = (lock.clone(), Arc::new(AtomicUsize::new(0)));
    let stop = over.clone();
    let looker = std::thread::spawn(move || {
        while stop.load(Ordering::Relaxed) == 0 {
            looking.is_locked();
        }
    });
    // Without a runtime, so that a look that took it would be seen.
    for _ in 0..if cfg!(miri) { 50 } else { 50_000 } {
        drop(testing::success_of(lock.acquire()));
    }
    over.store(1, Ordering::Relaxed);
    looker.join().unwrap();
}

#[test]
fn looking_at_a_lock_never_fails_the_try_lock_of_other_code() {
    let lock = DeferredLock::new();
    let looking = lock.clone();
    let looks = Arc::new(AtomicUsize::new(0));
    let counting = looks.clone();
    const LOOKS: usize = if cfg!(miri) { 50 } else { 100_000 };
    let looker = std::thread::spawn(move || {
        while counting.fetch_add(1, Ordering::Relaxed) < LOOKS {
            looking.is_locked();
            let _ = format!("{looking:?}");
        }
    });
    while looks.load(Ordering::Relaxed) < LOOKS {
        assert!(lock.as_tokio().try_lock().is_ok(), "nobody holds it");
    }
    looker.join().unwrap();
}

#[tokio::test]
async fn lock_is_locked_while_one_holds_it_or_waits() {
    let lock = DeferredLock::new();
    let outside = lock.as_tokio().lock().await;
    let waits = lock.acquire();
    assert!(lock.is_locked(), "one waits for what other code holds");
    waits.cancel();
    assert!(testing::failure_of(waits).is_cancelled());
    assert!(!lock.is_locked());
    let waits = lock.acquire();
    drop(outside);
    let guard = waits.await.unwrap();
    assert!(lock.clone().is_locked());
    drop(guard);
    assert!(!lock.is_locked());
}
