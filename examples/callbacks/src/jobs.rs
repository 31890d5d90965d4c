//! `rayon::spawn`: a job that fires when it is done.

use std::convert::Infallible;
use std::num::ParseIntError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use tokio_deferred::{BoxError, Deferred, OrFail};

use crate::report::report;

/// Runs `job` on rayon's threads.
///
/// Cancelling raises the flag that the job is given; a job that never looks at
/// it runs to its end, unheard. A panic of the job is a failure, where a bare
/// `rayon::spawn` would end the process.
///
/// # Errors
///
/// The job's own.
pub(crate) fn spawn<T, E>(
    job: impl FnOnce(&AtomicBool) -> Result<T, E> + Send + 'static,
) -> Deferred<T>
where
    T: Send + 'static,
    E: Into<BoxError>,
{
    let stop = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&stop);
    let (resolver, deferred) = Deferred::with_canceller(move || {
        raised.store(true, Ordering::Relaxed);
        None
    });
    rayon::spawn(move || {
        let result = Deferred::maybe(|| job(&stop).or_fail());
        // What a job that was told to stop comes to is no result; without a
        // fire, that of the canceller counts.
        if !stop.load(Ordering::Relaxed) {
            resolver.fire_from(result);
        }
    });
    deferred
}

/// Adds up numbers that are still text, in parallel.
fn sum(lines: Vec<String>) -> Deferred<u64> {
    spawn(move |_| {
        lines
            .into_par_iter()
            .map(|line| line.parse::<u64>())
            .sum::<Result<u64, ParseIntError>>()
    })
}

pub(crate) async fn show() -> anyhow::Result<()> {
    let numbers = (1..=1000).map(|n: u32| n.to_string()).collect();
    report::<_, ParseIntError>("rayon: sum of 1 to 1000", &sum(numbers).await);

    let numbers = vec!["1".into(), "two".into(), "3".into()];
    report::<_, ParseIntError>("rayon: sum of 1, two, 3", &sum(numbers).await);

    let (started, has_started) = Deferred::new();
    let (stopped, has_stopped) = Deferred::new();
    let endless = spawn(move |stop| {
        started.callback(());
        while !stop.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
        stopped.callback("the job saw the flag and ended");
        Ok::<_, Infallible>("never seen")
    });
    has_started.await?;
    endless.cancel();
    report::<_, Infallible>("rayon: a job that is cancelled", &endless.await);
    report::<_, Infallible>("rayon: what it did then", &has_stopped.await);
    Ok(())
}
