//! What becomes of a value that is emitted while others wait to be polled.

use std::collections::VecDeque;

/// What a [`CallbackStream`](super::CallbackStream) does with values that come
/// faster than they are polled.
///
/// A callback cannot wait, so one of these has to give: memory, an old value, a
/// new value, or the caller of the callback.
///
/// A limit of 0 counts as 1.
///
/// # Examples
///
/// ```
/// use futures::StreamExt;
/// use tokio_deferred::stream::{Buffer, callback_stream};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// for (buffer, expected) in [
///     (Buffer::Unbounded, vec![1, 2, 3]),
///     (Buffer::Newest(2), vec![2, 3]),
///     (Buffer::Oldest(2), vec![1, 2]),
/// ] {
///     let stream = callback_stream(buffer, |emitter| {
///         for n in 1..=3 {
///             emitter.emit(n).unwrap();
///         }
///         emitter.end();
///         || {}
///     });
///     let values: Vec<i32> = stream.map(Result::unwrap).collect().await;
///     assert_eq!(values, expected);
/// }
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffer {
    /// Keeps all of them.
    Unbounded,
    /// Keeps this many, the newest: a new value takes the place of the oldest,
    /// which is dropped. For positions, levels and other states.
    Newest(usize),
    /// Keeps this many, the oldest: a new value is dropped while that many wait.
    Oldest(usize),
    /// Keeps this many; a further [`emit`](super::Emitter::emit) gives its value
    /// back, so that the callback can tell the API to slow down.
    Refuse(usize),
}

/// What the buffer did with a value.
pub(super) enum Stored<T> {
    Kept,
    /// It was kept, and this one, the oldest, was not; or this one is the value
    /// itself.
    Dropped(T),
    Refused(T),
}

impl Buffer {
    /// Puts `value` into `waiting`, as far as this policy lets it.
    pub(super) fn store<T>(self, waiting: &mut VecDeque<T>, value: T) -> Stored<T> {
        let limit = match self {
            Buffer::Unbounded => usize::MAX,
            Buffer::Newest(n) | Buffer::Oldest(n) | Buffer::Refuse(n) => n.max(1),
        };
        if waiting.len() < limit {
            waiting.push_back(value);
            return Stored::Kept;
        }
        match self {
            Buffer::Newest(_) => {
                let oldest = waiting.pop_front();
                waiting.push_back(value);
                oldest.map_or(Stored::Kept, Stored::Dropped)
            }
            Buffer::Oldest(_) => Stored::Dropped(value),
            Buffer::Unbounded | Buffer::Refuse(_) => Stored::Refused(value),
        }
    }
}
