//! Cancels of a coroutine: sent to what it awaits, or applied by dropping it.

use super::{Cancelled, Output, Phase, Shared, Spawner, WokenBy, drop_future, finish};
use crate::core::{CancelRequest, Handle, Sent, wake_and_resume};
use crate::sync::lock;
use std::collections::VecDeque;
use std::task::Waker;

/// The cancels that wait for a poll to end, or for a cancel before them. Most
/// coroutines never have one, and so it is no more than a word.
#[derive(Default)]
pub(super) struct KeptCancels(Option<Box<Requests>>);

#[derive(Default)]
struct Requests {
    oldest_first: VecDeque<CancelRequest>,
}

impl KeptCancels {
    pub(super) fn push(&mut self, request: CancelRequest) {
        self.0
            .get_or_insert_default()
            .oldest_first
            .push_back(request);
    }

    /// Puts older ones before those that are there.
    pub(super) fn put_first(&mut self, older: Vec<CancelRequest>) {
        let kept = &mut self.0.get_or_insert_default().oldest_first;
        for request in older.into_iter().rev() {
            kept.push_front(request);
        }
    }

    /// Takes the oldest one out.
    pub(super) fn pop(&mut self) -> Option<CancelRequest> {
        self.0.as_mut()?.oldest_first.pop_front()
    }

    pub(super) fn take_all(&mut self) -> impl Iterator<Item = CancelRequest> + use<> {
        self.0.take().into_iter().flat_map(|kept| kept.oldest_first)
    }
}

/// What became of a coroutine that was cancelled.
pub(super) enum Applied {
    /// What it awaits was asked, or the cancel waits for its next poll.
    GoesOn,
    /// It is over.
    Over,
}

/// Cancels what the coroutine awaits; if that is no Deferred, drops its future.
/// By its runner.
pub(super) fn apply<F, T, S>(co: &Shared<F, T, S>, request: CancelRequest) -> Applied
where
    F: Future<Output = Output<T>> + Send + 'static,
    T: Send + 'static,
    S: Spawner,
{
    let mut turn = co.turn();
    let awaited = &turn.local().awaited;
    let (pending, is_waking) = (awaited.pending(), awaited.is_waking());
    drop(turn);
    if !pending.is_empty() {
        send(co, request, pending);
        return Applied::GoesOn;
    }
    if is_waking {
        // The result of what it awaited is there and its wake under way, or it was
        // not taken: another poll tells.
        co.turn().local().after_poll.push(request);
        run_again(co);
        return Applied::GoesOn;
    }
    // It awaits something that only dropping can cancel.
    let failure = match drop_future(co) {
        Ok(()) => request.into_failure(),
        Err(panicked) => {
            request.give_up();
            panicked
        }
    };
    finish(co, Err(failure));
    Applied::Over
}

/// Cancels what the coroutine awaits. Those whose wakes come meanwhile find its
/// runner here: it is polled when all of them were asked.
///
/// Of several failures the future may take one and drop the others unseen, as
/// `try_join!` does: so none of them is reported by itself. What the coroutine
/// comes to is, if nobody handles that.
fn send<F, T, S>(co: &Shared<F, T, S>, mut request: CancelRequest, pending: Vec<Handle>)
where
    F: Future<Output = Output<T>> + Send + 'static,
    T: Send + 'static,
    S: Spawner,
{
    if pending.len() > 1 && !request.quiet {
        request.quiet = true;
        co.turn().local().made_quiet = true;
    }
    match request.try_send_to(pending) {
        Sent::Asked => {
            let mut turn = co.turn();
            let cancelled = &mut turn.local().cancelled;
            if *cancelled == Cancelled::No {
                *cancelled = Cancelled::Sent;
            }
        }
        // They have their results by now, and their wakes are under way, or they
        // run stages. The end of such a stage wakes the coroutine, and the cancel
        // is applied after that poll: to what the stage returned, or, if the stage
        // gave a result, to what the coroutine awaits then.
        Sent::NotYet(request, running) => {
            co.turn().local().after_poll.push(request);
            for chain in running {
                let wake = |waker: Waker| -> Box<dyn FnOnce() + Send> {
                    Box::new(|| wake_and_resume(waker))
                };
                if let Err(waker) = chain.after_stage(co.waker(), wake) {
                    wake_and_resume(waker);
                }
            }
        }
    }
}

/// Has the coroutine polled again. By its runner.
fn run_again<F, T, S>(co: &Shared<F, T, S>)
where
    F: Future<Output = Output<T>> + Send + 'static,
    T: Send + 'static,
    S: Spawner,
{
    let mut status = lock(&co.control().status);
    if status.phase != Phase::Over {
        status.phase = Phase::RunAgain(WokenBy::Fire);
    }
}
