//! Permits: order, limit, and that none is ever lost.

mod random;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use test_support::clock::settle;
use test_support::runtime::current_thread;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{AcquireError, Semaphore};
use tokio_deferred::{Deferred, DeferredSemaphore, Failure, NoRuntime, testing};

#[test]
fn free_permit_needs_no_runtime() {
    let semaphore = DeferredSemaphore::new(3);
    let one = testing::success_of(semaphore.acquire());
    let two = testing::success_of(semaphore.acquire_many(2));
    assert_eq!((semaphore.tokens(), semaphore.limit()), (0, 3));
    drop(one);
    drop(two);
    assert_eq!(semaphore.tokens(), 3);
}

#[test]
fn wait_without_a_runtime_fails_and_takes_no_place() {
    let semaphore = DeferredSemaphore::new(1);
    let held = testing::success_of(semaphore.acquire());
    let failure = testing::failure_of(semaphore.acquire());
    assert!(failure.is::<NoRuntime>(), "{failure:?}");
    drop(held);
    assert_eq!(semaphore.tokens(), 1);
}

#[test]
fn free_permit_costs_no_task_and_the_last_wait_leaves_none() {
    let runtime = current_thread();
    runtime.block_on(async {
        let tasks = || {
            tokio::runtime::Handle::current()
                .metrics()
                .num_alive_tasks()
        };
        let semaphore = DeferredSemaphore::new(1);
        let held = semaphore.acquire().await.unwrap();
        assert_eq!(tasks(), 0);
        let waiters: Vec<_> = (0..100).map(|_| semaphore.acquire()).collect();
        assert_eq!(tasks(), 1, "one for all that wait");
        drop(held);
        for waiter in waiters {
            drop(waiter.await.unwrap());
        }
        settle().await;
        assert_eq!(tasks(), 0);
    });
}

#[tokio::test]
async fn place_is_taken_by_the_call_and_not_by_the_poll() {
    let semaphore = DeferredSemaphore::new(1);
    let held = semaphore.acquire().await.unwrap();
    let first = semaphore.acquire();
    let second = semaphore.acquire();
    drop(held);
    // Polled in the other order: the second waits for the first.
    let order = Arc::new(Mutex::new(Vec::new()));
    let (a, b) = (order.clone(), order.clone());
    tokio::join!(
        async move {
            let _permit = second.await.unwrap();
            b.lock().unwrap().push(2);
        },
        async move {
            let _permit = first.await.unwrap();
            a.lock().unwrap().push(1);
        },
    );
    assert_eq!(*order.lock().unwrap(), [1, 2]);
}

/// Who got a permit, in order, and whether ever too many had one.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<(Vec<usize>, usize, usize)>>);

impl Log {
    fn enter(&self, who: usize) {
        let mut log = self.0.lock().unwrap();
        log.0.push(who);
        log.1 += 1;
        log.2 = log.2.max(log.1);
    }

    fn leave(&self) {
        self.0.lock().unwrap().1 -= 1;
    }
}

/// Async fns, chains of callbacks and jobs by turns queue for `limit` permits;
/// returns who got one, in order, and the most that had one at a time.
async fn compete(limit: usize, waiters: usize) -> (Vec<usize>, usize) {
    let shared = Arc::new(Semaphore::new(limit));
    let semaphore = DeferredSemaphore::from_tokio(shared.clone(), limit);
    assert!(Arc::ptr_eq(semaphore.as_tokio(), &shared));
    let log = Log::default();
    let held = semaphore.acquire_many(limit as u32).await.unwrap();
    let mut tasks = Vec::new();
    let mut chains = Vec::new();
    for who in 0..waiters {
        let log = log.clone();
        match who % 3 {
            0 => {
                let shared = shared.clone();
                tasks.push(tokio::spawn(async move {
                    let _permit = shared.acquire().await.unwrap();
                    log.enter(who);
                    tokio::task::yield_now().await;
                    log.leave();
                }));
                // A task queues when it is polled first.
                tokio::task::yield_now().await;
            }
            1 => chains.push(semaphore.acquire().add_callback(move |permit| {
                log.enter(who);
                Deferred::from_infallible(tokio::task::yield_now()).map(move |()| {
                    log.leave();
                    drop(permit);
                })
            })),
            _ => chains.push(semaphore.run(move || {
                log.enter(who);
                let end = log.clone();
                Deferred::from_infallible(tokio::task::yield_now()).map(move |()| end.leave())
            })),
        }
    }
    drop(held);
    for task in tasks {
        task.await.unwrap();
    }
    for chain in chains {
        chain.await.unwrap();
    }
    settle().await;
    assert_eq!(semaphore.tokens(), limit);
    let log = log.0.lock().unwrap();
    (log.0.clone(), log.2)
}

#[tokio::test]
async fn async_fns_and_callback_chains_are_served_first_come_first_served() {
    let (order, most) = compete(1, 300).await;
    assert_eq!(order, (0..300).collect::<Vec<_>>());
    assert_eq!(most, 1);
}

#[tokio::test]
async fn async_fns_and_callback_chains_never_exceed_the_limit() {
    let (mut order, most) = compete(7, 300).await;
    assert_eq!(most, 7);
    // Several may start at once, in any order; nobody is passed by more than
    // those that got a permit with him.
    for (place, who) in order.iter().enumerate() {
        assert!(
            place.abs_diff(*who) < 14,
            "{who} was served as number {place}"
        );
    }
    order.sort_unstable();
    assert_eq!(order, (0..300).collect::<Vec<_>>());
}

#[tokio::test]
async fn cancel_then_release_gives_the_permit_to_the_next() {
    let semaphore = DeferredSemaphore::new(1);
    let held = semaphore.acquire().await.unwrap();
    let cancelled = semaphore.acquire();
    let next = semaphore.acquire();
    cancelled.cancel_with("gave up");
    let failure = testing::failure_of(cancelled);
    assert!(failure.is_cancelled());
    assert_eq!(failure.source().unwrap().to_string(), "gave up");
    drop(held);
    drop(next.await.unwrap());
    assert_eq!(semaphore.tokens(), 1);
}

#[tokio::test]
async fn release_then_cancel_before_the_task_runs_loses_no_permit() {
    let semaphore = DeferredSemaphore::new(1);
    let held = semaphore.acquire().await.unwrap();
    let woken = semaphore.acquire();
    let next = semaphore.acquire();
    // The permit is assigned now, and the task that delivers it has not run.
    drop(held);
    woken.cancel();
    assert!(testing::failure_of(woken).is_cancelled());
    drop(next.await.unwrap());
    assert_eq!(semaphore.tokens(), 1);
}

#[tokio::test]
async fn drop_of_a_waiter_for_many_lets_the_small_ones_in_at_once() {
    let semaphore = DeferredSemaphore::new(3);
    let held = semaphore.acquire().await.unwrap();
    let many = semaphore.acquire_many(3);
    let one = semaphore.acquire();
    settle().await;
    testing::assert_no_result(&one);
    let reports = testing::capture_unhandled(|| drop(many));
    assert!(reports.is_empty(), "{reports:?}");
    drop(one.await.unwrap());
    drop(held);
    assert_eq!(semaphore.tokens(), 3);
}

#[tokio::test]
async fn deliver_then_drop_untaken_releases() {
    let semaphore = DeferredSemaphore::new(1);
    let held = semaphore.acquire().await.unwrap();
    let waiter = semaphore.acquire();
    drop(held);
    settle().await;
    assert!(waiter.is_fired());
    assert_eq!(semaphore.tokens(), 0);
    drop(waiter);
    assert_eq!(semaphore.tokens(), 1);
}

#[tokio::test]
async fn close_fails_those_that_wait_and_those_that_come() {
    let semaphore = DeferredSemaphore::new(1);
    let _held = semaphore.acquire().await.unwrap();
    let waiter = semaphore.acquire();
    let job = semaphore.run(|| -> Result<(), Failure> { unreachable!("it never has a permit") });
    semaphore.as_tokio().close();
    let error = waiter.await.unwrap_err();
    assert!(error.downcast_ref::<AcquireError>().is_some(), "{error:?}");
    assert!(
        job.await
            .unwrap_err()
            .downcast_ref::<AcquireError>()
            .is_some()
    );
    let late = testing::failure_of(semaphore.acquire());
    assert!(late.is::<AcquireError>(), "{late:?}");
}

#[test]
fn shutdown_fails_the_waiters_of_that_runtime_and_serves_the_others() {
    let (here, there) = (current_thread(), current_thread());
    let semaphore = DeferredSemaphore::new(1);
    let held = testing::success_of(semaphore.acquire());
    let wait_on = |runtime: &Runtime| {
        let _entered = runtime.enter();
        semaphore.acquire()
    };
    let gone: Vec<_> = (0..3).map(|_| wait_on(&there)).collect();
    let kept = wait_on(&here);
    // Its task has run once, and one waiter has the permit that was released.
    there.block_on(settle());
    drop(held);
    drop(there);
    for waiter in gone {
        let failure = testing::failure_of(waiter);
        assert!(failure.is::<NoRuntime>(), "{failure:?}");
    }
    drop(here.block_on(kept).unwrap());
    assert_eq!(semaphore.tokens(), 1);
}

#[test]
fn shutdown_drops_what_waits_there_though_nothing_wakes_it() {
    let runtime = current_thread();
    let semaphore = DeferredSemaphore::new(1);
    let held = testing::success_of(semaphore.acquire());
    let users = || Arc::strong_count(semaphore.as_tokio());
    let before = users();
    let waiter = {
        let _entered = runtime.enter();
        semaphore.acquire()
    };
    runtime.block_on(settle());
    assert!(users() > before);
    drop(runtime);
    assert_eq!(users(), before);
    assert!(testing::failure_of(waiter).is::<NoRuntime>());
    drop(held);
}

#[test]
fn wait_on_a_runtime_that_was_shut_down_fails() {
    let runtime = current_thread();
    let handle = runtime.handle().clone();
    drop(runtime);
    let semaphore = DeferredSemaphore::new(1);
    let held = testing::success_of(semaphore.acquire());
    let _entered = handle.enter();
    assert!(testing::failure_of(semaphore.acquire()).is::<NoRuntime>());
    drop(held);
    assert_eq!(semaphore.tokens(), 1);
}

#[test]
fn callbacks_run_on_the_runtime_they_waited_on() {
    let runtimes = [current_thread(), current_thread()];
    let semaphore = DeferredSemaphore::new(1);
    let held = testing::success_of(semaphore.acquire());
    let ids = runtimes.each_ref().map(|runtime| {
        let _entered = runtime.enter();
        semaphore.run(|| Ok(tokio::runtime::Handle::current().id()))
    });
    drop(held);
    for (runtime, id) in runtimes.iter().zip(ids) {
        assert_eq!(runtime.block_on(id).unwrap(), runtime.handle().id());
    }
}

#[test]
fn run_releases_before_the_next_stage_whatever_the_outcome() {
    let semaphore = DeferredSemaphore::new(1);
    let tokens = |d: Deferred<()>| {
        let semaphore = semaphore.clone();
        d.add_both(move |result| Ok((result.is_ok(), semaphore.tokens())))
    };
    let inside = semaphore.clone();
    let done = semaphore.run(move || assert_eq!(inside.tokens(), 0));
    assert_eq!(testing::success_of(tokens(done)), (true, 1));
    let failed = semaphore.run(|| -> Result<(), Failure> { Err(Failure::new("no")) });
    assert_eq!(testing::success_of(tokens(failed)), (false, 1));
    let panicked =
        semaphore.run(|| -> Result<(), Failure> { std::panic::resume_unwind(Box::new(1)) });
    assert_eq!(testing::success_of(tokens(panicked)), (false, 1));
    let (resolver, d) = Deferred::new();
    let waits = tokens(semaphore.run(|| d));
    assert_eq!(semaphore.tokens(), 0);
    resolver.callback(());
    assert_eq!(testing::success_of(waits), (true, 1));
}

#[test]
fn cancel_of_a_running_job_cancels_what_it_returned() {
    let semaphore = DeferredSemaphore::new(1);
    let (resolver, d) = Deferred::<()>::new();
    let job = semaphore.run(|| d);
    job.cancel();
    assert!(resolver.is_cancelled());
    assert!(testing::failure_of(job).is_cancelled());
    assert_eq!(semaphore.tokens(), 1);
}

#[tokio::test]
async fn cancel_of_a_queued_job_never_starts_it() {
    let semaphore = DeferredSemaphore::new(1);
    let held = semaphore.acquire().await.unwrap();
    let (started, is_started) = mpsc::channel();
    let job = semaphore.run(move || started.send(()).unwrap());
    job.cancel();
    assert!(testing::failure_of(job).is_cancelled());
    drop(held);
    settle().await;
    assert!(is_started.try_recv().is_err());
    assert_eq!(semaphore.tokens(), 1);
}

#[tokio::test]
async fn drop_of_a_queued_job_still_runs_it() {
    let semaphore = DeferredSemaphore::new(1);
    let held = semaphore.acquire().await.unwrap();
    let (started, is_started) = mpsc::channel();
    drop(semaphore.run(move || started.send(()).unwrap()));
    drop(held);
    settle().await;
    is_started.try_recv().unwrap();
    assert_eq!(semaphore.tokens(), 1);
}

#[tokio::test]
async fn hundred_thousand_jobs_that_end_at_once_do_not_recurse() {
    const JOBS: usize = if cfg!(miri) { 300 } else { 100_000 };
    let semaphore = DeferredSemaphore::new(1);
    let held = semaphore.acquire().await.unwrap();
    let done = Arc::new(AtomicUsize::new(0));
    let mut last = None;
    for _ in 0..JOBS {
        let done = done.clone();
        last = Some(semaphore.run(move || {
            done.fetch_add(1, Ordering::Relaxed);
        }));
    }
    drop(held);
    last.unwrap().await.unwrap();
    assert_eq!(done.load(Ordering::Relaxed), JOBS);
}

#[tokio::test]
async fn long_run_of_waiters_lets_other_tasks_run() {
    const WAITERS: usize = if cfg!(miri) { 300 } else { 10_000 };
    let semaphore = DeferredSemaphore::new(1);
    let held = semaphore.acquire().await.unwrap();
    let done = Arc::new(AtomicUsize::new(0));
    for _ in 0..WAITERS {
        let done = done.clone();
        drop(semaphore.run(move || {
            done.fetch_add(1, Ordering::Relaxed);
        }));
    }
    drop(held);
    tokio::task::yield_now().await;
    assert!(
        done.load(Ordering::Relaxed) < WAITERS,
        "they all ran in one go"
    );
}

#[test]
fn closed_then_acquire_without_a_runtime_says_closed() {
    let semaphore = DeferredSemaphore::new(1);
    semaphore.as_tokio().close();
    assert!(testing::failure_of(semaphore.acquire()).is::<AcquireError>());
}

/// A task releases a permit and then blocks its worker; a free thread releases
/// another one.
#[test]
fn release_on_a_free_thread_serves_a_waiter_though_another_worker_is_blocked() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let rounds = if cfg!(miri) { 2 } else { 50 };
    for _ in 0..rounds {
        let semaphore = DeferredSemaphore::new(2);
        let first = testing::success_of(semaphore.acquire());
        let second = testing::success_of(semaphore.acquire());
        let (served, is_served) = mpsc::channel();
        {
            let _entered = runtime.enter();
            for _ in 0..2 {
                let served = served.clone();
                drop(
                    semaphore
                        .acquire()
                        .map(move |permit| served.send(permit).unwrap()),
                );
            }
        }
        let (blocks, is_blocked) = mpsc::channel();
        let (unblock, unblocked) = mpsc::channel::<()>();
        let task = runtime.spawn(async move {
            drop(first);
            blocks.send(()).unwrap();
            let _ = unblocked.recv();
        });
        is_blocked.recv().unwrap();
        drop(second);
        let permit = is_served
            .recv_timeout(Duration::from_secs(10))
            .expect("a permit that is free reaches a waiter while a worker is blocked");
        drop(unblock);
        runtime.block_on(task).unwrap();
        drop(permit);
        drop(is_served.recv().unwrap());
    }
}

/// The callback of one waiter blocks its worker, after three permits came at
/// once.
#[test]
fn waiter_whose_callback_blocks_holds_up_no_other_that_has_its_permit() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(3)
        .build()
        .unwrap();
    let semaphore = DeferredSemaphore::new(3);
    let held = testing::success_of(semaphore.acquire_many(3));
    let (served, is_served) = mpsc::channel();
    let (unblock, unblocked) = mpsc::channel::<()>();
    {
        let _entered = runtime.enter();
        drop(semaphore.acquire().map(move |_permit| unblocked.recv()));
        for _ in 0..2 {
            let served = served.clone();
            drop(
                semaphore
                    .acquire()
                    .map(move |_permit| served.send(()).unwrap()),
            );
        }
    }
    // Here, outside of the runtime: the waiters are woken in one go.
    drop(held);
    for _ in 0..2 {
        is_served
            .recv_timeout(Duration::from_secs(10))
            .expect("a waiter that has its permit is served");
    }
    drop(unblock);
}
