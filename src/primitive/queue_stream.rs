//! The items of a queue as a stream.
//!
//! A stream waits with a get, which it keeps between its polls: so it keeps its
//! place in the queue, and the stream's drop gives an item that was delivered
//! and not polled back, as the drop of any get does.

use super::queue::{DeferredQueue, Got, Shared};
use crate::chain::Deferred;
use futures::stream::{FusedStream, Stream};
use std::fmt;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::task::coop::consume_budget;

/// The items of a [`DeferredQueue`] as a [`Stream`]; see
/// [`DeferredQueue::into_stream`].
#[must_use = "a stream does nothing unless it is polled"]
pub struct DeferredQueueStream<T> {
    queue: Arc<Shared<T>>,
    get: Option<Deferred<T>>,
    ended: bool,
    made: &'static Location<'static>,
}

impl<T: Send + 'static> DeferredQueue<T> {
    /// Makes a stream of the items, in their order.
    ///
    /// The stream ends when the queue keeps no item, and either was
    /// [closed](Self::close) or has no handle any more: a stream is none. A
    /// stream takes its place among the gets when it is first polled without
    /// finding an item, whatever the backlog is. Several streams, and gets
    /// beside them, share the items: each item comes out once.
    ///
    /// # Cancel safety
    ///
    /// No item is lost when the stream, or a future that polls it, is dropped:
    /// an item that was delivered and not polled goes back to where it was.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::StreamExt;
    /// use tokio_deferred::DeferredQueue;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let queue = DeferredQueue::new();
    /// let items = queue.clone().into_stream();
    /// std::thread::spawn(move || {
    ///     for n in 0..3 {
    ///         queue.put(n).unwrap();
    ///     }
    ///     // Here the last handle goes.
    /// });
    /// assert_eq!(items.collect::<Vec<_>>().await, [0, 1, 2]);
    /// # }
    /// ```
    #[track_caller]
    pub fn into_stream(self) -> DeferredQueueStream<T> {
        DeferredQueueStream {
            queue: self.shared().clone(),
            get: None,
            ended: false,
            made: Location::caller(),
        }
    }
}

impl<T: Send + 'static> Stream for DeferredQueueStream<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = &mut *self;
        if this.ended {
            return Poll::Ready(None);
        }
        loop {
            if let Some(get) = &mut this.get {
                let result = ready!(Pin::new(get).poll(cx));
                this.get = None;
                if let Ok(item) = result {
                    return Poll::Ready(Some(item));
                }
                // The queue ended; what came back to it meanwhile is still there.
            }
            // A task that finds an item at each poll lets others run as well.
            ready!(pin!(consume_budget()).poll(cx));
            match this.queue.get(None, this.made) {
                Got::Item(_, item) => return Poll::Ready(Some(item)),
                Got::Waits(get) => this.get = Some(get),
                Got::Closed | Got::Full => {
                    this.ended = true;
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        if self.ended { (0, Some(0)) } else { (0, None) }
    }
}

impl<T: Send + 'static> FusedStream for DeferredQueueStream<T> {
    fn is_terminated(&self) -> bool {
        self.ended
    }
}

impl<T> fmt::Debug for DeferredQueueStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeferredQueueStream")
            .field("waiting", &self.get.is_some())
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
