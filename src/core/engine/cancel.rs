//! Cancelling: what a cancel finds, by state, and where it goes on.

use super::after_stage;
use super::run::{is_runner_of, run};
use super::trampoline::trampoline;
use crate::core::memory::block::Handle;
use crate::core::memory::cancel_hooks::{CancelCalls, CancelHooks, CancelRequest, Delegate, Tell};
use crate::core::memory::info::Call;
use crate::core::memory::links::{Forward, Wait};
use crate::core::memory::ptr::ChainPtr;
use crate::failure::{Failure, SharedReason, catch_and_log};
use std::panic::resume_unwind;
use std::sync::Arc;

impl CancelRequest {
    /// Makes two cancels of it, for the same reason.
    pub(crate) fn split(self) -> (Self, Self) {
        let CancelRequest { reason, quiet, at } = self;
        let reason = reason.map(SharedReason::new);
        let copy = |reason: Option<SharedReason>| CancelRequest {
            reason: reason.map(Into::into),
            quiet,
            at,
        };
        (copy(reason.clone()), copy(reason))
    }

    /// Cancels each of `targets`, in order, for the same reason. Returns whether
    /// one of them was asked, or will be when its stage is over.
    pub(crate) fn send_to(self, targets: impl IntoIterator<Item = Handle>) -> bool {
        let mut asked = false;
        self.share_among(targets, |target, request| asked |= target.cancel(request));
        asked
    }

    /// Cancels each of `targets`, in order, for the same reason. If none of them
    /// could be asked yet, the request comes back.
    ///
    /// Once one of them was asked, those that run a stage on another thread are
    /// asked when that stage is over.
    pub(crate) fn try_send_to(self, targets: impl IntoIterator<Item = Handle>) -> Sent {
        let mut asked = false;
        let mut running = Vec::new();
        let mut late = None;
        self.share_among(targets, |target, request| match target.attempt(request) {
            Attempt::Asked | Attempt::Ignored => asked = true,
            Attempt::Late(request) => give_up_if_any(late.replace(request)),
            Attempt::Running(stage) if stage.is_sender => {
                asked = true;
                stage.request.give_up();
            }
            Attempt::Running(stage) => running.push((target, stage)),
        });
        if asked {
            give_up_if_any(late);
            for (target, stage) in running {
                target.cancel(stage.request);
            }
            return Sent::Asked;
        }
        let mut stages = Vec::new();
        for (_, stage) in running {
            stages.push(stage.chain);
            give_up_if_any(late.replace(stage.request));
        }
        match late {
            Some(request) => Sent::NotYet(request, stages),
            None => Sent::Asked,
        }
    }

    /// Calls `send` with each target and a request for it.
    fn share_among(
        self,
        targets: impl IntoIterator<Item = Handle>,
        mut send: impl FnMut(Handle, CancelRequest),
    ) {
        let mut targets = targets.into_iter().peekable();
        let Some(first) = targets.next() else {
            return self.give_up();
        };
        if targets.peek().is_none() {
            // Nothing to share: the reason arrives as it is.
            return send(first, self);
        }
        let CancelRequest { reason, quiet, at } = self;
        let reason = reason.map(SharedReason::new);
        for target in std::iter::once(first).chain(targets) {
            let reason = reason.clone().map(Into::into);
            send(target, CancelRequest { reason, quiet, at });
        }
        catch_and_log("the drop of the reason of a cancel", || drop(reason));
    }
}

fn give_up_if_any(request: Option<CancelRequest>) {
    if let Some(request) = request {
        request.give_up();
    }
}

/// What became of a cancel of several chains.
pub(crate) enum Sent {
    /// One of them was asked, or had nothing to cancel: see [`Attempt`].
    Asked,
    /// None could be asked: they have their results, or are these, which run a
    /// stage on another thread.
    NotYet(CancelRequest, Vec<Handle>),
}

/// What became of one attempt to cancel a chain.
pub(crate) enum Attempt {
    /// A canceller, a producer or a delegate was asked, or the chain failed
    /// with the cancel.
    Asked,
    /// There was nothing to do, as in Twisted: a pause holds the result up, or a
    /// canceller that was asked before has yet to answer.
    Ignored,
    /// The result is there.
    Late(CancelRequest),
    /// A stage runs. What it returns may have to be cancelled.
    Running(Running),
}

/// A stage that was running when a cancel came.
pub(crate) struct Running {
    /// The chain whose stage it is: the one that was to be cancelled, or one
    /// that it waits for.
    pub(crate) chain: Handle,
    pub(crate) request: CancelRequest,
    /// Whether the stage itself, on this thread, sent the cancel. As in Twisted,
    /// such a cancel does nothing; a deadline waits for the end of the stage.
    pub(crate) is_sender: bool,
}

/// Returns whom a cancel of the unfired chain would be passed on to.
pub(crate) fn delegate_of(chain: ChainPtr) -> Option<Arc<dyn Delegate>> {
    if !chain.state().lock_hooks() {
        return None;
    }
    let delegate = chain.block().slot.with_mut(|slot| {
        // SAFETY: [slot]: locked, the slot holds the hooks.
        match unsafe { (*slot).peek::<CancelHooks>() } {
            CancelHooks::Delegate(delegate) => Some(delegate.clone()),
            CancelHooks::Calls(calls) => calls.delegate.clone(),
        }
    });
    chain.state().unlock();
    delegate
}

impl Handle {
    /// Cancels the chain; if a stage of it runs on another thread, when that
    /// stage is over. Returns whether anything was asked, or will be.
    pub(crate) fn cancel(&self, request: CancelRequest) -> bool {
        cancel(self.chain(), request)
    }

    /// Cancels the chain, if there is anything to cancel now.
    pub(crate) fn attempt(&self, request: CancelRequest) -> Attempt {
        attempt(self.chain(), request)
    }

    pub(crate) fn is_finished(&self) -> bool {
        is_finished(self.chain())
    }

    /// Has `call` called when the run that the chain is in is over: by the
    /// thread that runs it, under no lock.
    ///
    /// # Errors
    ///
    /// What `make` would have made a call of, if no run is under way.
    pub(crate) fn after_stage<R>(&self, input: R, make: impl FnOnce(R) -> Call) -> Result<(), R> {
        after_stage::register(self.chain(), input, make)
    }
}

/// What is to be done at a chain that a cancel reached.
enum Found {
    Nothing,
    /// It is fired, and nothing holds its result up.
    Late,
    /// A stage of it runs.
    Running,
    /// Go on to this chain; if there is a number, only to that wait of it.
    GoOn(Handle, Option<u32>),
    /// We fired it: put the failure in, and run.
    Fired,
    /// Tell the producer, and pass the cancel on.
    Every(Arc<dyn Delegate>, Tell),
    /// Call these. Without a canceller nothing else can come of it, and we
    /// fired it.
    Once(Box<CancelCalls>, bool),
}

/// Cancels the chain, which the caller has a reference to: now, or when the
/// stage that runs on another thread is over. Returns whether anything was
/// asked, or will be.
pub(crate) fn cancel(start: ChainPtr, mut request: CancelRequest) -> bool {
    loop {
        match attempt(start, request) {
            Attempt::Asked => return true,
            Attempt::Ignored => return false,
            Attempt::Late(late) => {
                late.give_up();
                return false;
            }
            Attempt::Running(stage) if stage.is_sender => {
                stage.request.give_up();
                return false;
            }
            Attempt::Running(stage) => {
                let again = |request| -> Call {
                    let handle = Handle::to(start);
                    Box::new(move || {
                        handle.cancel(request);
                    })
                };
                match stage.chain.after_stage(stage.request, again) {
                    Ok(()) => return true,
                    Err(back) => request = back,
                }
            }
        }
    }
}

/// Cancels the chain, if there is anything to cancel now.
fn attempt(start: ChainPtr, request: CancelRequest) -> Attempt {
    let mut owned: Handle;
    let mut chain = start;
    let mut wait_generation = None;
    let mut mark = Handle::to(chain);
    let (mut steps, mut stride) = (0_u64, 2_u64);
    loop {
        match find(chain, wait_generation) {
            Found::Late if chain == start => return Attempt::Late(request),
            Found::Late => {
                // It delivered its result meanwhile, and `start` goes on: the
                // cancel begins anew there.
                chain = start;
                wait_generation = None;
            }
            Found::Running => {
                return Attempt::Running(Running {
                    chain: Handle::to(chain),
                    request,
                    is_sender: is_runner_of(chain),
                });
            }
            Found::Nothing => {
                request.give_up();
                return Attempt::Ignored;
            }
            Found::GoOn(next, only) => {
                // Chains that wait for each other in a ring are nobody's to
                // cancel: a stride that doubles finds the ring (Brent).
                steps += 1;
                if steps == stride {
                    mark = next.clone();
                    (steps, stride) = (0, stride * 2);
                } else if next.is_same(&mark) {
                    request.give_up();
                    return Attempt::Ignored;
                }
                owned = next;
                chain = owned.chain();
                wait_generation = only;
            }
            Found::Fired => {
                // SAFETY: [slot]: we fired it, and are its runner; the reference of
                // the claim is the run's.
                unsafe {
                    chain.put_failure(request.into_failure());
                    finish(chain);
                }
                return Attempt::Asked;
            }
            Found::Every(delegate, tell) => {
                trampoline(move || {
                    catch_and_log("a function that was given to on_cancel", || {
                        if let Err(payload) = tell.run() {
                            resume_unwind(payload);
                        }
                    });
                    catch_and_log("a canceller", || delegate.cancel(request));
                });
                return Attempt::Asked;
            }
            Found::Once(calls, fired) => {
                let result = calls.run();
                if !fired && !chain.state().claim_for_cancel(true) {
                    // The canceller fired it itself, or the producer did.
                    // Its panic has nowhere else to go.
                    catch_and_log("a canceller", || match result {
                        Ok(late) => drop(late),
                        Err(payload) => resume_unwind(payload),
                    });
                    request.give_up();
                    return Attempt::Asked;
                }
                let at = request.at;
                // SAFETY: [slot]: we fired it, and are its runner; the reference of
                // the claim is the run's. An answer is of the producer's type.
                unsafe {
                    match result {
                        Ok(None) => chain.put_failure(request.into_failure()),
                        Ok(Some(answer)) => {
                            // Before the run: who fired must get to its end.
                            request.give_up();
                            chain.block().slot.with_mut(|slot| answer(&mut *slot));
                        }
                        Err(payload) => {
                            request.give_up();
                            chain.put_failure(Failure::panicked(payload, at));
                        }
                    }
                    finish(chain);
                }
                return Attempt::Asked;
            }
        }
    }
}

/// Runs a chain whose result a cancel has put in.
///
/// # Safety
///
/// The caller fired the chain, and has a reference for the run.
unsafe fn finish(chain: ChainPtr) {
    if let Some(watch) = chain.block().info.watch() {
        watch.fired();
    }
    // SAFETY: the caller fired the chain, and gives up a reference.
    unsafe { run(chain) }
}

/// Returns the chain that waits in place of a forwarded one, and which wait of
/// it that is; None if the forwarded one's own wait is not the one asked for.
///
/// # Safety
///
/// The chain is forwarded.
unsafe fn forward_of(chain: ChainPtr, wait_generation: Option<u32>) -> Option<(Handle, u32)> {
    let block = chain.block();
    // SAFETY: [slot]: it holds a Forward, and changes no more; nor does the
    // number of its last wait.
    let (to, at, now) = unsafe {
        let (to, at) = block.slot.with(|slot| {
            let forward = (*slot).get::<Forward>();
            (forward.to, forward.wait_generation)
        });
        (to, at, block.wait_generation.with(|now| *now))
    };
    if wait_generation.is_some_and(|wait_generation| wait_generation != now) {
        return None;
    }
    Some((Handle::to(to), if at == u32::MAX { 0 } else { at }))
}

/// Returns whether there is nothing to cancel in the chain, which the caller has
/// a reference to: its result is there, or was passed on.
fn is_finished(start: ChainPtr) -> bool {
    let mut handle = Handle::to(start);
    // Which wait of the chain is meant, if only one is.
    let mut wait_generation = None;
    loop {
        let chain = handle.chain();
        let state = chain.state().load();
        if state.is_forwarded() {
            // SAFETY: just now, and it changes no more.
            match unsafe { forward_of(chain, wait_generation) } {
                Some((to, at)) => (handle, wait_generation) = (to, Some(at)),
                None => return true,
            }
        } else if state.is_waiting() {
            let Some(meant) = wait_generation else {
                return false;
            };
            if chain.state().lock_wait() {
                // SAFETY: [slot]: waiting and locked, the wait and its number stay.
                let now = chain.block().wait_generation.with(|now| unsafe { *now });
                chain.state().unlock();
                return meant != now;
            }
        } else {
            return wait_generation.is_some() || state.is_at_rest();
        }
    }
}

/// Looks what the chain does at a cancel, and takes what is needed for it.
fn find(chain: ChainPtr, wait_generation: Option<u32>) -> Found {
    let block = chain.block();
    loop {
        let state = chain.state().load();
        if state.is_forwarded() {
            // SAFETY: just now, and it changes no more.
            return match unsafe { forward_of(chain, wait_generation) } {
                Some((to, at)) => Found::GoOn(to, Some(at)),
                None => Found::Nothing,
            };
        }
        if state.is_fired() {
            if !state.is_waiting() {
                return if state.is_running() {
                    Found::Running
                } else if state.is_paused() {
                    Found::Nothing
                } else {
                    Found::Late
                };
            }
            if !chain.state().lock_wait() {
                continue;
            }
            // SAFETY: [slot]: waiting and locked, the slot holds a Wait.
            let (on, now) = unsafe {
                let on = block.slot.with_mut(|slot| (*slot).peek::<Wait>().on);
                (Handle::to(on), block.wait_generation.with(|now| *now))
            };
            chain.state().unlock();
            return match wait_generation {
                Some(wait_generation) if wait_generation != now => Found::Nothing,
                _ => Found::GoOn(on, None),
            };
        }
        if state.is_cancelling() {
            // The canceller that runs decides.
            return Found::Nothing;
        }
        if !state.has_cancel_hooks() {
            if chain.state().claim_for_cancel(false) {
                return Found::Fired;
            }
            continue;
        }
        if !chain.state().lock_hooks() {
            continue;
        }
        let calls = block.slot.with_mut(|slot| {
            // SAFETY: [slot]: locked, the slot holds the hooks. Calls that are taken
            // out are forgotten there: the state says so below.
            unsafe {
                match (*slot).peek::<CancelHooks>() {
                    CancelHooks::Delegate(delegate) => Err((delegate.clone(), Tell::default())),
                    CancelHooks::Calls(calls) => match &calls.delegate {
                        Some(delegate) => Err((delegate.clone(), std::mem::take(&mut calls.tell))),
                        None => Ok(std::ptr::read(calls)),
                    },
                }
            }
        });
        let calls = match calls {
            Ok(calls) => calls,
            Err((delegate, tell)) => {
                chain.state().unlock_cancelled();
                return Found::Every(delegate, tell);
            }
        };
        let decided = calls.canceller.is_none();
        chain.state().unlock_without_hooks(decided);
        return Found::Once(calls, decided);
    }
}
