//! The stream itself, and the registration that it holds.
//!
//! Rules:
//!
//! - \[unregistered once\] The function that unregisters is called once: by the
//!   drop of the stream, or before, when the stream delivers its end. It runs on
//!   the thread that polls or drops the stream, under no lock; its panic is
//!   caught.
//! - \[closed, then unregistered\] The channel is closed first. So what the API
//!   still calls back with, also from inside the unregistration, is rejected and
//!   goes back to the callback.

use super::buffer::Buffer;
use super::channel::{Channel, Next};
use super::emitter::Emitter;
use crate::failure::{DeferredError, Failure, catch_and_log, report};
use futures::stream::{FusedStream, Stream};
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

type Unregister = Box<dyn FnOnce() + Send>;

/// What the function given to [`callback_stream`] returns: a function that
/// unregisters the callback, or a `Result` of one with a [`Failure`].
///
/// It is sealed: these are all that there are.
#[diagnostic::on_unimplemented(
    message = "the start of a stream cannot return `{Self}`",
    label = "returns no function that unregisters the callback",
    note = "return a closure that unregisters, such as `move || watcher.stop()`; `|| {{}}` where there is nothing to do",
    note = "where the registration may fail, use `?` and return `Ok(move || ..)`"
)]
pub trait Registered: sealed::Sealed {
    #[doc(hidden)]
    fn into_unregister(self) -> Result<Unregister, Failure>;
}

impl<F: FnOnce() + Send + 'static> Registered for F {
    fn into_unregister(self) -> Result<Unregister, Failure> {
        Ok(Box::new(self))
    }
}

impl<F: FnOnce() + Send + 'static> Registered for Result<F, Failure> {
    fn into_unregister(self) -> Result<Unregister, Failure> {
        self.map(|f| -> Unregister { Box::new(f) })
    }
}

mod sealed {
    use crate::failure::Failure;

    pub trait Sealed {}
    impl<F: FnOnce() + Send + 'static> Sealed for F {}
    impl<F: FnOnce() + Send + 'static> Sealed for Result<F, Failure> {}
}

/// Registers a callback, and makes a stream of what it emits.
///
/// `start` gets the [`Emitter`] for the callback, registers the callback, and
/// returns a function that unregisters it. That function is called once: when
/// the stream is dropped, or when the stream delivers its end, on the thread that
/// does so. `start` may instead return a `Result` of that function: an `Err` is
/// the only item of the stream. So is a panic of `start`, unless values were
/// emitted before it.
///
/// The callback may emit from any thread, also before `start` returns. It never
/// waits; `buffer` says what happens if values come faster than they are
/// polled.
///
/// The stream needs no runtime. It ends after [`Emitter::end`] or
/// [`Emitter::fail`], or when the last emitter was dropped.
///
/// # Examples
///
/// ```
/// use futures::StreamExt;
/// use std::io;
/// use tokio_deferred::OrFail;
/// use tokio_deferred::stream::{Buffer, callback_stream};
///
/// fn watch(path: &str, _changed: impl Fn() + Send) -> io::Result<u32> {
///     Err(io::Error::new(io::ErrorKind::NotFound, path.to_owned()))
/// }
/// # fn unwatch(_id: u32) {}
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut changes = callback_stream(Buffer::Newest(1), |emitter| {
///     let id = watch("poems", move || drop(emitter.emit(()))).or_fail()?;
///     Ok(move || unwatch(id))
/// });
/// let error = changes.next().await.unwrap().unwrap_err();
/// assert!(error.is::<io::Error>());
/// assert!(changes.next().await.is_none());
/// # }
/// ```
#[doc(alias = "callbackFlow")]
#[doc(alias = "AsyncStream")]
#[track_caller]
pub fn callback_stream<T, R>(
    buffer: Buffer,
    start: impl FnOnce(Emitter<T>) -> R,
) -> CallbackStream<T>
where
    T: Send + 'static,
    R: Registered,
{
    let created_at = Location::caller();
    let channel = Arc::new(Channel::new(buffer));
    let emitter = Emitter::new(channel.clone());
    // The start's own emitter may be gone when it returns; an error of the start
    // is still the stream's.
    let ours = emitter.clone();
    let started = catch_unwind(AssertUnwindSafe(|| start(emitter).into_unregister()));
    let unregister = match started {
        Ok(Ok(unregister)) => Some(unregister),
        Ok(Err(failure)) => {
            channel.finish(Some(failure));
            None
        }
        Err(payload) => {
            channel.finish(Some(Failure::panicked(payload, created_at)));
            None
        }
    };
    drop(ours);
    CallbackStream {
        channel,
        unregister,
        is_terminated: false,
        created_at,
    }
}

/// The values that a callback was called with; see [`callback_stream`].
///
/// Dropping it unregisters the callback, on this thread, and drops the values
/// that were not polled. A failure that was not polled is then reported as
/// unhandled.
#[must_use = "a stream that is dropped at once unregisters its callback at once"]
pub struct CallbackStream<T> {
    channel: Arc<Channel<T>>,
    unregister: Option<Unregister>,
    is_terminated: bool,
    created_at: &'static Location<'static>,
}

impl<T> CallbackStream<T> {
    /// Returns how many values the buffer dropped up to now, because they came
    /// faster than they were polled.
    pub fn missed(&self) -> u64 {
        self.channel.missed()
    }

    /// Closes the channel and unregisters the callback, once.
    fn close(&mut self) {
        if self.is_terminated {
            return;
        }
        self.is_terminated = true;
        let failure = self.channel.close();
        if let Some(unregister) = self.unregister.take() {
            catch_and_log("the unregistration of a callback", unregister);
        }
        if let Some(failure) = failure {
            report(failure, self.created_at, None);
        }
    }
}

impl<T> Stream for CallbackStream<T> {
    type Item = Result<T, DeferredError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_terminated {
            return Poll::Ready(None);
        }
        self.channel.poll_next(cx).map(|next| match next {
            Next::Value(value) => Some(Ok(value)),
            Next::Failed(failure) => Some(Err(failure.into())),
            Next::Finished => {
                self.close();
                None
            }
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self.is_terminated {
            true => (0, Some(0)),
            false => (self.channel.len(), None),
        }
    }
}

impl<T> FusedStream for CallbackStream<T> {
    /// Returns whether the stream has delivered its end.
    fn is_terminated(&self) -> bool {
        self.is_terminated
    }
}

impl<T> Unpin for CallbackStream<T> {}

impl<T> Drop for CallbackStream<T> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<T> fmt::Debug for CallbackStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackStream")
            .field("waiting", &self.channel.len())
            .field("missed", &self.channel.missed())
            .field("created_at", &format_args!("{}", self.created_at))
            .finish_non_exhaustive()
    }
}
