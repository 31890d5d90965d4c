//! The side of a stream that the callback has.

use super::channel::Channel;
use crate::failure::{BoxError, Failure};
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

/// The producing side of a [`CallbackStream`](super::CallbackStream): what a
/// callback emits values through, from any thread, with or without a runtime.
///
/// It can be cloned for APIs with several callbacks. The stream ends when all
/// emitters are gone, or before that by [`end`](Self::end) or
/// [`fail`](Self::fail). An emitter does not keep the stream open: once the
/// stream was dropped, values come back.
pub struct Emitter<T> {
    channel: Arc<Channel<T>>,
}

/// A value that [`Emitter::emit`] did not take.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejected<T> {
    /// The buffer, a [`Buffer::Refuse`](super::Buffer::Refuse), is full.
    #[error("the buffer of the stream is full")]
    Full(T),
    /// The stream has ended, or was dropped.
    #[error("the stream is closed")]
    Closed(T),
}

impl<T> Rejected<T> {
    /// Returns the value.
    pub fn into_inner(self) -> T {
        match self {
            Rejected::Full(value) | Rejected::Closed(value) => value,
        }
    }
}

impl<T> fmt::Debug for Rejected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rejected::Full(_) => "Full(..)",
            Rejected::Closed(_) => "Closed(..)",
        })
    }
}

impl<T: Send + 'static> Emitter<T> {
    pub(super) fn new(channel: Arc<Channel<T>>) -> Self {
        Emitter { channel }
    }

    /// Hands `value` to the stream, and wakes the task that awaits it.
    ///
    /// It never waits. Where the [`Buffer`](super::Buffer) makes it drop a value,
    /// this one or the oldest, that happens on this thread, and a panic of the
    /// drop is caught.
    ///
    /// # Errors
    ///
    /// The value, if the stream has ended or was dropped, or if its buffer
    /// refuses it.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::stream::{Buffer, Rejected, callback_stream};
    ///
    /// let mut kept = None;
    /// let stream = callback_stream(Buffer::Refuse(1), |emitter| {
    ///     emitter.emit(1).unwrap();
    ///     assert_eq!(emitter.emit(2), Err(Rejected::Full(2)));
    ///     kept = Some(emitter);
    ///     || {}
    /// });
    /// drop(stream);
    /// assert_eq!(kept.unwrap().emit(3), Err(Rejected::Closed(3)));
    /// ```
    #[doc(alias = "trySend")]
    #[doc(alias = "yield")]
    pub fn emit(&self, value: T) -> Result<(), Rejected<T>> {
        self.channel.emit(value)
    }

    /// Ends the stream with an error, after the values that were emitted before.
    ///
    /// Returns whether the stream will deliver it: not if the stream has ended
    /// already or was dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::StreamExt;
    /// use tokio_deferred::stream::{Buffer, callback_stream};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut stream = callback_stream(Buffer::Unbounded, |emitter| {
    ///     emitter.emit(1).unwrap();
    ///     assert!(emitter.fail("unplugged"));
    ///     || {}
    /// });
    /// assert_eq!(stream.next().await.unwrap().unwrap(), 1);
    /// assert_eq!(stream.next().await.unwrap().unwrap_err().failure().to_string(), "unplugged");
    /// assert!(stream.next().await.is_none());
    /// # }
    /// ```
    #[track_caller]
    pub fn fail(&self, error: impl Into<BoxError>) -> bool {
        let failure = Failure::from_box(error.into(), Location::caller());
        self.channel.finish(Some(failure))
    }

    /// Ends the stream, after the values that were emitted before. A second end
    /// does nothing.
    pub fn end(&self) {
        self.channel.finish(None);
    }

    /// Returns whether the stream was dropped, or has delivered its end: no
    /// value will be seen any more.
    pub fn is_closed(&self) -> bool {
        self.channel.is_closed()
    }

    /// Completes when the stream was dropped, or has delivered its end.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if it is dropped before; the next call starts anew.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::stream::{Buffer, callback_stream};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut emitter = None;
    /// let stream = callback_stream::<i32, _>(Buffer::Unbounded, |e| {
    ///     emitter = Some(e);
    ///     || {}
    /// });
    /// drop(stream);
    /// emitter.unwrap().closed().await;
    /// # }
    /// ```
    pub async fn closed(&self) {
        self.channel.closed().await;
    }
}

impl<T> Clone for Emitter<T> {
    fn clone(&self) -> Self {
        self.channel.add_emitter();
        Emitter {
            channel: self.channel.clone(),
        }
    }
}

impl<T> Drop for Emitter<T> {
    fn drop(&mut self) {
        self.channel.drop_emitter();
    }
}

impl<T> fmt::Debug for Emitter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emitter")
            .field("closed", &self.channel.is_closed())
            .finish_non_exhaustive()
    }
}
