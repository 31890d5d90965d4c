//! A future whose error becomes a [`Failure`] that names where its Deferred was
//! made.
//!
//! It is no async block: where the drop of what a block awaited panics, the
//! compiler forgets the block's output.

use crate::failure::{BoxError, Failure};
use pin_project_lite::pin_project;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project! {
    /// A fallible future with the place that its failure names.
    pub(super) struct FailingAt<F> {
        // None once it was ready: what the future owns is dropped in the poll
        // that makes it ready, as by the combinators of futures.
        #[pin]
        future: Option<F>,
        created_at: &'static Location<'static>,
    }
}

impl<F> FailingAt<F> {
    pub(super) fn new(future: F, created_at: &'static Location<'static>) -> Self {
        FailingAt {
            future: Some(future),
            created_at,
        }
    }
}

impl<F, T, E> Future for FailingAt<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            panic!("a coroutine is polled no more once it was ready");
        };
        let result = ready!(future.poll(cx));
        this.future.set(None);
        let created_at = *this.created_at;
        Poll::Ready(result.map_err(|error| Failure::from_box(error.into(), created_at)))
    }
}
