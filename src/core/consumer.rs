//! The consumer's end of a chain.

use super::block::{ChainPtr, Transition};
use super::cancel::{
    Answer, Calls, CancelHooks, CancelRequest, Canceller, Delegate, Handle, cancel, delegate_of,
};
use super::due_run::DueRun;
use super::empty_chain::EmptyChain;
use super::fast_fire;
use super::give_back::{self, GiveBack, ReturnTo};
use super::info::ChainInfo;
use super::producer::{Producer, fire_chained, with_calls};
use super::record::{
    Flow, HEADER, Payload, Record, RecordClass, RecordVTable, read_closure, size_with,
    write_closure,
};
use super::repr::ResultAndPlace;
use super::run::run;
use super::span;
use super::stage::{Stage, StageVTable};
use super::state::{APPENDED, CANCEL_HOOKS, CLOSED, FIRED, REF, RUNNING, State, UNOBSERVED};
use super::unhandled::drop_result;
use super::waker;
use crate::failure::{Failure, catch_and_log};
use crate::sync::Ordering;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::num::NonZeroU64;
use std::panic::Location;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Makes a chain: who fires it, and who adds to it.
#[inline]
pub(crate) fn pair<T>(made: &'static Location<'static>) -> (Producer<T>, Consumer<T>) {
    let chain = ChainPtr::new::<T>(2 * REF, ChainInfo::new(made));
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
    let chain = ChainPtr::new::<T>((2 * REF) | CANCEL_HOOKS, ChainInfo::new(made));
    let side = match canceller {
        OnCancel::Every(delegate) => CancelHooks::Delegate(delegate),
        OnCancel::Once(f) => {
            let canceller: Canceller = Box::new(move || {
                let result = f()?;
                let put: Answer = Box::new(move |slot| slot.put(result));
                Some(put)
            });
            let mut calls = Box::<Calls>::default();
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

/// A coroutine, and the place in its list of what it awaits; in one word, as each
/// chain has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Awaiter(NonZeroU64);

impl Awaiter {
    const INDEX_BITS: u32 = 28;
    /// As many as there can be handles of one chain.
    const INDICES: u64 = 1 << Awaiter::INDEX_BITS;

    /// Makes one of the coroutine's number, which is not 0, unless the index is
    /// too large.
    ///
    /// After 69 billion coroutines that waited the numbers come again. A Deferred
    /// that one of them polled once and that lives still may then count as its
    /// namesake's.
    pub(crate) fn new(coroutine: NonZeroU64, index: usize) -> Option<Self> {
        let index = u64::try_from(index).ok()?;
        let number = coroutine.get() << Awaiter::INDEX_BITS;
        let word = NonZeroU64::new(number | index)?;
        (index < Awaiter::INDICES && number != 0).then_some(Awaiter(word))
    }

    pub(crate) fn index(self) -> usize {
        let index = self.0.get() & (Awaiter::INDICES - 1);
        usize::try_from(index).unwrap_or(usize::MAX)
    }

    pub(crate) fn is_of(self, coroutine: NonZeroU64) -> bool {
        self.0.get() & !(Awaiter::INDICES - 1) == coroutine.get() << Awaiter::INDEX_BITS
    }
}

#[inline]
pub(super) fn awaiter_of(chain: ChainPtr) -> Option<Awaiter> {
    // ORDERING: as in `set_awaiter`.
    let word = chain.block().awaited_by.load(Ordering::Relaxed);
    NonZeroU64::new(word).map(Awaiter)
}

/// The result left the chain: no coroutine awaits it there any more.
///
/// By the owner of the consumer.
#[inline]
fn forget_awaiter(chain: ChainPtr) {
    if awaiter_of(chain).is_some() {
        // ORDERING: as in `set_awaiter`.
        chain.block().awaited_by.store(0, Ordering::Relaxed);
    }
}

/// The owner of what a chain ends with: it adds stages, and takes the result
/// or gives it up. Dropped, it lets the chain go on by itself, and a failure
/// that nobody handles is reported.
pub(crate) struct Consumer<T> {
    chain: ChainPtr,
    kind: PhantomData<fn() -> T>,
}

// SAFETY: a Consumer moves a T out of the block; the rest of the block is shared
// by design.
unsafe impl<T: Send> Send for Consumer<T> {}
// SAFETY: through a shared Consumer only the state is used, and never the T.
unsafe impl<T: Send> Sync for Consumer<T> {}

impl<T> Consumer<T> {
    pub(super) fn new(chain: ChainPtr) -> Self {
        let kind = PhantomData;
        Consumer { chain, kind }
    }

    pub(super) fn into_ptr(self) -> ChainPtr {
        ManuallyDrop::new(self).chain
    }

    #[inline]
    pub(crate) fn is_at_rest(&self) -> bool {
        self.chain.load().is_at_rest()
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
                    drop(EmptyChain::from_ptr(this.chain));
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
    pub(super) unsafe fn take_plain(&mut self) -> Option<ResultAndPlace<T>> {
        let chain = self.chain;
        let state = chain.load();
        let info = &chain.block().info;
        if !(state.is_at_rest() && state.is_sole() && info.is_plain()) {
            return None;
        }
        let made = info.made();
        // SAFETY: at rest, and the consumer is ours (4, 7, 9); so is the only
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
    pub(super) unsafe fn take_out(&mut self) -> Option<Result<T, Failure>> {
        let chain = self.chain;
        let state = chain.load();
        if !state.is_at_rest() {
            return None;
        }
        // SAFETY: at rest, and the consumer is ours (4, 7, 9, 13); its value is
        // looked for no more, as the caller says.
        unsafe {
            let result = fast_fire::take_at_rest::<T>(chain, state);
            forget_awaiter(chain);
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
    pub(super) fn seen(&self) -> State {
        self.chain.load()
    }

    /// As `add`, to a chain whose state was this one just now.
    #[inline(always)]
    pub(super) fn add_to<S: Stage<In = T>>(
        self,
        seen: State,
        stage: S,
        place: &'static Location<'static>,
    ) -> Consumer<S::Out> {
        let chain = self.into_ptr();
        // SAFETY: the consumer is ours; the kind is that of an S, whose input type
        // is the consumer's (6, 7).
        unsafe {
            if !span::is_plain(chain) {
                before_add::<S>(chain, seen, place);
            }
            append(chain, StageVTable::<S>::KIND, Payload { place }, |record| {
                write_closure(record, stage);
            });
            // The usual case of `appended`, at once.
            if seen.is_at_rest() || chain.change(seen, seen.0 | APPENDED).is_err() {
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
        // SAFETY: as in `add`; `Last` takes the value, and nothing follows (8).
        unsafe {
            let kind = Last::<T, F, R>::KIND;
            let payload = Payload { nothing: () };
            // It stands at `write`, or behind a jump that does.
            let record = chain.block().reserve(kind.size);
            record.write(Record { kind, payload });
            write_closure(record, f);
            if let Some(chain) = close(chain, 0, false) {
                run(chain);
            }
        }
    }

    /// Ends the chain by firing `head` with the result.
    pub(crate) fn fire_into(self, producer: Producer<T>) {
        let target = producer.into_ptr();
        let kind: &'static RecordVTable = &RecordVTable {
            size: HEADER,
            run: fire_target::<T>,
            sort: RecordClass::Other,
        };
        // SAFETY: the consumer is ours.
        unsafe {
            if let Some(chain) = append_last(self.into_ptr(), kind, Payload { target }, 0, false) {
                run(chain);
            }
        }
    }

    /// Whether the chain is at rest; if not, the task is woken when it is.
    #[inline]
    pub(crate) fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        waker::poll_rest(self.chain, cx)
    }

    /// The coroutine that polled the chain last, if one did.
    #[inline]
    pub(crate) fn awaiter(&self) -> Option<Awaiter> {
        awaiter_of(self.chain)
    }

    /// Says which coroutine polled the chain last.
    pub(crate) fn set_awaiter(&mut self, awaiter: Option<Awaiter>) {
        let word = awaiter.map_or(0, |awaiter| awaiter.0.get());
        // ORDERING: a hint. The owner of the consumer reads what it wrote; a cancel
        // that meets a Deferred on its way from one coroutine to another may take
        // it for either one's.
        self.chain.block().awaited_by.store(word, Ordering::Relaxed);
    }

    pub(super) fn chain(&self) -> ChainPtr {
        self.chain
    }

    pub(crate) fn handle(&self) -> Handle {
        Handle(self.chain.retain())
    }

    pub(super) fn is_consumer_of(&self, chain: ChainPtr) -> bool {
        self.chain == chain
    }

    pub(crate) fn cancel(&self, request: CancelRequest) -> bool {
        cancel(self.chain, request)
    }

    /// Makes the value, if it is dropped with no stage added from here on, go
    /// back to `give_back`.
    pub(crate) fn set_return_to<H: ReturnTo<T>>(&mut self, give_back: H)
    where
        T: Send + 'static,
    {
        // SAFETY: the consumer is ours, and its value is a T.
        unsafe { give_back::set(self.chain, give_back) }
    }

    /// Takes away where the value goes back to, if it has such a place.
    pub(crate) fn take_return_to(&mut self) -> Option<GiveBack<T>>
    where
        T: 'static,
    {
        if !self.chain.block().info.has_ext() {
            return None;
        }
        // SAFETY: the consumer is ours, and its value is a T.
        unsafe { give_back::detach(self.chain) }
    }

    /// Whether this is an unfired chain that nothing was appended to, and that
    /// only its head and this know.
    pub(crate) fn is_fresh(&self) -> bool {
        let state = self.chain.load();
        !state.has(FIRED)
            && state.refs() == 2
            && self.chain.is_untouched()
            && self.chain.block().info.ext().is_none()
    }

    /// Makes `canceller` what a cancel calls while the chain is unfired. A chain
    /// that is fired already has no use for it, and it is dropped.
    pub(crate) fn set_canceller(&mut self, canceller: impl FnOnce() + Send + 'static) {
        let mut canceller: Option<Canceller> = Some(Box::new(move || {
            canceller();
            None
        }));
        with_calls(self.chain, |calls| calls.canceller = canceller.take());
        // Outside of the lock [user code].
        catch_and_log("the drop of a canceller", || drop(canceller));
    }

    /// Gives the result up, whatever it is; a failure is not reported.
    pub(crate) fn discard(self) {
        let chain = self.into_ptr();
        let kind: &'static RecordVTable = &RecordVTable {
            size: HEADER,
            run: discard_value::<T>,
            sort: RecordClass::Other,
        };
        let flags = if chain.is_untouched() { UNOBSERVED } else { 0 };
        let payload = Payload { nothing: () };
        // SAFETY: the consumer is ours, and its value is a T (7).
        unsafe {
            if let Some(chain) = append_last(chain, kind, payload, flags, false) {
                run(chain);
            }
        }
    }

    /// Tells a watcher what will fire the chain.
    pub(crate) fn set_source(&self, source: &'static str) {
        if let Some(watch) = self.chain.block().info.watch() {
            watch.sourced(source);
        }
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        let chain = self.chain;
        let info = &chain.block().info;
        let untouched = chain.is_untouched();
        // SAFETY: the consumer is ours.
        let give_back = unsafe { give_back::kind(chain) };
        let state = chain.load();
        if give_back.is_none() && state.is_at_rest() {
            // SAFETY: at rest, and the consumer is ours (4, 7, 9). Nobody will run
            // the chain or take from it any more.
            let value = unsafe { fast_fire::take_at_rest::<T>(chain, state) };
            forget_awaiter(chain);
            drop_result(value, || (info.made(), info.label()));
            chain.release(1, 0);
            return;
        }
        let kind: &'static RecordVTable = &RecordVTable {
            size: HEADER,
            run: drop_value::<T>,
            sort: RecordClass::Other,
        };
        // It only matters while the chain is unfired, and then it is exact.
        let flags = if untouched { UNOBSERVED } else { 0 };
        let unseen = untouched || give_back.is_some();
        let delegate = if unseen { delegate_of(chain) } else { None };
        let payload = Payload { nothing: () };
        // SAFETY: the consumer is ours, and its value is a T (7); the home is for
        // a T as well.
        unsafe {
            let kind = give_back.unwrap_or(kind);
            if let Some(chain) = append_last(chain, kind, payload, flags, false) {
                run(chain);
            }
        }
        if let Some(delegate) = delegate {
            catch_and_log("a canceller", || delegate.unseen());
        }
    }
}

/// # Safety
///
/// The caller may take the value of the slot, and it is a `Result<T, Failure>`.
#[inline]
pub(super) unsafe fn take_value<T>(chain: ChainPtr) -> Result<T, Failure> {
    // SAFETY: the caller says so.
    chain
        .block()
        .slot
        .with_mut(|slot| unsafe { (*slot).take_result() })
}

/// What goes before a stage: word to the watcher, a change of span.
///
/// # Safety
///
/// By the owner of the consumer (6).
#[inline(never)]
unsafe fn before_add<S: Stage>(chain: ChainPtr, seen: State, place: &'static Location<'static>) {
    if let Some(watch) = chain.block().info.watch() {
        watch.added(S::name(), place);
    }
    span::forget_appended_at_rest(chain, seen);
    // SAFETY: the caller says so. The value of the stage is another one, which
    // has no home.
    unsafe {
        give_back::forget(chain);
        span::append_change(chain);
    }
}

/// Writes a record and makes it known; `appended` or `close` must follow.
///
/// # Safety
///
/// By the owner of the consumer (6). `closure` writes what `kind` says into the
/// record.
#[inline]
pub(super) unsafe fn append(
    chain: ChainPtr,
    kind: &'static RecordVTable,
    payload: Payload,
    closure: impl FnOnce(*mut Record),
) {
    let block = chain.block();
    // SAFETY: the caller says so; the reserved memory has the kind's size.
    unsafe {
        let record = block.reserve(kind.size);
        record.write(Record { kind, payload });
        closure(record);
        block.publish(record, kind.size);
    }
}

/// The read-modify-write after an append (6), and the run, if it is ours.
#[cold]
#[inline(never)]
unsafe fn run_appended(chain: ChainPtr, seen: State) {
    if appended(chain, 0, true) {
        if !seen.is_at_rest() {
            span::restore(chain);
        }
        // SAFETY: it was at rest and is ours now, with a reference.
        unsafe { run(chain) }
    }
}

/// The read-modify-write after an append (6): sets `flags`, and says whether
/// the chain was at rest and is ours to run. The reference of the consumer is kept
/// if `keep`; else it goes to the run, or is given up.
fn appended(chain: ChainPtr, flags: u64, keep: bool) -> bool {
    let (state, _) = chain.update(|s| {
        Transition::To(match (s.is_at_rest(), keep) {
            (true, true) => State(s.0 | RUNNING | flags).with_ref().0,
            (true, false) => s.0 | RUNNING | flags,
            (false, true) => s.0 | APPENDED | flags,
            // Not the last: who will make it run, or has it held up, has one.
            (false, false) => (s.0 | APPENDED | flags) - REF,
        })
    });
    state.is_at_rest()
}

/// Appends the last record, without allocating, and returns the chain if it is
/// ours to run. The reference of the consumer is kept if `keep`.
///
/// # Safety
///
/// The caller owns the consumer, and gives it up. The kind's size is `HEADER`.
pub(super) unsafe fn append_last(
    chain: ChainPtr,
    kind: &'static RecordVTable,
    payload: Payload,
    flags: u64,
    keep: bool,
) -> Option<ChainPtr> {
    let record = chain.block().reserved();
    // SAFETY: the reserve is free, and is used once: nothing follows.
    unsafe { record.write(Record { kind, payload }) };
    close(chain, flags, keep)
}

/// Makes the last record known, which stands where `write` points: not by
/// `write`, but by `CLOSED`. So the runner cannot consume it, and with it the
/// reference that keeps the chain, before this thread is through.
fn close(chain: ChainPtr, flags: u64, keep: bool) -> Option<ChainPtr> {
    waker::forget(chain);
    appended(chain, CLOSED | flags, keep).then_some(chain)
}

struct Last<T, F, R>(PhantomData<fn(T) -> R>, F);

impl<T, F, R> Last<T, F, R>
where
    T: Send + 'static,
    F: FnOnce(Result<T, Failure>) -> R + Send + 'static,
    R: Into<DueRun>,
{
    const KIND: &'static RecordVTable = &RecordVTable {
        size: size_with::<F>(),
        run: run_last::<T, F, R>,
        sort: RecordClass::Other,
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
    // SAFETY: the caller says so, and is the runner (3, 4, 7).
    let (f, value) = unsafe { (read_closure::<F>(record), take_value::<T>(chain)) };
    let mut due = DueRun::NONE;
    catch_and_log("the end of a chain", || due = f(value).into());
    due.into_flow()
}

/// # Safety
///
/// As for [`RecordVTable::run`].
unsafe fn drop_value<T>(_: *mut Record, chain: ChainPtr) -> Flow {
    let block = chain.block();
    // SAFETY: the caller is the runner, and the value is a T (3, 4, 7).
    let value = unsafe { take_value::<T>(chain) };
    drop_result(value, || (block.info.made(), block.info.label()));
    Flow::Finished
}

/// # Safety
///
/// As for [`RecordVTable::run`].
unsafe fn discard_value<T>(_: *mut Record, chain: ChainPtr) -> Flow {
    // SAFETY: the caller is the runner, and the value is a T (3, 4, 7).
    let value = unsafe { take_value::<T>(chain) };
    catch_and_log("the drop of a value", || drop(value));
    Flow::Finished
}

/// # Safety
///
/// As for [`RecordVTable::run`]; the payload is a `Producer<T>`.
unsafe fn fire_target<T>(record: *mut Record, chain: ChainPtr) -> Flow {
    // SAFETY: the caller says so, and is the runner (3, 4, 7).
    unsafe {
        let value = take_value::<T>(chain);
        match fire_chained::<T>((*record).payload.target, value) {
            Some(next) => Flow::Fired(next),
            None => Flow::Finished,
        }
    }
}
