//! What the emitters and the stream share.
//!
//! Rules:
//!
//! - \[short lock\] The lock is held for moves only: over no drop of a value, no
//!   wake, no report and no other code of a user.
//! - \[one end\] `end` is set once: by the first `end` or `fail`, by the drop of
//!   the last emitter, or by a start that failed. Values that came before it
//!   are still delivered; later ones are rejected.
//! - \[closed is last\] `closed` is set once, by the stream: by its drop, or when
//!   it delivers its end. From then on nothing is stored. Whoever sets it drops
//!   what was stored.
//! - \[a failure is told\] A failure that the stream had no chance to deliver is
//!   reported as unhandled by the stream's drop.

use super::buffer::{Buffer, Stored};
use super::emitter::Rejected;
use crate::failure::{Failure, catch_and_log};
use crate::sync::{Mutex, lock};
use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};
use tokio::sync::Notify;

pub(super) struct Channel<T> {
    buffer: Buffer,
    state: Mutex<State<T>>,
    /// Wakes those who wait for `closed`.
    closing: Notify,
}

struct State<T> {
    waiting: VecDeque<T>,
    /// The task that polled the stream last and found nothing.
    waker: Option<Waker>,
    end: Option<End>,
    closed: bool,
    emitters: usize,
    missed: u64,
}

/// How the stream ends.
enum End {
    Finished,
    Failed(Failure),
}

/// What the stream finds.
pub(super) enum Next<T> {
    Value(T),
    Failed(Failure),
    Finished,
}

impl<T> Channel<T> {
    /// Makes a channel with one emitter.
    pub(super) fn new(buffer: Buffer) -> Self {
        Channel {
            buffer,
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                waker: None,
                end: None,
                closed: false,
                emitters: 1,
                missed: 0,
            }),
            closing: Notify::new(),
        }
    }

    pub(super) fn add_emitter(&self) {
        lock(&self.state).emitters += 1;
    }

    /// Ends the stream if that was the last emitter.
    pub(super) fn drop_emitter(&self) {
        let mut state = lock(&self.state);
        state.emitters -= 1;
        let waker = match state.emitters {
            0 => state.set_end(End::Finished).unwrap_or(None),
            _ => None,
        };
        drop(state);
        wake(waker);
    }

    pub(super) fn emit(&self, value: T) -> Result<(), Rejected<T>> {
        let mut state = lock(&self.state);
        if state.closed || state.end.is_some() {
            drop(state);
            return Err(Rejected::Closed(value));
        }
        let stored = self.buffer.store(&mut state.waiting, value);
        if let Stored::Dropped(_) = stored {
            state.missed += 1;
        }
        let waker = state.waker.take();
        drop(state);
        wake(waker);
        match stored {
            Stored::Kept => Ok(()),
            Stored::Dropped(value) => {
                catch_and_log("the drop of a value", || drop(value));
                Ok(())
            }
            Stored::Refused(value) => Err(Rejected::Full(value)),
        }
    }

    /// Ends the stream; returns whether this was its first end, and the stream
    /// was there.
    pub(super) fn finish(&self, failure: Option<Failure>) -> bool {
        let end = failure.map_or(End::Finished, End::Failed);
        let mut state = lock(&self.state);
        let ended = if state.closed {
            Err(end)
        } else {
            state.set_end(end)
        };
        drop(state);
        match ended {
            Ok(waker) => {
                wake(waker);
                true
            }
            Err(late) => {
                catch_and_log("the drop of an error", || drop(late));
                false
            }
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.state).closed
    }

    /// Completes when the stream is closed.
    pub(super) async fn closed(&self) {
        let mut closing = std::pin::pin!(self.closing.notified());
        // Enabled before the look, so that a close between the two is seen.
        closing.as_mut().enable();
        if !self.is_closed() {
            closing.await;
        }
    }

    pub(super) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Next<T>> {
        // A waker's clone is a user's code: it is made before the lock.
        let fresh = cx.waker().clone();
        let mut state = lock(&self.state);
        if let Some(value) = state.waiting.pop_front() {
            drop(state);
            return Poll::Ready(Next::Value(value));
        }
        match state.end.take() {
            Some(End::Failed(failure)) => {
                // After the failure, the end.
                state.end = Some(End::Finished);
                drop(state);
                Poll::Ready(Next::Failed(failure))
            }
            Some(End::Finished) => {
                state.end = Some(End::Finished);
                drop(state);
                Poll::Ready(Next::Finished)
            }
            None => {
                let old = state.waker.replace(fresh);
                drop(state);
                catch_and_log("the drop of a waker", || drop(old));
                Poll::Pending
            }
        }
    }

    /// Closes the channel from the stream's side, and returns the failure that
    /// was not delivered.
    pub(super) fn close(&self) -> Option<Failure> {
        let mut state = lock(&self.state);
        state.closed = true;
        let end = state.end.replace(End::Finished);
        let waiting = std::mem::take(&mut state.waiting);
        let waker = state.waker.take();
        drop(state);
        self.closing.notify_waiters();
        for value in waiting {
            catch_and_log("the drop of a value", || drop(value));
        }
        catch_and_log("the drop of a waker", || drop(waker));
        match end {
            Some(End::Failed(failure)) => Some(failure),
            Some(End::Finished) | None => None,
        }
    }

    pub(super) fn missed(&self) -> u64 {
        lock(&self.state).missed
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.state).waiting.len()
    }
}

impl<T> State<T> {
    /// Sets the end, unless there is one, and returns the task to be woken.
    fn set_end(&mut self, end: End) -> Result<Option<Waker>, End> {
        if self.end.is_some() {
            return Err(end);
        }
        self.end = Some(end);
        Ok(self.waker.take())
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        catch_and_log("a waker", || waker.wake());
    }
}
