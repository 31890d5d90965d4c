//! A thousand jobs that queue at a taken semaphore of ten, until all is done.

use super::{Contestant, Group};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_deferred::{DeferredSemaphore, gather_results};

const JOBS: u64 = 1_000;
const LIMIT: u32 = 10;

pub(super) fn group() -> Group {
    let sum = JOBS * (JOBS + 1) / 2;
    Group {
        name: "semaphore",
        units: JOBS,
        contestants: vec![
            Contestant::awaited("deferred", sum, async |n| {
                let semaphore = DeferredSemaphore::new(LIMIT as usize);
                let all = semaphore.acquire_many(LIMIT).await.expect("open");
                let jobs: Vec<_> = (n..=JOBS)
                    .map(|job| semaphore.run(move || Ok(job)))
                    .collect();
                drop(all);
                let values = gather_results(jobs).await.expect("no job fails");
                values.into_iter().sum()
            }),
            Contestant::awaited("tokio_task", sum, async |n| {
                let semaphore = Arc::new(Semaphore::new(LIMIT as usize));
                let all = semaphore.acquire_many(LIMIT).await.expect("open");
                let jobs: Vec<_> = (n..=JOBS)
                    .map(|job| {
                        let semaphore = Arc::clone(&semaphore);
                        tokio::spawn(async move {
                            let _permit = semaphore.acquire().await.expect("open");
                            job
                        })
                    })
                    .collect();
                // Lets every job queue.
                tokio::task::yield_now().await;
                drop(all);
                let mut sum = 0;
                for job in jobs {
                    sum += job.await.expect("no panic");
                }
                sum
            }),
        ],
    }
}
