//! The consumer's end of a chain.

use super::anchor::Anchor;
use super::block::{Next, Ptr};
use super::cancel::{
    Answer, Calls, CancelRequest, CancelSide, Canceller, Delegate, Handle, cancel, delegate_of,
};
use super::early;
use super::head::{Head, fire_chained};
use super::home::{self, TakesBack};
use super::meta::Meta;
use super::pause::PauseGuard;
use super::record::{
    Flow, HEADER, Kind, Payload, Record, Sort, read_closure, size_with, write_closure,
};
use super::run::run;
use super::scope;
use super::stage::{KindOf, Stage};
use super::state::{CANCEL_SIDE, CLOSED, FIRED, MORE, REF, RUNNING, State, UNSEEN};
use super::taken::{Plain, Taken, give_up};
use super::waker;
use crate::failure::{Failure, quietly};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Makes a chain: who fires it, and who adds to it.
#[inline]
pub(crate) fn pair<T>(made: &'static Location<'static>) -> (Head<T>, Tail<T>) {
    let chain = Ptr::new::<T>(2 * REF, Meta::new(made));
    (Head::new(chain), Tail::new(chain))
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
) -> (Head<T>, Tail<T>) {
    let chain = Ptr::new::<T>((2 * REF) | CANCEL_SIDE, Meta::new(made));
    let side = match canceller {
        OnCancel::Every(delegate) => CancelSide::Delegate(delegate),
        OnCancel::Once(f) => {
            let canceller: Canceller = Box::new(move || {
                let result = f()?;
                let put: Answer = Box::new(move |slot| slot.put(result));
                Some(put)
            });
            let mut calls = Box::<Calls>::default();
            calls.canceller = Some(canceller);
            CancelSide::Calls(calls)
        }
    };
    chain.block().slot.with_mut(|slot| {
        // SAFETY: nobody else has the chain yet.
        unsafe { (*slot).put(side) }
    });
    (Head::new(chain), Tail::new(chain))
}

/// The owner of what a chain ends with: it adds stages, and takes the result
/// or gives it up. Dropped, it lets the chain go on by itself, and a failure
/// that nobody handles is reported.
pub(crate) struct Tail<T> {
    chain: Ptr,
    kind: PhantomData<fn() -> T>,
}

// SAFETY: a Tail moves a T out of the block; the rest of the block is shared
// by design.
unsafe impl<T: Send> Send for Tail<T> {}
// SAFETY: through a shared Tail only the state is used, and never the T.
unsafe impl<T: Send> Sync for Tail<T> {}

impl<T> Tail<T> {
    pub(super) fn new(chain: Ptr) -> Self {
        let kind = PhantomData;
        Tail { chain, kind }
    }

    pub(super) fn into_ptr(self) -> Ptr {
        ManuallyDrop::new(self).chain
    }

    #[inline]
    pub(crate) fn is_at_rest(&self) -> bool {
        self.chain.load().is_at_rest()
    }

    /// Takes the result of a chain at rest, and what is left of the chain if
    /// somebody else has a part in it.
    ///
    /// # Errors
    ///
    /// The chain, if it is not at rest.
    #[inline(never)]
    pub(crate) fn take(self) -> Result<Taken<T>, Self> {
        let state = self.chain.load();
        if !state.is_at_rest() {
            return Err(self);
        }
        let chain = self.into_ptr();
        // SAFETY: at rest, and the tail is ours (4, 7, 9).
        let value = unsafe { early::take_at_rest::<T>(chain, state) };
        // A chain with a label or a watcher keeps them.
        if state.is_sole() && chain.block().meta.is_plain() {
            // SAFETY: the only reference is ours.
            unsafe { chain.free() };
            Ok((value, None))
        } else {
            // SAFETY: the tail is ours (13).
            unsafe { home::forget(chain) };
            early::forget(chain, state);
            Ok((value, Some(Anchor::new(chain))))
        }
    }

    /// Takes the result of a chain at rest that nobody else has a part in, and
    /// says where it was made: all that there is to know of it.
    ///
    /// # Safety
    ///
    /// If there is one, the tail is not used again, nor dropped.
    #[inline(always)]
    pub(super) unsafe fn take_plain(&mut self) -> Option<Plain<T>> {
        let chain = self.chain;
        let state = chain.load();
        let meta = &chain.block().meta;
        if !(state.is_at_rest() && state.is_sole() && meta.is_plain()) {
            return None;
        }
        let made = meta.made();
        // SAFETY: at rest, and the tail is ours (4, 7, 9); so is the only
        // reference, which the caller forgets.
        unsafe {
            let value = early::take_at_rest::<T>(chain, state);
            chain.free();
            Some((value, made))
        }
    }

    /// Appends a stage. It runs on this thread, now, if the chain is at rest.
    #[cold]
    #[inline(never)]
    pub(crate) fn add<S: Stage<In = T>>(
        self,
        stage: S,
        place: &'static Location<'static>,
    ) -> Tail<S::Out> {
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
    ) -> Tail<S::Out> {
        let chain = self.into_ptr();
        // SAFETY: the tail is ours; the kind is that of an S, whose input type
        // is the tail's (6, 7).
        unsafe {
            if !scope::is_plain(chain) {
                before_add::<S>(chain, place);
            }
            append(chain, KindOf::<S>::KIND, Payload { place }, |record| {
                write_closure(record, stage);
            });
            // The usual case of `appended`, at once.
            if seen.is_at_rest() || chain.change(seen, seen.0 | MORE).is_err() {
                run_appended(chain);
            }
        }
        Tail::new(chain)
    }

    /// Ends the chain with `f`, which takes the result.
    pub(crate) fn finish<F>(self, f: F)
    where
        F: FnOnce(Result<T, Failure>) + Send + 'static,
        T: Send + 'static,
    {
        let chain = self.into_ptr();
        // SAFETY: as in `add`; `Last` takes the value, and nothing follows (8).
        unsafe {
            let kind = Last::<T, F>::KIND;
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
    pub(crate) fn fire_into(self, head: Head<T>) {
        let target = head.into_ptr();
        let kind: &'static Kind = &Kind {
            size: HEADER,
            run: fire_target::<T>,
            sort: Sort::Other,
        };
        // SAFETY: the tail is ours.
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

    /// The coroutine that awaits the chain, by number; 0 is none.
    pub(crate) fn awaited_by(&mut self) -> u64 {
        // SAFETY: the tail is ours.
        self.chain.block().awaited_by.with(|by| unsafe { *by })
    }

    pub(crate) fn set_awaited_by(&mut self, number: u64) {
        self.chain.block().awaited_by.with_mut(|by| {
            // SAFETY: the tail is ours.
            unsafe { *by = number }
        });
    }

    pub(crate) fn pause(&self) -> PauseGuard {
        PauseGuard::new(self.chain)
    }

    pub(crate) fn handle(&self) -> Handle {
        Handle(self.chain.retain())
    }

    pub(super) fn is_tail_of(&self, chain: Ptr) -> bool {
        self.chain == chain
    }

    pub(crate) fn is_of(&self, handle: &Handle) -> bool {
        handle.0 == self.chain
    }

    pub(crate) fn cancel(&self, request: CancelRequest) {
        cancel(self.chain, request);
    }

    /// Makes the value, if it is dropped with no stage ever added, go back to
    /// `home`.
    pub(crate) fn set_home<H: TakesBack<T>>(&mut self, home: H)
    where
        T: Send + 'static,
    {
        // SAFETY: the tail is ours, and its value is a T.
        unsafe { home::set(self.chain, home) }
    }

    pub(crate) fn set_label(&mut self, label: &'static str) {
        self.chain.block().meta.set_label(label);
    }

    /// Whether this is an unfired chain that nothing was appended to, and that
    /// only its head and this know.
    pub(crate) fn is_fresh(&self) -> bool {
        let state = self.chain.load();
        !state.has(FIRED)
            && state.refs() == 2
            && self.chain.is_untouched()
            && self.chain.block().meta.ext().is_none()
    }

    /// Tells a watcher what will fire the chain.
    pub(crate) fn set_source(&self, source: &'static str) {
        if let Some(watch) = self.chain.block().meta.watch() {
            watch.sourced(source);
        }
    }

    pub(crate) fn made(&self) -> &'static Location<'static> {
        self.chain.block().meta.made()
    }

    pub(crate) fn watch_id(&self) -> Option<u64> {
        self.chain.block().meta.watch_id()
    }

    pub(crate) fn label(&self) -> Option<&'static str> {
        self.chain.block().meta.label()
    }
}

impl<T> Drop for Tail<T> {
    fn drop(&mut self) {
        let chain = self.chain;
        let meta = &chain.block().meta;
        let untouched = chain.is_untouched();
        // SAFETY: the tail is ours.
        let home = unsafe { home::kind(chain) }.filter(|_| untouched);
        let state = chain.load();
        if home.is_none() && state.is_at_rest() {
            // SAFETY: at rest, and the tail is ours (4, 7, 9). Nobody will run
            // the chain or take from it any more.
            let value = unsafe { early::take_at_rest::<T>(chain, state) };
            give_up(value, || (meta.made(), meta.label()));
            chain.release(1, 0);
            return;
        }
        let kind: &'static Kind = &Kind {
            size: HEADER,
            run: drop_value::<T>,
            sort: Sort::Other,
        };
        // It only matters while the chain is unfired, and then it is exact.
        let flags = if untouched { UNSEEN } else { 0 };
        let delegate = if untouched { delegate_of(chain) } else { None };
        let payload = Payload { nothing: () };
        // SAFETY: the tail is ours, and its value is a T (7); the home is for
        // a T as well.
        unsafe {
            let kind = home.unwrap_or(kind);
            if let Some(chain) = append_last(chain, kind, payload, flags, false) {
                run(chain);
            }
        }
        if let Some(delegate) = delegate {
            quietly("a canceller", || delegate.unseen());
        }
    }
}

/// # Safety
///
/// The caller may take the value of the slot, and it is a `Result<T, Failure>`.
#[inline]
pub(super) unsafe fn take_value<T>(chain: Ptr) -> Result<T, Failure> {
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
/// By the owner of the tail (6).
#[inline(never)]
unsafe fn before_add<S: Stage>(chain: Ptr, place: &'static Location<'static>) {
    if let Some(watch) = chain.block().meta.watch() {
        watch.added(S::name(), place);
    }
    // SAFETY: the caller says so.
    unsafe { scope::append_change(chain) }
}

/// Writes a record and makes it known; `appended` or `close` must follow.
///
/// # Safety
///
/// By the owner of the tail (6). `closure` writes what `kind` says into the
/// record.
#[inline]
pub(super) unsafe fn append(
    chain: Ptr,
    kind: &'static Kind,
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
unsafe fn run_appended(chain: Ptr) {
    if appended(chain, 0, true) {
        // SAFETY: it was at rest and is ours now, with a reference.
        unsafe { run(chain) }
    }
}

/// The read-modify-write after an append (6): sets `flags`, and says whether
/// the chain was at rest and is ours to run. The reference of the tail is kept
/// if `keep`; else it goes to the run, or is given up.
fn appended(chain: Ptr, flags: u64, keep: bool) -> bool {
    let (state, _) = chain.update(|s| {
        Next::To(match (s.is_at_rest(), keep) {
            (true, true) => State(s.0 | RUNNING | flags).with_ref().0,
            (true, false) => s.0 | RUNNING | flags,
            (false, true) => s.0 | MORE | flags,
            // Not the last: who will make it run, or has it held up, has one.
            (false, false) => (s.0 | MORE | flags) - REF,
        })
    });
    state.is_at_rest()
}

/// Appends the last record, without allocating, and returns the chain if it is
/// ours to run. The reference of the tail is kept if `keep`.
///
/// # Safety
///
/// The caller owns the tail, and gives it up. The kind's size is `HEADER`.
pub(super) unsafe fn append_last(
    chain: Ptr,
    kind: &'static Kind,
    payload: Payload,
    flags: u64,
    keep: bool,
) -> Option<Ptr> {
    let record = chain.block().reserved();
    // SAFETY: the reserve is free, and is used once: nothing follows.
    unsafe { record.write(Record { kind, payload }) };
    close(chain, flags, keep)
}

/// Makes the last record known, which stands where `write` points: not by
/// `write`, but by `CLOSED`. So the runner cannot consume it, and with it the
/// reference that keeps the chain, before this thread is through.
fn close(chain: Ptr, flags: u64, keep: bool) -> Option<Ptr> {
    waker::forget(chain);
    appended(chain, CLOSED | flags, keep).then_some(chain)
}

struct Last<T, F>(PhantomData<fn(T)>, F);

impl<T: Send + 'static, F: FnOnce(Result<T, Failure>) + Send + 'static> Last<T, F> {
    const KIND: &'static Kind = &Kind {
        size: size_with::<F>(),
        run: run_last::<T, F>,
        sort: Sort::Other,
    };
}

/// # Safety
///
/// As for [`Kind::run`]; the record holds an `F`.
unsafe fn run_last<T, F: FnOnce(Result<T, Failure>)>(record: *mut Record, chain: Ptr) -> Flow {
    // SAFETY: the caller says so, and is the runner (3, 4, 7).
    let (f, value) = unsafe { (read_closure::<F>(record), take_value::<T>(chain)) };
    quietly("the end of a chain", || f(value));
    Flow::Finished
}

/// # Safety
///
/// As for [`Kind::run`].
unsafe fn drop_value<T>(_: *mut Record, chain: Ptr) -> Flow {
    let block = chain.block();
    // SAFETY: the caller is the runner, and the value is a T (3, 4, 7).
    let value = unsafe { take_value::<T>(chain) };
    give_up(value, || (block.meta.made(), block.meta.label()));
    Flow::Finished
}

/// # Safety
///
/// As for [`Kind::run`]; the payload is a `Head<T>`.
unsafe fn fire_target<T>(record: *mut Record, chain: Ptr) -> Flow {
    // SAFETY: the caller says so, and is the runner (3, 4, 7).
    unsafe {
        let value = take_value::<T>(chain);
        match fire_chained::<T>((*record).payload.target, value) {
            Some(next) => Flow::Fired(next),
            None => Flow::Finished,
        }
    }
}
