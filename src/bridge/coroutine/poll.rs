//! Polls of a coroutine after its first one.

use super::settle::{Here, settle};
use super::{Cancelled, Local, Output, Shared, Spawner, finish};
use crate::chain::enter;
use crate::core::in_span;
use crate::failure::{Failure, catch_and_log};
use crate::sync::lock;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use tokio::task::unconstrained;
use tracing::Span;

/// Polls a coroutine that a fire woke, on the thread that fires, until it waits
/// or is over. By its runner.
pub(super) fn resume<F, T, S>(co: &Shared<F, T, S>)
where
    F: Future<Output = Output<T>> + Send + 'static,
    T: Send + 'static,
    S: Spawner,
{
    loop {
        let entered = co.control().spawner.enter();
        // The budget of the task that fires is not this future's.
        let mut once = pin!(unconstrained(std::future::poll_fn(|_| {
            Poll::Ready(poll(co))
        })));
        let polled = once.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        drop(entered);
        match polled {
            Poll::Ready(Poll::Ready(result)) => return finish(co, result),
            _ if settle(co, Here::MayPoll) => {}
            _ => return,
        }
    }
}

/// Polls the future, in its span; a panic is its result. By the runner.
pub(super) fn poll<F, T, S>(co: &Shared<F, T, S>) -> Poll<Output<T>>
where
    F: Future<Output = Output<T>> + Send + 'static,
    T: Send + 'static,
    S: Spawner,
{
    let mut turn = co.turn();
    let local = turn.local();
    let mut awaited = std::mem::take(&mut local.awaited);
    let span = std::mem::replace(&mut local.span, Span::none());
    if !local.after_poll.is_empty() {
        // Those that have their results by now woke it for this poll.
        awaited.mark_seen();
        let late = std::mem::take(&mut local.after_poll);
        lock(&co.control().status).kept.put_first(late);
    }
    let entered = enter(awaited);
    let polled = in_span(&span, || {
        catch_unwind(AssertUnwindSafe(|| co.poll_in(&mut turn)))
    });
    let local = turn.local();
    local.awaited = entered.leave();
    local.span = span;
    if local.cancelled == Cancelled::Sent {
        local.went_on();
    }
    drop(turn);
    caught(co, polled)
}

/// What came of a poll, whose panic is the result.
#[inline]
pub(super) fn caught<F, T, S>(
    co: &Shared<F, T, S>,
    polled: std::thread::Result<Poll<Output<T>>>,
) -> Poll<Output<T>>
where
    F: Future<Output = Output<T>> + Send + 'static,
    T: Send + 'static,
    S: Spawner,
{
    polled.unwrap_or_else(|payload| {
        // One that was written by hand still has all that it captured.
        catch_and_log("the drop of a future that panicked", || co.turn().clear());
        Poll::Ready(Err(Failure::panicked(payload, co.control().made)))
    })
}

/// Drops the future, in its span. By the runner.
///
/// # Errors
///
/// The panic of that drop.
pub(super) fn clear<F, T, S>(co: &Shared<F, T, S>) -> Output<()>
where
    F: Future<Output = Output<T>> + Send + 'static,
    T: Send + 'static,
    S: Spawner,
{
    let span = std::mem::replace(&mut co.turn().local().span, Span::none());
    let cleared = in_span(&span, || {
        catch_unwind(AssertUnwindSafe(|| co.turn().clear()))
    });
    catch_and_log("the end of a span", || drop(span));
    cleared.map_err(|payload| Failure::panicked(payload, co.control().made))
}

impl<T: Send + 'static> Local<T> {
    /// Tells the debugger that the coroutine goes on although it was cancelled.
    fn went_on(&mut self) {
        self.cancelled = Cancelled::WentOn;
        if let Some(resolver) = &self.resolver {
            resolver
                .producer
                .set_source("a coroutine that was cancelled and went on");
        }
    }
}
