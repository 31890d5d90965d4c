//! The work of each size, checked, and how long it took.

use std::hint::black_box;
use std::time::{Duration, Instant};
use tokio::runtime::Builder;
use tokio_deferred::{Deferred, DeferredSemaphore, gather_results};

/// Something that is done in any size.
pub(crate) struct Work {
    /// What it is.
    pub(crate) name: &'static str,
    /// The largest size.
    pub(crate) largest: u64,
    /// Does it, and returns how long it took.
    pub(crate) run: fn(u64) -> Duration,
}

/// All of it.
pub(crate) const WORKS: [Work; 4] = [
    Work {
        name: "callbacks on one Deferred",
        largest: 1_000_000,
        run: chain,
    },
    Work {
        name: "Deferreds that each wait for the next",
        largest: 1_000_000,
        run: nest,
    },
    Work {
        name: "children of a list",
        largest: 1_000_000,
        run: gather,
    },
    Work {
        name: "waiters on a semaphore",
        largest: 100_000,
        run: wait,
    },
];

fn chain(size: u64) -> Duration {
    let start = Instant::now();
    let (resolver, mut deferred) = Deferred::new();
    for _ in 0..size {
        deferred = deferred.add_callback(|n: u64| Ok(n + 1));
    }
    resolver.callback(black_box(0));
    let result = deferred.try_result();
    checked((result, start.elapsed()), size)
}

fn nest(size: u64) -> Duration {
    let start = Instant::now();
    let (resolver, mut deferred) = Deferred::new();
    for _ in 0..size {
        let inner = deferred;
        let (begin, outer) = Deferred::new();
        deferred = outer.add_callback(move |()| inner);
        begin.callback(());
    }
    resolver.callback(black_box(size));
    let result = deferred.try_result();
    checked((result, start.elapsed()), size)
}

fn gather(size: u64) -> Duration {
    let start = Instant::now();
    let (resolvers, children): (Vec<_>, Vec<_>) = (0..size).map(|_| Deferred::<u64>::new()).unzip();
    let all = gather_results(children).map(|values| values.into_iter().sum());
    for resolver in resolvers {
        resolver.callback(black_box(1));
    }
    let result = all.try_result();
    checked((result, start.elapsed()), size)
}

fn wait(size: u64) -> Duration {
    let runtime = Builder::new_current_thread()
        .build()
        .expect("a current-thread runtime needs nothing of the system");
    runtime.block_on(async {
        let start = Instant::now();
        let semaphore = DeferredSemaphore::new(10);
        let taken = semaphore.acquire_many(10).await;
        let jobs: Vec<_> = (0..size).map(|_| semaphore.run(|| Ok(1))).collect();
        drop(taken);
        let done = gather_results(jobs).await.map(|values| values.iter().sum());
        let took = start.elapsed();
        assert_eq!(done.ok(), Some(size), "every job is done");
        took
    })
}

fn checked<E, F>((result, took): (Result<Result<u64, E>, F>, Duration), size: u64) -> Duration {
    let value = result.ok().and_then(Result::ok);
    assert_eq!(value, Some(size), "the work was done");
    took
}
