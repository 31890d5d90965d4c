//! Cancelling: what a cancel finds, by state, and where it goes on.

use super::after_stage;
use super::block::{ChainPtr, StoreResult, Transition, UntypedResult};
use super::consumer::{Awaiter, awaiter_of};
use super::link::{Forward, Wait};
use super::run::{is_runner_of, run};
use super::slot::Slot;
use super::state::{
    APPENDED, CANCEL_HOOKS, CANCELLED, CANCELLING, CLOSED, FIRED, FORWARDED, LOCKED, RUNNING,
    State, WAITING,
};
use super::trampoline::trampoline;
use crate::failure::{BoxError, Failure, SharedReason, catch_and_log};
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::task::Waker;

/// A cancel on its way.
pub(crate) struct CancelRequest {
    pub(crate) reason: Option<BoxError>,
    /// Whether the failure it makes is reported if nobody handles it.
    pub(crate) quiet: bool,
    pub(crate) at: &'static Location<'static>,
}

impl CancelRequest {
    /// The cancel of what nobody is going to look at any more: what comes of it
    /// is not reported.
    pub(crate) fn unwanted(at: &'static Location<'static>) -> Self {
        CancelRequest {
            reason: None,
            quiet: true,
            at,
        }
    }

    pub(crate) fn into_failure(self) -> Failure {
        Failure::cancelled(self.reason, self.quiet, self.at)
    }

    /// Drops it, where it comes to nothing.
    pub(crate) fn give_up(self) {
        catch_and_log("the drop of the reason of a cancel", || drop(self));
    }

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

/// Cancels what will fire a Deferred, as often as it is asked to while the
/// Deferred is unfired; the Deferred itself is left alone.
pub(crate) trait Delegate: Send + Sync {
    fn cancel(self: Arc<Self>, request: CancelRequest);

    /// The Deferred was dropped, unfired and with nothing on it: nobody will
    /// see its result.
    fn unseen(&self) {}
}

/// Returns whom a cancel of the unfired chain would be passed on to.
pub(super) fn delegate_of(chain: ChainPtr) -> Option<Arc<dyn Delegate>> {
    let wanted = |s: State| s.0 & (FIRED | CANCEL_HOOKS | CANCELLING) == CANCEL_HOOKS;
    chain.lock_if(wanted).ok()?;
    // SAFETY: unfired, CANCEL_HOOKS and LOCKED.
    let delegate = unsafe { delegate_in(chain) };
    chain.unlock_and_clear(0);
    delegate
}

/// # Safety
///
/// The chain is unfired with `CANCEL_HOOKS`, and the caller holds `LOCKED`.
unsafe fn delegate_in(chain: ChainPtr) -> Option<Arc<dyn Delegate>> {
    chain.block().slot.with_mut(|slot| {
        // SAFETY: invariant 4: by this state the slot holds a CancelHooks.
        match unsafe { (*slot).peek::<CancelHooks>() } {
            CancelHooks::Delegate(delegate) => Some(delegate.clone()),
            CancelHooks::Calls(_) => None,
        }
    })
}

/// Puts what a canceller returned into the slot.
pub(super) type Answer = Box<dyn FnOnce(&mut Slot) + Send>;

pub(super) type Canceller = Box<dyn FnOnce() -> Option<Answer> + Send>;

// They are put into the slot under `LOCKED`, so they must not be boxed.
const _: () = assert!(Slot::<3>::fits::<CancelHooks>());

/// What an unfired chain's slot holds for the case of a cancel.
pub(super) enum CancelHooks {
    /// Each cancel is passed on; the producer is not told.
    Delegate(Arc<dyn Delegate>),
    /// The first one calls these.
    Calls(Box<Calls>),
}

#[derive(Default)]
pub(super) struct Calls {
    pub(super) canceller: Option<Canceller>,
    /// Newest first.
    pub(super) hooks: Option<Box<Hook>>,
    /// Of the producer that awaits a cancel.
    pub(super) waker: Option<Waker>,
}

/// One function of the producer's, and those that were added before it.
pub(super) struct Hook {
    pub(super) call: Box<dyn FnOnce() + Send>,
    pub(super) older: Option<Box<Hook>>,
}

impl Drop for Calls {
    /// Drops the functions one by one: a list of any length needs no stack.
    fn drop(&mut self) {
        let mut next = self.hooks.take();
        let mut panicked = None;
        while let Some(mut hook) = next {
            next = hook.older.take();
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(hook))) {
                panicked = Some(payload);
            }
        }
        if let Some(payload) = panicked {
            // To who drops this, for whom it is the chain's result.
            resume_unwind(payload);
        }
    }
}

impl Calls {
    /// Tells the producer, then asks the canceller.
    fn run(mut self) -> Result<Option<Answer>, Box<dyn std::any::Any + Send>> {
        let mut result = Ok(None);
        let mut oldest = None;
        let mut hook = self.hooks.take();
        while let Some(mut this) = hook {
            hook = this.older.take();
            this.older = oldest;
            oldest = Some(this);
        }
        while let Some(this) = oldest {
            let Hook { call, older } = *this;
            oldest = older;
            if let Err(payload) = catch_unwind(AssertUnwindSafe(call)) {
                result = Err(payload);
            }
        }
        if let Some(waker) = self.waker.take() {
            catch_and_log("a waker", || waker.wake());
        }
        if let Some(canceller) = self.canceller.take() {
            match catch_unwind(AssertUnwindSafe(canceller)) {
                Ok(put) => result = result.map(|_| put),
                Err(payload) => result = Err(payload),
            }
        }
        result
    }
}

/// What a chain is to a coroutine that polled it once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AwaitState {
    /// It has no result.
    Pending,
    /// It has a result, which nobody took yet.
    Fired,
    /// Its result was taken, its Deferred was dropped or ended, or somebody else
    /// polled it since.
    Over,
}

/// A reference to a chain that only cancels.
pub(crate) struct Handle(pub(super) ChainPtr);

// SAFETY: a block is shared between threads by design; a Handle gives access
// to its state and to what a cancel needs, all of it Send.
unsafe impl Send for Handle {}
// SAFETY: as above; every method works on the atomic state.
unsafe impl Sync for Handle {}

impl Clone for Handle {
    fn clone(&self) -> Self {
        Handle(self.0.retain())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.release(1, 0);
    }
}

impl Handle {
    /// Cancels the chain; if a stage of it runs on another thread, when that
    /// stage is over. Returns whether anything was asked, or will be.
    pub(crate) fn cancel(&self, request: CancelRequest) -> bool {
        cancel(self.0, request)
    }

    /// Cancels the chain, if there is anything to cancel now.
    pub(crate) fn attempt(&self, request: CancelRequest) -> Attempt {
        attempt(self.0, request)
    }

    /// Has `call` called when the run that the chain is in is over: by the
    /// thread that runs it, under no lock.
    ///
    /// # Errors
    ///
    /// What `make` would have made a call of, if no run is under way.
    pub(crate) fn after_stage<R>(
        &self,
        input: R,
        make: impl FnOnce(R) -> Box<dyn FnOnce() + Send>,
    ) -> Result<(), R> {
        after_stage::register(self.0, input, make)
    }

    /// What the chain is to the coroutine whose list has it at `place`.
    pub(crate) fn await_state(&self, place: Awaiter) -> AwaitState {
        let state = self.0.load();
        if state.has(CLOSED) || awaiter_of(self.0) != Some(place) {
            AwaitState::Over
        } else if state.is_at_rest() {
            AwaitState::Fired
        } else {
            AwaitState::Pending
        }
    }

    pub(crate) fn is_same(&self, other: &Handle) -> bool {
        self.0 == other.0
    }
}

/// What is to be done at a chain that a cancel reached.
enum Found {
    Nothing,
    /// It is fired, and nothing holds its result up.
    Late,
    /// A stage of it runs.
    Running,
    /// Go on to this chain; if there is an wait_generation, only to that wait of it.
    GoOn(Handle, Option<u32>),
    /// We fired it: put the failure in, and run.
    Fired,
    Every(Arc<dyn Delegate>),
    /// Call these. Without a canceller nothing else can come of it, and we
    /// fired it.
    Once(Box<Calls>, bool),
}

/// Cancels the chain, which the caller has a reference to: now, or when the
/// stage that runs on another thread is over. Returns whether anything was
/// asked, or will be.
pub(super) fn cancel(start: ChainPtr, mut request: CancelRequest) -> bool {
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
                let again = |request| -> after_stage::Call {
                    let handle = Handle(start.retain());
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
    let mut mark = Handle(chain.retain());
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
                    chain: Handle(chain.retain()),
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
                chain = owned.0;
                wait_generation = only;
            }
            Found::Fired => {
                let failure = request.into_failure();
                // SAFETY: we fired it, and are its runner.
                unsafe {
                    finish(chain, |slot, put| {
                        put(slot, UntypedResult::Failure(failure))
                    })
                };
                return Attempt::Asked;
            }
            Found::Every(delegate) => {
                trampoline(move || catch_and_log("a canceller", || delegate.cancel(request)));
                return Attempt::Asked;
            }
            Found::Once(calls, fired) => {
                let result = calls.run();
                if fired || claim(chain, true) {
                    let at = request.at;
                    let failure = match &result {
                        Ok(None) => Some(request.into_failure()),
                        // Before the run: who fired must get to its end.
                        _ => {
                            request.give_up();
                            None
                        }
                    };
                    // SAFETY: we fired it, and are its runner.
                    unsafe {
                        finish(chain, |slot, put| match (result, failure) {
                            (Ok(Some(result)), _) => result(slot),
                            (Ok(None), failure) => {
                                put(
                                    slot,
                                    UntypedResult::Failure(failure.expect("made of the request")),
                                );
                            }
                            (Err(payload), _) => {
                                put(slot, UntypedResult::Failure(Failure::panicked(payload, at)));
                            }
                        });
                    }
                } else {
                    // The canceller fired it itself, or the producer did.
                    // Its panic has nowhere else to go.
                    catch_and_log("a canceller", || match result {
                        Ok(late) => drop(late),
                        Err(payload) => resume_unwind(payload),
                    });
                    request.give_up();
                }
                return Attempt::Asked;
            }
        }
    }
}

/// Puts the result in, and runs.
///
/// # Safety
///
/// The caller fired the chain, and has a reference for the run.
unsafe fn finish(chain: ChainPtr, put: impl FnOnce(&mut Slot, StoreResult)) {
    let block = chain.block();
    // SAFETY: the caller is the runner (4).
    block
        .slot
        .with_mut(|slot| unsafe { put(&mut *slot, block.put) });
    if let Some(watch) = block.info.watch() {
        watch.fired();
    }
    // SAFETY: as the caller says.
    unsafe { run(chain) }
}

/// Fires the chain for a cancel, with a reference for the run.
fn claim(chain: ChainPtr, after_canceller: bool) -> bool {
    let (_, fired) = chain.update(|s| {
        if s.has(FIRED) || (!after_canceller && s.has(CANCEL_HOOKS | CANCELLING)) {
            Transition::Abort
        } else if s.has(LOCKED) {
            Transition::WaitForUnlock
        } else {
            let to = (s.0 | FIRED | RUNNING | CANCELLED) & !(APPENDED | CANCELLING);
            Transition::To(State(to).with_ref().0)
        }
    });
    fired
}

/// Looks what the chain does at a cancel, and takes what is needed for it.
fn find(chain: ChainPtr, wait_generation: Option<u32>) -> Found {
    let block = chain.block();
    loop {
        let state = chain.load();
        if state.has(FORWARDED) {
            // SAFETY: invariant 4: it holds a Forward, and changes no more.
            let (to, at) = block.slot.with(|slot| unsafe {
                let forward = (*slot).get::<Forward>();
                (forward.to, forward.wait_generation)
            });
            // SAFETY: as above: the wait_generation changes no more either.
            let now = block.wait_generation.with(|now| unsafe { *now });
            if wait_generation.is_some_and(|wait_generation| wait_generation != now) {
                return Found::Nothing;
            }
            return Found::GoOn(
                Handle(to.retain()),
                (at != u32::MAX).then_some(at).or(Some(0)),
            );
        }
        if state.has(FIRED) {
            if !state.has(WAITING) {
                return if state.has(RUNNING) {
                    Found::Running
                } else if state.is_paused() {
                    Found::Nothing
                } else {
                    Found::Late
                };
            }
            if chain.lock_if(|s| s.has(WAITING)).is_err() {
                continue;
            }
            // SAFETY: invariant 4: WAITING and LOCKED.
            let (on, now) = unsafe {
                let on = block.slot.with_mut(|slot| (*slot).peek::<Wait>().on);
                (Handle(on.retain()), block.wait_generation.with(|now| *now))
            };
            chain.unlock_and_clear(0);
            return match wait_generation {
                Some(wait_generation) if wait_generation != now => Found::Nothing,
                _ => Found::GoOn(on, None),
            };
        }
        if state.has(CANCELLING) {
            // The canceller that runs decides.
            return Found::Nothing;
        }
        if !state.has(CANCEL_HOOKS) {
            if claim(chain, false) {
                return Found::Fired;
            }
            continue;
        }
        if chain
            .lock_if(|s| s.0 & (FIRED | CANCEL_HOOKS | CANCELLING) == CANCEL_HOOKS)
            .is_err()
        {
            continue;
        }
        let calls = block.slot.with_mut(|slot| {
            // SAFETY: unfired, CANCEL_HOOKS and LOCKED. Calls that are taken are
            // forgotten: CANCEL_HOOKS is cleared below.
            unsafe {
                match (*slot).peek::<CancelHooks>() {
                    CancelHooks::Delegate(delegate) => Err(delegate.clone()),
                    CancelHooks::Calls(calls) => Ok(std::ptr::read(calls)),
                }
            }
        });
        let calls = match calls {
            Ok(calls) => calls,
            Err(delegate) => {
                chain.update(|s| Transition::To((s.0 & !LOCKED) | CANCELLED));
                return Found::Every(delegate);
            }
        };
        let decided = calls.canceller.is_none();
        chain.update(|s| {
            let to = (s.0 & !(LOCKED | CANCEL_HOOKS)) | CANCELLED;
            Transition::To(if decided {
                State((to & !APPENDED) | FIRED | RUNNING).with_ref().0
            } else {
                to | CANCELLING
            })
        });
        return Found::Once(calls, decided);
    }
}
