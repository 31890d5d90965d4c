//! The consumer's end of a chain.

use super::give_back::{self, GiveBack, ReturnTo};
use super::stage::{Stage, StageVTable};
use super::types::{Consumer, EmptyChain, Producer, ResultAndPlace};
use super::unhandled::drop_result;
use crate::core::engine::append::{append, append_last, close};
use crate::core::engine::cancel::{cancel, delegate_of};
use crate::core::engine::due_run::DueRun;
use crate::core::engine::fire::{fire_chained, with_cancel_calls};
use crate::core::engine::run::run;
use crate::core::engine::{fast_fire, span, waker};
use crate::core::memory::awaiter::Awaiter;
use crate::core::memory::block::Handle;
use crate::core::memory::cancel_hooks::{
    Answer, CancelCalls, CancelHooks, CancelRequest, Canceller, Delegate,
};
use crate::core::memory::info::ChainInfo;
use crate::core::memory::ptr::ChainPtr;
use crate::core::memory::record::{
    Flow, HEADER, Payload, Record, RecordClass, RecordVTable, read_closure, size_with,
    write_closure,
};
use crate::core::state::{AtomicState, Closing, Snapshot};
use crate::failure::{Failure, catch_and_log};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Makes a chain: who fires it, and who adds to it.
#[inline]
pub(crate) fn pair<T>(made: &'static Location<'static>) -> (Producer<T>, Consumer<T>) {
    let chain = ChainPtr::make::<T>(AtomicState::unfired(), ChainInfo::new(made));
    (Producer::new(chain), Consumer::new(chain))
}

/// What a cancel of an unfired chain asks.
pub(crate) enum OnCancel<T> {
    /// This function, once.
    Once(Box<dyn FnOnce() -> Option<Result<T, Failure>> + Send>),
    /// This object, each time.
    Every(Arc<dyn Delegate>),
}

/// Makes a chain with a canceller.
pub(crate) fn pair_with<T: Send + 'static>(
    made: &'static Location<'static>,
    canceller: OnCancel<T>,
) -> (Producer<T>, Consumer<T>) {
    let chain = ChainPtr::make::<T>(AtomicState::unfired_with_hooks(), ChainInfo::new(made));
    let side = match canceller {
        OnCancel::Every(delegate) => CancelHooks::Delegate(delegate),
        OnCancel::Once(f) => {
            let canceller: Canceller = Box::new(move || {
                let result = f()?;
                let put: Answer = Box::new(move |slot| slot.put(result));
                Some(put)
            });
            let mut calls = Box::<CancelCalls>::default();
            calls.canceller = Some(canceller);
            CancelHooks::Calls(calls)
        }
    };
    chain.block().slot.with_mut(|slot| {
        // SAFETY: nobody else has the chain yet.
        unsafe { (*slot).put(side) }
    });
    (Producer::new(chain), Consumer::new(chain))
}

impl<T> Consumer<T> {
    #[inline]
    pub(crate) fn is_at_rest(&self) -> bool {
        self.chain().state().load().is_at_rest()
    }

    /// Takes the result of a chain at rest.
    ///
    /// # Errors
    ///
    /// The chain, if it is not at rest.
    #[inline(never)]
    pub(crate) fn take(self) -> Result<Result<T, Failure>, Self> {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: where there is a result, `this` is used no more, but for its
        // reference, which `EmptyChain` gives up.
        unsafe {
            if let Some(plain) = this.take_plain() {
                return Ok(plain.result);
            }
            match this.take_out() {
                Some(result) => {
                    drop(EmptyChain::from_ptr(this.chain()));
                    Ok(result)
                }
                None => Err(ManuallyDrop::into_inner(this)),
            }
        }
    }

    /// Takes the result of a chain at rest that nothing else refers to, and frees
    /// it. Where it was made is then all that there is to know of it.
    ///
    /// # Safety
    ///
    /// If there is one, the caller neither uses nor drops the consumer again.
    #[inline(always)]
    pub(in crate::core) unsafe fn take_plain(&mut self) -> Option<ResultAndPlace<T>> {
        let chain = self.chain();
        let state = chain.state().load();
        let info = &chain.block().info;
        if !(state.is_at_rest() && state.is_sole() && info.is_plain()) {
            return None;
        }
        let made = info.made();
        // SAFETY: at rest, and the consumer is ours ([slot], [types], [rest]); so is the only
        // reference, which the caller forgets.
        unsafe {
            let result = fast_fire::take_at_rest::<T>(chain, state);
            chain.free();
            Some(ResultAndPlace { result, made })
        }
    }

    /// Takes the result of a chain at rest, and leaves the chain.
    ///
    /// # Safety
    ///
    /// If there is one, what was the consumer is from then on an [`EmptyChain`].
    pub(in crate::core) unsafe fn take_out(&mut self) -> Option<Result<T, Failure>> {
        let chain = self.chain();
        let state = chain.state().load();
        if !state.is_at_rest() {
            return None;
        }
        // SAFETY: at rest, and the consumer is ours ([slot], [types], [rest], [home]); its value is
        // looked for no more, as the caller says.
        unsafe {
            let result = fast_fire::take_at_rest::<T>(chain, state);
            chain.block().forget_awaiter();
            give_back::forget(chain);
            fast_fire::forget(chain, state);
            Some(result)
        }
    }

    /// Appends a stage. It runs on this thread, now, if the chain is at rest.
    #[cold]
    #[inline(never)]
    pub(crate) fn add<S: Stage<In = T>>(
        self,
        stage: S,
        place: &'static Location<'static>,
    ) -> Consumer<S::Out> {
        let seen = self.seen();
        self.add_to(seen, stage, place)
    }

    #[inline]
    pub(in crate::core) fn seen(&self) -> Snapshot {
        self.chain().state().load()
    }

    /// As `add`, to a chain whose state was this one just now.
    #[inline(always)]
    pub(in crate::core) fn add_to<S: Stage<In = T>>(
        self,
        seen: Snapshot,
        stage: S,
        place: &'static Location<'static>,
    ) -> Consumer<S::Out> {
        let chain = self.into_ptr();
        // SAFETY: the consumer is ours; the vtable is that of an S, whose input type
        // is the consumer's ([one writer], [types]).
        unsafe {
            if !span::is_plain(chain) {
                before_add::<S>(chain, seen, place);
            }
            append(
                chain,
                StageVTable::<S>::VTABLE,
                Payload { place },
                |record| {
                    write_closure(record, stage);
                },
            );
            if seen.is_at_rest() || !chain.state().note_appended_at_once(seen) {
                run_appended(chain, seen);
            }
        }
        Consumer::new(chain)
    }

    /// Ends the chain with `f`, which takes the result, and may return the run
    /// of another chain that it fired.
    pub(crate) fn finish<F, R>(self, f: F)
    where
        F: FnOnce(Result<T, Failure>) -> R + Send + 'static,
        R: Into<DueRun>,
        T: Send + 'static,
    {
        let chain = self.into_ptr();
        // SAFETY: as in `add`; `Last` takes the value, and nothing follows ([last record]).
        unsafe {
            let vtable = Last::<T, F, R>::VTABLE;
            let payload = Payload { nothing: () };
            // It stands at `write`, or behind a jump that does.
            let record = chain.block().reserve(vtable.size);
            record.write(Record { vtable, payload });
            write_closure(record, f);
            if let Some(chain) = close(chain, Closing::default()) {
                run(chain);
            }
        }
    }

    /// Ends the chain by firing `producer` with the result.
    pub(crate) fn fire_into(self, producer: Producer<T>) {
        let target = producer.into_ptr();
        let vtable: &'static RecordVTable = &RecordVTable {
            size: HEADER,
            run: fire_target::<T>,
            class: RecordClass::Other,
        };
        // SAFETY: the consumer is ours.
        unsafe {
            if let Some(chain) = append_last(
                self.into_ptr(),
                vtable,
                Payload { target },
                Closing::default(),
            ) {
                run(chain);
            }
        }
    }

    /// Whether the chain is at rest; if not, the task is woken when it is.
    #[inline]
    pub(crate) fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        waker::poll_rest(self.chain(), cx)
    }

    /// The coroutine that polled the chain last, if one did.
    #[inline]
    pub(crate) fn awaiter(&self) -> Option<Awaiter> {
        self.chain().block().awaiter()
    }

    /// Says which coroutine polled the chain last.
    pub(crate) fn set_awaiter(&mut self, awaiter: Option<Awaiter>) {
        self.chain().block().set_awaiter(awaiter);
    }

    pub(crate) fn handle(&self) -> Handle {
        Handle::to(self.chain())
    }

    pub(in crate::core) fn is_consumer_of(&self, chain: ChainPtr) -> bool {
        self.chain() == chain
    }

    pub(crate) fn cancel(&self, request: CancelRequest) -> bool {
        cancel(self.chain(), request)
    }

    /// Makes the value, if it is dropped with no stage added from here on, go
    /// back to `give_back`.
    pub(crate) fn set_return_to<H: ReturnTo<T>>(&mut self, give_back: H)
    where
        T: Send + 'static,
    {
        // SAFETY: the consumer is ours, and its value is a T.
        unsafe { give_back::set(self.chain(), give_back) }
    }

    /// Takes away where the value goes back to, if it has such a place.
    pub(crate) fn take_return_to(&mut self) -> Option<GiveBack<T>>
    where
        T: 'static,
    {
        if !self.chain().block().info.has_ext() {
            return None;
        }
        // SAFETY: the consumer is ours, and its value is a `T`.
        unsafe { give_back::detach(self.chain()) }
    }

    /// Whether this is an unfired chain that nothing was appended to, and that
    /// only its producer and this know.
    pub(crate) fn is_fresh(&self) -> bool {
        let state = self.chain().state().load();
        !state.is_fired()
            && state.refs() == 2
            && self.chain().block().is_untouched()
            && self.chain().block().info.ext().is_none()
    }

    /// Makes `canceller` what a cancel calls while the chain is unfired. A chain
    /// that is fired already has no use for it, and it is dropped.
    pub(crate) fn set_canceller(&mut self, canceller: impl FnOnce() + Send + 'static) {
        let mut canceller: Option<Canceller> = Some(Box::new(move || {
            canceller();
            None
        }));
        with_cancel_calls(self.chain(), |calls| calls.canceller = canceller.take());
        // Outside of the lock [user code].
        catch_and_log("the drop of a canceller", || drop(canceller));
    }

    /// Gives the result up, whatever it is; a failure is not reported.
    pub(crate) fn discard(self) {
        let chain = self.into_ptr();
        let vtable: &'static RecordVTable = &RecordVTable {
            size: HEADER,
            run: discard_value::<T>,
            class: RecordClass::Other,
        };
        let closing = Closing {
            unobserved: chain.block().is_untouched(),
            keep_ref: false,
        };
        let payload = Payload { nothing: () };
        // SAFETY: the consumer is ours, and its value is a T ([types]).
        unsafe {
            if let Some(chain) = append_last(chain, vtable, payload, closing) {
                run(chain);
            }
        }
    }

    /// Tells a watcher what will fire the chain.
    pub(crate) fn set_source(&self, source: &'static str) {
        if let Some(watch) = self.chain().block().info.watch() {
            watch.sourced(source);
        }
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        let chain = self.chain();
        let info = &chain.block().info;
        let untouched = chain.block().is_untouched();
        // SAFETY: the consumer is ours.
        let give_back = unsafe { give_back::vtable(chain) };
        let state = chain.state().load();
        if give_back.is_none() && state.is_at_rest() {
            // SAFETY: at rest, and the consumer is ours ([slot], [types], [rest]). Nobody will run
            // the chain or take from it any more.
            let value = unsafe { fast_fire::take_at_rest::<T>(chain, state) };
            chain.block().forget_awaiter();
            drop_result(value, || (info.made(), info.label()));
            chain.release(1);
            return;
        }
        let vtable: &'static RecordVTable = &RecordVTable {
            size: HEADER,
            run: drop_value::<T>,
            class: RecordClass::Other,
        };
        // It only matters while the chain is unfired, and then it is exact.
        let closing = Closing {
            unobserved: untouched,
            keep_ref: false,
        };
        let unseen = untouched || give_back.is_some();
        let delegate = if unseen { delegate_of(chain) } else { None };
        let payload = Payload { nothing: () };
        // SAFETY: the consumer is ours, and its value is a T ([types]); the home is for
        // a T as well.
        unsafe {
            let vtable = give_back.unwrap_or(vtable);
            if let Some(chain) = append_last(chain, vtable, payload, closing) {
                run(chain);
            }
        }
        if let Some(delegate) = delegate {
            catch_and_log("a canceller", || delegate.unseen());
        }
    }
}

/// What goes before a stage: word to the watcher, a change of span.
///
/// # Safety
///
/// By the owner of the consumer ([one writer]).
#[inline(never)]
unsafe fn before_add<S: Stage>(chain: ChainPtr, seen: Snapshot, place: &'static Location<'static>) {
    if let Some(watch) = chain.block().info.watch() {
        watch.added(S::name(), place);
    }
    span::forget_appended_at_rest(chain, seen);
    // SAFETY: the caller owns the consumer. The value of the stage is another one,
    // which has no home.
    unsafe {
        give_back::forget(chain);
        span::append_change(chain);
    }
}

/// The read-modify-write after an append ([one writer]), and the run, if it is ours.
#[cold]
#[inline(never)]
unsafe fn run_appended(chain: ChainPtr, seen: Snapshot) {
    if chain.state().note_appended() {
        if !seen.is_at_rest() {
            span::restore(chain);
        }
        // SAFETY: it was at rest and is ours now, with a reference.
        unsafe { run(chain) }
    }
}

struct Last<T, F, R>(PhantomData<fn(T) -> R>, F);

impl<T, F, R> Last<T, F, R>
where
    T: Send + 'static,
    F: FnOnce(Result<T, Failure>) -> R + Send + 'static,
    R: Into<DueRun>,
{
    const VTABLE: &'static RecordVTable = &RecordVTable {
        size: size_with::<F>(),
        run: run_last::<T, F, R>,
        class: RecordClass::Other,
    };
}

/// # Safety
///
/// As for [`RecordVTable::run`]; the record holds an `F`.
unsafe fn run_last<T, F, R>(record: *mut Record, chain: ChainPtr) -> Flow
where
    F: FnOnce(Result<T, Failure>) -> R,
    R: Into<DueRun>,
{
    // SAFETY: the caller says so, and is the runner ([one runner], [slot], [types]).
    let (f, value) = unsafe { (read_closure::<F>(record), chain.take_result::<T>()) };
    let mut due = DueRun::NONE;
    catch_and_log("the end of a chain", || due = f(value).into());
    due.into_flow()
}

/// # Safety
///
/// As for [`RecordVTable::run`].
unsafe fn drop_value<T>(_: *mut Record, chain: ChainPtr) -> Flow {
    let block = chain.block();
    // SAFETY: the caller is the runner, and the value is a T ([one runner], [slot], [types]).
    let value = unsafe { chain.take_result::<T>() };
    drop_result(value, || (block.info.made(), block.info.label()));
    Flow::Finished
}

/// # Safety
///
/// As for [`RecordVTable::run`].
unsafe fn discard_value<T>(_: *mut Record, chain: ChainPtr) -> Flow {
    // SAFETY: the caller is the runner, and the value is a T ([one runner], [slot], [types]).
    let value = unsafe { chain.take_result::<T>() };
    catch_and_log("the drop of a value", || drop(value));
    Flow::Finished
}

/// # Safety
///
/// As for [`RecordVTable::run`]; the payload is a `Producer<T>`.
unsafe fn fire_target<T>(record: *mut Record, chain: ChainPtr) -> Flow {
    // SAFETY: the caller says so, and is the runner ([one runner], [slot], [types]).
    unsafe {
        let value = chain.take_result::<T>();
        match fire_chained::<T>((*record).payload.target, value) {
            Some(next) => Flow::Fired(next),
            None => Flow::Finished,
        }
    }
}
