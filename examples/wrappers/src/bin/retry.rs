//! Retries with backoff: the crate `backon` calls the wrapper again, as it takes
//! any function that returns a future of a `Result`, and a Deferred is one.

use backon::{ExponentialBuilder, Retryable};
use std::time::Duration;
use tokio_deferred::{Deferred, DeferredError};
use wrappers::Refused;

/// The code of a server that is busy, which is worth another try.
const BUSY: u32 = 16;

/// The callback API: the server is busy at the first two requests.
fn request(attempt: u32, on_done: impl FnOnce(Result<&'static str, Refused>) + Send + 'static) {
    std::thread::spawn(move || {
        on_done(if attempt < 3 {
            Err(Refused(BUSY))
        } else {
            Ok("poem")
        })
    });
}

fn fetch(attempt: u32) -> Deferred<&'static str> {
    Deferred::from_callback(|resolver| request(attempt, resolver.into_fn()))
        .add_timeout(Duration::from_secs(5)) // of this attempt
}

fn is_temporary(error: &DeferredError) -> bool {
    error.is_timed_out() || error.downcast_ref() == Some(&Refused(BUSY))
}

/// At most four retries, 100, 200, 400 and 800 milliseconds apart.
async fn with_retries(
    mut fetch: impl FnMut(u32) -> Deferred<&'static str>,
) -> Result<&'static str, DeferredError> {
    let mut attempt = 0;
    let fetch = || {
        attempt += 1;
        fetch(attempt)
    };
    let backoff = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_times(4);
    fetch
        .retry(backoff)
        .when(is_temporary)
        .notify(|_error, delay| println!("failed; again in {} ms", delay.as_millis()))
        .await
}

#[tokio::main]
async fn main() -> Result<(), DeferredError> {
    println!("{}", with_retries(fetch).await?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn busy_twice_then_the_third_attempt_has_the_value() {
        let start = Instant::now();
        let answer = with_retries(|attempt| match attempt {
            1 | 2 => Deferred::fail(Refused(BUSY)),
            _ => Deferred::succeed("poem"),
        });
        assert_eq!(answer.await.unwrap(), "poem");
        // Tokio's timers are exact to a millisecond.
        let waited = start.elapsed().as_millis();
        assert!((300..=302).contains(&waited), "{waited} ms");
    }

    #[tokio::test(start_paused = true)]
    async fn always_busy_then_five_attempts_and_the_error_by_value() {
        let mut attempts = 0;
        let answer = with_retries(|attempt| {
            attempts = attempt;
            Deferred::fail(Refused(BUSY))
        });
        let error = answer.await.unwrap_err();
        assert_eq!(error.downcast::<Refused>().unwrap(), Refused(BUSY));
        assert_eq!(attempts, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn another_error_then_no_retry() {
        let start = Instant::now();
        let answer = with_retries(|_| Deferred::fail(Refused(1)));
        assert!(answer.await.is_err());
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
