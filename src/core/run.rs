//! The runner: the loop that takes a result down a chain, and on to the
//! chains that wait for it, without recursion.

use super::after_stage::Calls;
use super::block::ChainPtr;
use super::due_run::After;
use super::fast_fire;
use super::link;
use super::record::{Flow, Record, RecordClass};
use super::span::{self, SpanScope};
use super::state::{
    AFTER_STAGE, APPENDED, CLOSED, REF, RUNNING, State, TAKING_WAKER, VALUE_INLINE, WAKER,
};
use crate::failure::catch_and_log;
use crate::sync::Ordering;
use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use tracing::Span;

/// A run on this thread's stack: the chain that it runs now, and the run whose
/// stage started it.
struct Active {
    /// None between the end of one chain and the next, when a new chain may
    /// have got the memory of the old one.
    chain: Cell<Option<ChainPtr>>,
    outer: *const Active,
}

#[cfg(not(tokio_deferred_loom))]
thread_local! {
    /// The innermost run of this thread.
    static INNERMOST: Cell<*const Active> = const { Cell::new(ptr::null()) };
}

#[cfg(tokio_deferred_loom)]
loom::thread_local! {
    static INNERMOST: Cell<*const Active> = Cell::new(ptr::null());
}

/// Whether this thread is the runner of `chain`: then the caller is inside one
/// of that chain's own stages.
pub(super) fn is_runner_of(chain: ChainPtr) -> bool {
    let mut active = INNERMOST.try_with(Cell::get).unwrap_or(ptr::null());
    // SAFETY: an `Active` is on this thread's stack as long as it is linked: its
    // `Entered` unlinks it before it goes.
    while let Some(run) = unsafe { active.as_ref() } {
        if run.chain.get() == Some(chain) {
            return true;
        }
        active = run.outer;
    }
    false
}

/// Links an [`Active`] as long as it lives.
struct Entered<'a>(&'a Active);

impl<'a> Entered<'a> {
    fn link(active: &'a mut Active) -> Self {
        active.outer = INNERMOST.try_with(Cell::get).unwrap_or(ptr::null());
        let active: &'a Active = active;
        let _ = INNERMOST.try_with(|innermost| innermost.set(active));
        Entered(active)
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let _ = INNERMOST.try_with(|innermost| innermost.set(self.0.outer));
    }
}

/// Runs the chain, and whatever its result makes runnable.
///
/// # Safety
///
/// The caller set `RUNNING` (invariant 3), gives up one reference, and the
/// value is the input of the next record (4, 7), or there is no record.
pub(super) unsafe fn run(start: ChainPtr) {
    let mut active = Active {
        chain: Cell::new(Some(start)),
        outer: ptr::null(),
    };
    let entered = Entered::link(&mut active);
    let mut run = Run {
        chain: start,
        active: entered.0,
        record: ptr::null_mut(),
        scope: SpanScope::new(),
        after: None,
        calls: Calls::new(),
    };
    // The panics of stages are caught here, once for a whole run. Unwind
    // safety: what the stage owned is gone, and the slot gets a failure.
    loop {
        // SAFETY: as the caller says, or as who fired the next chain says;
        // `stage_panicked` brings the chain to where a stage that returned would
        // have left it.
        while let Err(payload) = catch_unwind(AssertUnwindSafe(|| unsafe { run.go_on() })) {
            run.stage_panicked(payload);
        }
        if run.after.is_none() {
            break;
        }
        run.active.chain.set(None);
        let Some(next) = After::pop(&mut run.after) else {
            break;
        };
        run.go_to(next);
    }
    let calls = std::mem::take(&mut run.calls);
    // A run that is over has left its scope, and owns nothing else.
    std::mem::forget(run);
    // The chain is not this thread's any more: what was left for the end of the
    // run may find another thread in it, and must not take it for its own.
    drop(entered);
    calls.make();
}

/// A run of chains.
struct Run<'a> {
    /// The one whose runner we are (invariant 3).
    chain: ChainPtr,
    /// Tells this thread which chain that is.
    active: &'a Active,
    /// The record that is being run, if one is.
    record: *mut Record,
    scope: SpanScope,
    /// What is to be done when this run is over.
    after: Option<Box<After>>,
    /// The cancels to send when everything is over.
    calls: Calls,
}

/// What is to be done at the end of the records.
enum End {
    /// There is more, or was no end.
    Again,
    /// To run the last record.
    Last,
    /// Nothing: the chain is at rest, and the run over.
    Rest,
}

impl Run<'_> {
    /// Goes on with another chain, whose runner this thread is by now.
    fn go_to(&mut self, chain: ChainPtr) {
        self.chain = chain;
        self.active.chain.set(Some(chain));
    }

    /// Takes the calls that wait for the end of the run, if there are any;
    /// the state has changed then.
    #[cold]
    #[inline(never)]
    fn take_calls(&mut self) {
        let chain = self.chain;
        chain.clear(AFTER_STAGE);
        self.calls.take_from(chain);
    }

    /// Runs records until the run is over.
    ///
    /// # Safety
    ///
    /// As for [`run`].
    #[inline]
    unsafe fn go_on(&mut self) {
        loop {
            let chain = self.chain;
            let block = chain.block();
            let state = chain.load();
            if state.is_held_up() {
                if self.handle_interrupt(state) {
                    return;
                }
                continue;
            }
            let record = block.reader.with(|reader| {
                // SAFETY: we are the runner (3).
                unsafe { (*reader).read }
            });
            // ORDERING: Acquire: what was appended up to here is complete (6).
            // It comes after the load of `state`, so that a state without APPENDED,
            // if it has not changed when we go to rest, means that nothing was
            // appended.
            if record == block.write.load(Ordering::Acquire) {
                match self.end(state) {
                    End::Again => continue,
                    End::Rest => return,
                    End::Last => {}
                }
            }
            // SAFETY: the record is complete (6, 8), and we are the runner (3):
            // it is run once, and moves us on.
            let flow = unsafe {
                self.scope.enter(&block.info);
                self.record = record;
                ((*record).kind.run)(record, chain)
            };
            self.record = ptr::null_mut();
            match flow {
                Flow::Next => {}
                Flow::Jump(chunk) => block.reader.with_mut(|reader| {
                    // SAFETY: we are the runner, and this was the jump.
                    unsafe { (*reader).jump(chunk) }
                }),
                flow => {
                    // SAFETY: it is what the record said.
                    if unsafe { self.handle_flow(flow) } {
                        return;
                    }
                }
            }
        }
    }

    /// Deals with what is unusual about a chain that is to run, and says
    /// whether the run is over.
    #[cold]
    fn handle_interrupt(&mut self, state: State) -> bool {
        if state.has(VALUE_INLINE) {
            fast_fire::move_to_slot(self.chain);
            return false;
        }
        if state.has(AFTER_STAGE) {
            self.take_calls();
            return false;
        }
        self.scope.leave(&self.chain.block().info);
        stop(self.chain, state)
    }

    /// Comes to the end of the records that were there at `state`.
    #[inline(never)]
    fn end(&mut self, state: State) -> End {
        if state.has(AFTER_STAGE) {
            self.take_calls();
            return End::Again;
        }
        if state.has(APPENDED) {
            // If it fails, the loop looks again.
            let _ = self.chain.change(state, state.0 & !APPENDED);
            return End::Again;
        }
        if state.has(CLOSED) {
            // What stands here is the last record (8).
            return End::Last;
        }
        let chain = self.chain;
        let mut span = self.scope.end(&chain.block().info);
        if stop_and_wake(chain, state, &mut span) {
            return End::Rest;
        }
        span::put_back(span, &chain.block().info);
        End::Again
    }

    /// Goes on as a record said, and says whether the run is over.
    ///
    /// # Safety
    ///
    /// We ran that record.
    #[inline(never)]
    unsafe fn handle_flow(&mut self, flow: Flow) -> bool {
        let chain = self.chain;
        let info = &chain.block().info;
        match flow {
            Flow::Next | Flow::Jump(_) | Flow::Span => self.scope.leave(info),
            Flow::Wait(inner) => {
                self.scope.leave(info);
                // SAFETY: we are the runner, the slot is empty, and the consumer
                // of `inner` was handed over.
                match unsafe { link::wait(chain, inner, &mut self.calls) } {
                    Some(next) => self.go_to(next),
                    None => return true,
                }
            }
            Flow::Finished => {
                span::discard(self.scope.end(info));
                chain.release_run(1, &mut self.calls);
                return true;
            }
            Flow::Deliver(link) => {
                span::discard(self.scope.end(info));
                // SAFETY: we ran the link, so the slot holds its value.
                let outer = unsafe { link::deliver(chain, link, &mut self.calls) };
                self.go_to(outer);
            }
            Flow::Fired(next) => {
                span::discard(self.scope.end(info));
                chain.release_run(1, &mut self.calls);
                self.go_to(next);
            }
            Flow::FiredThen(after) => {
                span::discard(self.scope.end(info));
                chain.release_run(1, &mut self.calls);
                let next = after.push(&mut self.after);
                self.go_to(next);
            }
        }
        false
    }

    /// Makes the panic of a stage its result. Anybody else's goes on.
    #[cold]
    fn stage_panicked(&mut self, payload: Box<dyn Any + Send>) {
        let record = std::mem::replace(&mut self.record, ptr::null_mut());
        if record.is_null() {
            resume_unwind(payload);
        }
        // SAFETY: it is being run, so its header is still there.
        match unsafe { (*record).kind.sort } {
            // SAFETY: it is a stage of this kind, whose input was moved out,
            // and we are its chain's runner.
            RecordClass::Stage { panicked } => unsafe { panicked(record, self.chain, payload) },
            RecordClass::Link | RecordClass::Other => resume_unwind(payload),
        }
    }
}

/// Stops at `state`, for its pauses or because nothing is left to run and
/// nobody to wake; or says that it has changed.
#[inline]
pub(super) fn stop(chain: ChainPtr, state: State) -> bool {
    if state.is_sole() {
        // An EmptyChain was dropped while a pause held it up.
        chain.release(1, RUNNING);
        return true;
    }
    chain.change(state, (state.0 & !RUNNING) - REF).is_ok()
}

/// Goes to rest from `state`, or says that it has changed. At rest the chain's
/// `span` is closed, and then the owner of the consumer, whose reference keeps
/// the block, is woken.
fn stop_and_wake(chain: ChainPtr, state: State, span: &mut Option<Span>) -> bool {
    if !state.has(WAKER) {
        let stopped = stop(chain, state);
        if stopped {
            span::discard(span.take());
        }
        return stopped;
    }
    let to = (state.0 & !(RUNNING | WAKER)) | TAKING_WAKER;
    if chain.change(state, to).is_err() {
        return false;
    }
    span::discard(span.take());
    wake(chain);
    true
}

/// Wakes who awaits a chain that has just come to rest, and gives up one
/// reference.
///
/// The caller cleared `WAKER`, and set `TAKING_WAKER`.
pub(super) fn wake(chain: ChainPtr) {
    let waker = chain.block().waker.with(|waker| {
        // SAFETY: invariant 10: WAKER was cleared and TAKING_WAKER set. The owner of
        // the consumer may compare what is there, but not change it.
        unsafe { (*waker).assume_init_read() }
    });
    chain.release(1, TAKING_WAKER);
    catch_and_log("a waker", || waker.wake());
}
