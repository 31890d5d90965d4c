//! Random operations on several threads: the limit holds, and every permit
//! comes back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use test_support::Random;
use tokio::runtime::Builder;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;
use tokio_deferred::{CancelHandle, Deferred, DeferredSemaphore, Failure, Resolver};

const LIMIT: usize = 5;
const THREADS: u64 = 4;
const OPERATIONS: usize = if cfg!(miri) { 50 } else { 25_000 };

/// Counts the permits that are in use.
#[derive(Clone, Default)]
struct Used(Arc<AtomicUsize>);

struct Using(Used, usize);

impl Used {
    fn start(&self, n: usize) -> Using {
        let used = self.0.fetch_add(n, Ordering::SeqCst) + n;
        assert!(used <= LIMIT, "{used} permits are in use");
        Using(self.clone(), n)
    }
}

impl Drop for Using {
    fn drop(&mut self) {
        self.0.0.fetch_sub(self.1, Ordering::SeqCst);
    }
}

/// What a thread has to finish later.
#[derive(Default)]
struct Left {
    waits: VecDeque<Deferred<OwnedSemaphorePermit>>,
    jobs: VecDeque<(Resolver<()>, CancelHandle)>,
    tasks: Vec<JoinHandle<()>>,
}

fn operate(semaphore: &DeferredSemaphore, used: &Used, random: &mut Random, left: &mut Left) {
    let used = used.clone();
    let many = 1 + random.below(3) as u32;
    match random.below(12) {
        // Dropped with no callback, waiting or with the permit.
        0 => drop(semaphore.acquire_many(many)),
        1 => left.waits.push_back(semaphore.acquire_many(many)),
        2 => drop(left.waits.pop_front()),
        3 => {
            if let Some(waiter) = left.waits.pop_front() {
                waiter.cancel();
                // A permit that came first counts as well.
                drop(
                    waiter
                        .add_errback(|f| {
                            if f.is_cancelled() {
                                Err(f)
                            } else {
                                panic!("{f:?}")
                            }
                        })
                        .add_both(|_| ()),
                );
            }
        }
        4 => drop(semaphore.acquire().map(move |permit| {
            let using = used.start(1);
            drop(using);
            drop(permit);
        })),
        5 => drop(semaphore.run(move || drop(used.start(1)))),
        6 => drop(
            semaphore
                .run(move || -> Result<(), Failure> {
                    let _using = used.start(1);
                    Err(Failure::new("a job that fails"))
                })
                .add_errback(|_| ()),
        ),
        7 => drop(
            semaphore
                .run(move || -> Result<(), Failure> {
                    let _using = used.start(1);
                    std::panic::resume_unwind(Box::new("a job that panics"))
                })
                .add_errback(|f| assert!(f.is_panic())),
        ),
        8 => {
            let (resolver, d) = Deferred::new();
            let d = d.add_errback(|_| ());
            let mut job = semaphore.run(move || {
                let using = used.start(1);
                d.finally(move || drop(using))
            });
            left.jobs.push_back((resolver, job.cancel_handle()));
            drop(job.add_errback(|_| ()));
        }
        9 => match left.jobs.pop_front() {
            Some((resolver, _)) if many == 1 => resolver.callback(()),
            Some((_, cancel)) if many == 2 => {
                cancel.cancel();
            }
            other => drop(other),
        },
        10 => {
            let shared = semaphore.as_tokio().clone();
            left.tasks.push(tokio::spawn(async move {
                let permit = shared.acquire_many(many).await.unwrap();
                let using = used.start(many as usize);
                tokio::task::yield_now().await;
                drop(using);
                drop(permit);
            }));
        }
        _ => {
            let waiter = semaphore.acquire();
            let micros = random.below(200);
            left.tasks.push(tokio::spawn(async move {
                let patience = Duration::from_micros(micros);
                if let Ok(permit) = tokio::time::timeout(patience, waiter).await {
                    let _permit = permit.unwrap();
                    drop(used.start(1));
                }
            }));
        }
    }
}

#[test]
fn hundred_thousand_operations_on_several_threads_end_with_all_permits_back() {
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or(0x5EED_0001_u64);
    println!("SEED={seed}");
    let runtime = Builder::new_multi_thread()
        .worker_threads(3)
        .enable_all()
        .build()
        .unwrap();
    let semaphore = DeferredSemaphore::new(LIMIT);
    let used = Used::default();
    let tasks: Vec<_> = std::thread::scope(|scope| {
        let threads = (0..THREADS).map(|thread| {
            let (semaphore, used, runtime) = (&semaphore, &used, &runtime);
            scope.spawn(move || {
                let _entered = runtime.enter();
                let mut random = Random::seeded(thread);
                let mut left = Left::default();
                for _ in 0..OPERATIONS {
                    operate(semaphore, used, &mut random, &mut left);
                    while left.waits.len() + left.jobs.len() > 8 {
                        // So that not all wait for this thread.
                        drop(left.waits.pop_front());
                        drop(left.jobs.pop_front());
                    }
                }
                left.tasks
            })
        });
        let threads: Vec<_> = threads.collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    let all = runtime.block_on(async {
        for task in tasks {
            task.await.unwrap();
        }
        // All that waits for a permit is ahead of this.
        let all = semaphore.acquire_many(LIMIT as u32);
        tokio::time::timeout(Duration::from_secs(60), all).await
    });
    drop(all.expect("a permit was lost").unwrap());
    assert_eq!(semaphore.tokens(), LIMIT);
    assert_eq!(used.0.load(Ordering::SeqCst), 0);
}
