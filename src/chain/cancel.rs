//! Asking for a result no more.

use super::{Deferred, Resolver};
use crate::core::{CancelRequest, DueRun, Handle, pair};
use crate::failure::{BoxError, DeferredError, catch_and_log, report};
use futures::future::FusedFuture;
use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

fn request(reason: Option<BoxError>, at: &'static Location<'static>) -> CancelRequest {
    CancelRequest {
        reason,
        quiet: false,
        at,
    }
}

/// # Cancelling
impl<T: Send + 'static> Deferred<T> {
    /// Cancels the operation behind this Deferred: Twisted's `cancel`.
    ///
    /// - Without a result: the canceller runs, on this thread, and its result is
    ///   the Deferred's; without a canceller the Deferred fails with
    ///   [`Cancelled`](crate::Cancelled). Stages run as at any fire.
    /// - Waiting for a Deferred that a stage returned: that one is cancelled
    ///   instead, and so on inwards.
    /// - While a stage runs on another thread: the cancel arrives when that stage
    ///   is over.
    /// - With a result, from inside a stage of its own, or while it is paused with
    ///   its result: nothing happens.
    ///
    /// Returns whether somebody was asked, or, if a stage or a fire was under way on
    /// another thread, will be if there is something to cancel after it; false if
    /// nothing happens. What comes of it is up to whoever was asked.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let (resolver, d) = Deferred::<i32>::new();
    /// assert!(d.cancel());
    /// assert!(resolver.is_cancelled());
    /// resolver.callback(1); // swallowed
    /// assert!(!d.cancel()); // it has its result
    /// assert!(testing::failure_of(d).is_cancelled());
    /// ```
    #[doc(alias = "abort")]
    #[track_caller]
    pub fn cancel(&self) -> bool {
        self.send_cancel(request(None, Location::caller()))
    }

    /// Cancels, and says why: `reason` is the `source()` of the
    /// [`Cancelled`](crate::Cancelled) that comes of it.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    /// use std::error::Error;
    ///
    /// let (_resolver, d) = Deferred::<()>::new();
    /// d.cancel_with("the user went away");
    /// let failure = testing::failure_of(d);
    /// assert!(failure.is_cancelled());
    /// assert_eq!(failure.source().unwrap().to_string(), "the user went away");
    /// ```
    #[track_caller]
    pub fn cancel_with(&self, reason: impl Into<BoxError>) -> bool {
        self.send_cancel(request(Some(reason.into()), Location::caller()))
    }

    pub(crate) fn send_cancel(&self, request: CancelRequest) -> bool {
        // A Deferred with its result in itself has nothing to cancel.
        match self.repr.consumer() {
            Some(consumer) => consumer.cancel(request),
            None => {
                request.give_up();
                false
            }
        }
    }

    /// Returns a handle that cancels this Deferred, whatever is added to it
    /// and whoever has it.
    ///
    /// # Panics
    ///
    /// If there are more than 268,435,455 handles of one Deferred at once;
    /// cloning a handle does so, too.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let (_resolver, mut d) = Deferred::<()>::new();
    /// let handle = d.cancel_handle();
    /// let d = d.map(|()| 1);
    /// handle.cancel();
    /// assert!(testing::failure_of(d).is_cancelled());
    /// ```
    #[must_use]
    pub fn cancel_handle(&mut self) -> CancelHandle {
        CancelHandle(self.core_handle())
    }

    pub(crate) fn core_handle(&mut self) -> Handle {
        self.repr.handle()
    }

    /// Returns a handle, unless the result is there and nothing is left to
    /// cancel.
    pub(crate) fn pending_handle(&self) -> Option<Handle> {
        let consumer = self.repr.consumer()?;
        (!consumer.is_at_rest()).then(|| consumer.handle())
    }

    /// Cancels, and returns a future of how it ends.
    ///
    /// The cancel is sent at once, before the future is polled. The future is the
    /// Deferred itself: with [`with_cancel_request`](Deferred::with_cancel_request),
    /// for a task, or for a coroutine that cleans up, it completes when the
    /// operation has really ended. Dropped before, it detaches the Deferred.
    ///
    /// # Errors
    ///
    /// What the Deferred fails with: [`Cancelled`](crate::Cancelled), where nobody
    /// answered the cancel in another way.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::Deferred;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let (resolver, d) = Deferred::with_cancel_request(|_why| ());
    /// let mut ending = std::pin::pin!(d.cancel_and_wait());
    /// assert!(futures::poll!(&mut ending).is_pending()); // it is asked, and goes on
    /// resolver.callback("closed");
    /// assert_eq!(ending.await.unwrap(), "closed");
    /// # }
    /// ```
    #[track_caller]
    pub fn cancel_and_wait(
        self,
    ) -> impl Future<Output = Result<T, DeferredError>> + Send + Unpin + use<T> {
        self.send_cancel(request(None, Location::caller()));
        self
    }

    /// Protects the operation from cancels of the Deferred that this returns.
    ///
    /// Such a cancel detaches the operation: the Deferred returned fails with
    /// [`Cancelled`](crate::Cancelled) at once, and the operation goes on. A value
    /// that it brings later is dropped, and a failure is reported as unhandled.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let (commit, d) = Deferred::<()>::new();
    /// let d = d.shield();
    /// d.cancel();
    /// assert!(testing::failure_of(d).is_cancelled());
    /// assert!(!commit.is_cancelled());
    /// # commit.callback(());
    /// ```
    #[track_caller]
    pub fn shield(self) -> Deferred<T> {
        let (made, label) = (self.made(), self.label_of());
        let (producer, consumer) = pair(Location::caller());
        let resolver = Resolver::new(producer);
        self.end(move |result| match resolver.try_fire_for(result) {
            Ok(due) => due,
            Err(Err(failure)) => {
                report(failure, made, label);
                DueRun::NONE
            }
            Err(Ok(value)) => {
                catch_and_log("the drop of a value", || drop(value));
                DueRun::NONE
            }
        });
        Deferred::in_chain(consumer)
    }

    /// Makes dropping cancel, instead of detach.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::Deferred;
    ///
    /// let (resolver, d) = Deferred::<()>::new();
    /// drop(d.cancel_on_drop());
    /// assert!(resolver.is_cancelled());
    /// ```
    pub fn cancel_on_drop(self) -> CancelOnDrop<T> {
        CancelOnDrop(Some(self))
    }
}

/// Cancels a Deferred from elsewhere; see [`Deferred::cancel_handle`].
///
/// Its clones cancel the same Deferred. It keeps no result alive and is no
/// handler of a failure; dropping it does nothing.
///
/// # Examples
///
/// ```
/// use std::thread;
/// use tokio_deferred::{Deferred, testing};
///
/// let (_resolver, mut d) = Deferred::<()>::new();
/// let handle = d.cancel_handle();
/// thread::spawn(move || handle.cancel()).join().unwrap();
/// assert!(testing::failure_of(d).is_cancelled());
/// ```
#[derive(Clone)]
pub struct CancelHandle(Handle);

impl CancelHandle {
    /// Cancels, and returns whether somebody was asked, as [`Deferred::cancel`]
    /// does.
    #[doc(alias = "abort")]
    #[track_caller]
    pub fn cancel(&self) -> bool {
        self.0.cancel(request(None, Location::caller()))
    }

    /// Cancels and says why, as [`Deferred::cancel_with`] does.
    #[track_caller]
    pub fn cancel_with(&self, reason: impl Into<BoxError>) -> bool {
        self.0
            .cancel(request(Some(reason.into()), Location::caller()))
    }

    /// Returns whether there is nothing to cancel at the moment: the Deferred has
    /// its result, or, if a stage returned this Deferred, passed it on.
    ///
    /// A stage that is added later may bring something to cancel again.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::Deferred;
    ///
    /// let (resolver, mut d) = Deferred::new();
    /// let handle = d.cancel_handle();
    /// assert!(!handle.is_finished());
    /// resolver.callback(1);
    /// assert!(handle.is_finished());
    /// assert!(!handle.cancel());
    /// # drop(d);
    /// ```
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl fmt::Debug for CancelHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelHandle").finish_non_exhaustive()
    }
}

/// A Deferred that is cancelled when it is dropped, as futures are.
///
/// It is a future with the Deferred's output. The failure that the drop's
/// cancel makes is not reported as unhandled.
///
/// # Examples
///
/// ```
/// use tokio_deferred::Deferred;
///
/// let (resolver, d) = Deferred::<()>::new();
/// drop(d.cancel_on_drop());
/// assert!(resolver.is_cancelled());
/// ```
#[must_use = "a CancelOnDrop that is dropped at once cancels at once"]
pub struct CancelOnDrop<T>(Option<Deferred<T>>)
where
    // Its drop cancels, which only a Deferred that could be made can do.
    T: Send + 'static;

impl<T: Send + 'static> CancelOnDrop<T> {
    /// Returns the Deferred, which is no longer cancelled by a drop.
    pub fn into_inner(mut self) -> Deferred<T> {
        self.0.take().expect("taken only by value")
    }

    /// Returns a reference to the Deferred.
    pub fn get_ref(&self) -> &Deferred<T> {
        self.0.as_ref().expect("taken only by value")
    }

    fn inner(&mut self) -> &mut Deferred<T> {
        self.0.as_mut().expect("taken only by value")
    }
}

impl<T: Send + 'static> Future for CancelOnDrop<T> {
    type Output = Result<T, DeferredError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(self.inner()).poll(cx)
    }
}

impl<T: Send + 'static> FusedFuture for CancelOnDrop<T> {
    fn is_terminated(&self) -> bool {
        self.get_ref().is_terminated()
    }
}

impl<T: Send + 'static> Drop for CancelOnDrop<T> {
    fn drop(&mut self) {
        if let Some(d) = self.0.take() {
            d.send_cancel(CancelRequest::unwanted(Location::caller()));
        }
    }
}

impl<T: Send + 'static> fmt::Debug for CancelOnDrop<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CancelOnDrop").field(self.get_ref()).finish()
    }
}
