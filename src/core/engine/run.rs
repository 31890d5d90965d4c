//! The runner: the loop that takes a result down a chain, and on to the
//! chains that wait for it, without recursion.

use super::after_stage::Calls;
use super::fast_fire;
use super::resume;
use super::span::{self, SpanScope};
use super::wait::{deliver, wait};
use super::waker::wake;
use crate::core::memory::ptr::ChainPtr;
use crate::core::memory::record::{After, Flow, Record, RecordClass};
use crate::core::state::{EndOfRun, Snapshot, Stop};
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
pub(crate) fn is_runner_of(chain: ChainPtr) -> bool {
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
/// The caller set `RUNNING` ([one runner]), gives up one reference, and the
/// value is the input of the next record ([slot], [types]), or there is no record.
pub(crate) unsafe fn run(start: ChainPtr) {
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
        woke: false,
    };
    // The panics of stages are caught here, once for a whole run. Unwind
    // safety: what the stage owned is gone, and the slot gets a failure.
    loop {
        // SAFETY: the caller made us the runner, as did who fired the next chain;
        // `stage_panicked` brings the chain to where a stage that returned would
        // have left it.
        while let Err(payload) = catch_unwind(AssertUnwindSafe(|| unsafe { run.go_on() })) {
            run.stage_panicked(payload);
        }
        if run.after.is_none() {
            break;
        }
        run.active.chain.set(None);
        // That run is over; the next one may take long.
        std::mem::take(&mut run.calls).make();
        let Some(next) = After::pop(&mut run.after) else {
            break;
        };
        run.go_to(next);
    }
    let (calls, woke) = (std::mem::take(&mut run.calls), run.woke);
    // A run that is over has left its scope, and owns nothing else.
    std::mem::forget(run);
    // The chain is not this thread's any more: what was left for the end of the
    // run may find another thread in it, and must not take it for its own.
    drop(entered);
    calls.make();
    if woke {
        resume::work_off();
    }
}

/// A run of chains.
struct Run<'a> {
    /// The one whose runner we are ([one runner]).
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
    /// Whether it woke a task, or a coroutine that this thread has to resume.
    woke: bool,
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
        self.calls.take_if_noted(self.chain);
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
            let state = chain.state().load();
            if state.is_interrupted() {
                if self.handle_interrupt(state) {
                    return;
                }
                continue;
            }
            let record = block.reader.with(|reader| {
                // SAFETY: [one runner].
                unsafe { (*reader).read }
            });
            // [one writer]: read after `state`, so that a state with nothing
            // appended, if it has not changed when we go to rest, means that there
            // is no record that we have not seen.
            if record == block.complete_records() {
                match self.end(state) {
                    End::Again => continue,
                    End::Rest => return,
                    End::Last => {}
                }
            }
            // SAFETY: the record is complete ([one writer], [last record]), and we are the runner:
            // it is run once, and moves us on.
            let flow = unsafe {
                self.scope.enter(&block.info);
                self.record = record;
                ((*record).vtable.run)(record, chain)
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
    fn handle_interrupt(&mut self, state: Snapshot) -> bool {
        if state.has_inline_value() {
            fast_fire::move_to_slot(self.chain);
            return false;
        }
        if state.has_calls() {
            self.take_calls();
            return false;
        }
        self.scope.leave(&self.chain.block().info);
        stop(self.chain, state)
    }

    /// Deals with the end of the records that were there at `state`.
    #[inline(never)]
    fn end(&mut self, state: Snapshot) -> End {
        if state.has_calls() {
            self.take_calls();
            return End::Again;
        }
        if state.has_appended() {
            self.chain.state().clear_appended(state);
            return End::Again;
        }
        if state.is_closed() {
            // What stands here is the last record ([last record]).
            return End::Last;
        }
        let chain = self.chain;
        let mut span = self.scope.end(&chain.block().info);
        if stop_and_wake(chain, state, &mut span) {
            self.woke |= state.has_waker();
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
                match unsafe { wait(chain, inner, &mut self.calls) } {
                    Some(next) => self.go_to(next),
                    None => return true,
                }
            }
            Flow::Finished => {
                span::discard(self.scope.end(info));
                end_run(chain, 1, &mut self.calls);
                return true;
            }
            Flow::Deliver(outer) => {
                span::discard(self.scope.end(info));
                // SAFETY: we ran the link to `outer`.
                unsafe { deliver(chain, outer) };
                // Ours as runner, and the one of the Wait.
                end_run(chain, 2, &mut self.calls);
                self.go_to(outer);
            }
            Flow::Fired(next) => {
                span::discard(self.scope.end(info));
                end_run(chain, 1, &mut self.calls);
                self.go_to(next);
            }
            Flow::FiredThen(after) => {
                span::discard(self.scope.end(info));
                end_run(chain, 1, &mut self.calls);
                let next = after.push(&mut self.after);
                self.go_to(next);
            }
        }
        false
    }

    /// Makes the panic of a stage its result. A panic of another record goes on.
    #[cold]
    fn stage_panicked(&mut self, payload: Box<dyn Any + Send>) {
        let record = std::mem::replace(&mut self.record, ptr::null_mut());
        if record.is_null() {
            resume_unwind(payload);
        }
        // SAFETY: it is being run, so its header is still there.
        match unsafe { (*record).vtable.class } {
            // SAFETY: it is a stage of this kind, whose input was moved out,
            // and we are its chain's runner.
            RecordClass::Stage { panicked } => unsafe { panicked(record, self.chain, payload) },
            RecordClass::Link | RecordClass::Other => resume_unwind(payload),
        }
    }
}

/// Ends the run of a chain whose last record has run, and gives up `refs`
/// references.
#[inline]
fn end_run(chain: ChainPtr, refs: u64, calls: &mut Calls) {
    loop {
        match chain.state().end_run(refs) {
            EndOfRun::Shared => return,
            // SAFETY: [references]: these are the last ones, and the last record
            // took the value.
            EndOfRun::Last => return unsafe { chain.free() },
            EndOfRun::Calls => calls.take_if_noted(chain),
        }
    }
}

/// Tries to stop at `state`, for its pauses, or because nothing is left to run
/// and nobody to wake. Returns false if the state has changed; the caller then
/// looks again.
#[inline]
pub(crate) fn stop(chain: ChainPtr, state: Snapshot) -> bool {
    match chain.state().stop(state) {
        Stop::Stopped => true,
        Stop::Changed => false,
        Stop::Last => {
            // SAFETY: [references]: the last one; there is no value.
            unsafe { chain.free() };
            true
        }
    }
}

/// Tries to go to rest from `state`; returns false if the state has changed. At
/// rest the chain's `span` is closed, and then the owner of the consumer, whose
/// reference keeps the block, is woken.
fn stop_and_wake(chain: ChainPtr, state: Snapshot, span: &mut Option<Span>) -> bool {
    let wakes = state.has_waker();
    let stopped = if wakes {
        chain.state().stop_and_take_waker(state)
    } else {
        stop(chain, state)
    };
    if stopped {
        span::discard(span.take());
        if wakes {
            wake(chain);
        }
    }
    stopped
}
