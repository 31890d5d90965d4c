//! Waiting for a result on a thread, without a runtime.

use super::may_block;
use crate::chain::Deferred;
use crate::failure::{CannotBlock, DeferredError, Failure};
use std::panic::Location;
use std::time::{Duration, Instant};

/// # Waiting on a thread
impl<T: Send + 'static> Deferred<T> {
    /// Blocks this thread until the result is there, and returns it.
    ///
    /// It needs no runtime: whoever fires the Deferred wakes this thread. What
    /// the Deferred waits for must come from another thread. In an async fn,
    /// `.await` the Deferred instead; [`wait_timeout`](Deferred::wait_timeout)
    /// waits for a limited time.
    ///
    /// # Errors
    ///
    /// - The failure of the Deferred.
    /// - [`CannotBlock`] on a thread that runs the tasks of a Tokio runtime, if
    ///   there is no result yet: the tasks would stop, the one that is waited for
    ///   among them. The Deferred is dropped, which detaches it. Code inside of
    ///   `spawn_blocking` and `block_in_place` may wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::Deferred;
    ///
    /// let d = Deferred::from_callback(|resolver| {
    ///     std::thread::spawn(move || resolver.callback(6 * 7));
    /// });
    /// assert_eq!(d.wait().unwrap(), 42);
    /// ```
    #[doc(alias = "recv")]
    #[doc(alias = "block_on")]
    #[doc(alias = "join")]
    #[track_caller]
    pub fn wait(mut self) -> Result<T, DeferredError> {
        if !self.is_settled() {
            if !may_block() {
                return Err(cannot_block(Location::caller()));
            }
            self.park_until_fired(None);
        }
        match self.try_into_awaited() {
            Ok(result) => result,
            Err(_) => unreachable!("at rest it stays at rest while we have it"),
        }
    }

    /// Blocks this thread until the result is there, at most for `limit`, and
    /// returns it; as [`wait`](Deferred::wait) in all else.
    ///
    /// # Errors
    ///
    /// The Deferred, if the time is over: it goes on, and may be waited for
    /// again, awaited, or cancelled. A failure, [`CannotBlock`] among them, is
    /// inside the `Ok`, as the Deferred is gone then.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use tokio_deferred::Deferred;
    ///
    /// let (resolver, d) = Deferred::new();
    /// let d = d.wait_timeout(Duration::from_millis(1)).unwrap_err(); // the time is over
    /// resolver.callback(1);
    /// assert_eq!(d.wait_timeout(Duration::from_secs(60)).unwrap().unwrap(), 1);
    /// ```
    #[doc(alias = "recv_timeout")]
    #[track_caller]
    pub fn wait_timeout(mut self, limit: Duration) -> Result<Result<T, DeferredError>, Self> {
        if !self.is_settled() {
            if !may_block() {
                return Ok(Err(cannot_block(Location::caller())));
            }
            // A deadline that no clock can show never comes.
            self.park_until_fired(Instant::now().checked_add(limit));
        }
        self.try_into_awaited()
    }
}

#[cold]
fn cannot_block(at: &'static Location<'static>) -> DeferredError {
    Failure::from_error(CannotBlock::new(), at).into()
}
