//! The `tracing` span that stages run in: the one that was current when they
//! were added.
//!
//! A span is too large for each stage, and most have none. So where the span
//! of a stage differs from that of the one before, a record that changes it
//! goes between them, and neighbours share it.
//!
//! A chain has a span only between the change to it and the end of what there
//! is to run: a span whose request is over is closed, although somebody may
//! still keep the chain. So a stage that is added to a chain at rest brings its
//! span along, also where it is that of the stage before.

use super::append::append;
use crate::core::memory::info::{ChainInfo, ChainInfoExt, SpanKey};
use crate::core::memory::ptr::ChainPtr;
use crate::core::memory::record::{
    Flow, Payload, Record, RecordClass, RecordVTable, read_closure, size_with, write_closure,
};
use crate::core::state::Snapshot;
use crate::failure::catch_and_log;
use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Span};

impl SpanKey {
    fn current() -> Option<Self> {
        tracing::dispatcher::get_default(|dispatch| {
            let current = dispatch.current_span();
            let site = current.metadata().map(Metadata::callsite);
            current.id().map(|id| SpanKey(id.clone(), site))
        })
    }

    fn of(span: &Span) -> Option<Self> {
        let site = span.metadata().map(Metadata::callsite);
        span.id().map(|id| SpanKey(id, site))
    }
}

static CHANGE: RecordVTable = RecordVTable {
    size: size_with::<Span>(),
    run: change,
    class: RecordClass::Other,
};

/// # Safety
///
/// As for [`RecordVTable::run`]; the record holds a span.
unsafe fn change(record: *mut Record, chain: ChainPtr) -> Flow {
    // SAFETY: the caller is the runner, and the record holds a span.
    let span = unsafe {
        chain.pass(record, CHANGE.size);
        read_closure::<Span>(record)
    };
    let ext = chain.block().info.ext();
    let ext = ext.expect("a change of span is appended after the ChainInfoExt was made");
    let old = ext.span.with_mut(|place| {
        // SAFETY: [one runner].
        unsafe { (*place).replace(span) }
    });
    discard(old);
    Flow::Span
}

/// Whether a stage can be appended with no thought of spans and watchers: no
/// level is enabled, so there is no span, and the chain has no ChainInfoExt.
#[inline]
pub(crate) fn is_plain(chain: ChainPtr) -> bool {
    LevelFilter::current() == LevelFilter::OFF && !chain.block().info.has_ext()
}

/// Appends a change of span, if another one is current now than when the last
/// stage was added.
///
/// # Safety
///
/// By the owner of the consumer ([one writer]).
pub(crate) unsafe fn append_change(chain: ChainPtr) {
    let possible = LevelFilter::current() != LevelFilter::OFF;
    let info = &chain.block().info;
    let mut current = None;
    let mut span = Span::none();
    if let Some(ext) = info.ext() {
        // SAFETY: the owner of the consumer calls this, and `appended` is its own.
        let is_last = |current: &_| ext.appended.with(|last| unsafe { *last == *current });
        if possible {
            catch_and_log(LOOK_UP, || current = SpanKey::current());
        }
        if is_last(&current) {
            return;
        }
        if current.is_some() {
            catch_and_log(LOOK_UP, || span = Span::current());
            if span.is_none() {
                // It panicked. This stage has none; the next one asks again.
                current = None;
                if is_last(&current) {
                    return;
                }
            }
        }
    } else {
        if possible {
            catch_and_log(LOOK_UP, || span = Span::current());
            // Where a clone of a span is another one, the next stage will take
            // that for a change, once.
            current = SpanKey::of(&span);
        }
        if current.is_none() {
            return;
        }
    }
    info.extend().appended.with_mut(|last| {
        // SAFETY: the owner of the consumer calls this, and `appended` is its own.
        unsafe { *last = current }
    });
    // SAFETY: the size in the vtable has room for the span behind the header.
    unsafe {
        append(chain, &CHANGE, Payload { nothing: () }, |record| {
            write_closure(record, span);
        });
    }
}

const LOOK_UP: &str = "the look-up of the current span";

/// Forgets which span was appended last, if the chain is at rest: there it has
/// given its span back, and the next stage brings its own.
///
/// By the owner of the consumer, before an append, and before a pause, after
/// which the chain is not at rest any more.
#[cold]
pub(crate) fn forget_appended_at_rest(chain: ChainPtr, seen: Snapshot) {
    if seen.is_at_rest()
        && let Some(ext) = chain.block().info.ext()
    {
        // SAFETY: the owner of the consumer calls this, and `appended` is its own.
        ext.appended.with_mut(|last| unsafe { *last = None });
    }
}

/// Gives the chain the current span, which is that of the stage that was just
/// appended.
///
/// A chain that was running when the stage was appended, so that its span was
/// taken to be the one of the stage before, may have come to rest meanwhile, and
/// have given that span back.
///
/// By the owner of the consumer, who has just become the runner.
#[cold]
pub(crate) fn restore(chain: ChainPtr) {
    let Some(ext) = chain.block().info.ext() else {
        return;
    };
    // SAFETY: the owner of the consumer calls this, and `appended` is its own.
    if ext.appended.with(|last| unsafe { (*last).is_none() }) {
        return;
    }
    let mut span = Span::none();
    catch_and_log(LOOK_UP, || span = Span::current());
    give_back(span, ext);
}

/// The span that a run is in, entered once for all neighbouring stages.
pub(crate) struct SpanScope {
    /// Whether the chain was asked for its span.
    looked: bool,
    /// The chain's span, which the chain does not have meanwhile. Not a guard: a
    /// subscriber that panics when it is left would take the span along.
    span: Option<Span>,
    /// Whether that span was entered: not if the subscriber panicked.
    entered: bool,
}

impl SpanScope {
    #[inline]
    pub(crate) fn new() -> Self {
        SpanScope {
            looked: false,
            span: None,
            entered: false,
        }
    }

    /// Enters the span of the next stages, unless that was done. Until it is
    /// left, the chain has it not.
    ///
    /// By the runner.
    #[inline]
    pub(crate) fn enter(&mut self, info: &ChainInfo) {
        if !self.looked {
            self.looked = true;
            if let Some(ext) = info.ext() {
                self.enter_that_of(ext);
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn enter_that_of(&mut self, ext: &ChainInfoExt) {
        self.span = take(ext);
        if let Some(span) = &self.span {
            catch_and_log("the entering of a span", || {
                // `exit` is the end of this guard.
                std::mem::forget(span.enter());
                self.entered = true;
            });
        }
    }

    /// Leaves it, and gives it back to the chain: the run changes chains, or
    /// stops for a pause, or the span changes.
    ///
    /// By the runner.
    #[inline]
    pub(crate) fn leave(&mut self, info: &ChainInfo) {
        self.looked = false;
        if self.span.is_some() {
            self.leave_that_of(info);
        }
    }

    #[cold]
    #[inline(never)]
    fn leave_that_of(&mut self, info: &ChainInfo) {
        put_back(self.exit(), info);
    }

    /// Leaves it, and returns it: the chain comes to rest, or to its end, and
    /// keeps no span then, however long a handle keeps the chain.
    ///
    /// By the runner.
    #[inline]
    pub(crate) fn end(&mut self, info: &ChainInfo) -> Option<Span> {
        if self.looked && self.span.is_none() {
            self.looked = false;
            return None;
        }
        self.end_that_of(info)
    }

    #[cold]
    #[inline(never)]
    fn end_that_of(&mut self, info: &ChainInfo) -> Option<Span> {
        let looked = std::mem::replace(&mut self.looked, false);
        if looked {
            self.exit()
        } else {
            info.ext().and_then(take)
        }
    }

    /// Leaves the span, if it was entered.
    fn exit(&mut self) -> Option<Span> {
        let span = self.span.take()?;
        if std::mem::replace(&mut self.entered, false) {
            exit(&span);
        }
        Some(span)
    }
}

impl Drop for SpanScope {
    /// What is not left in order is left by a panic of this library's own.
    fn drop(&mut self) {
        drop(self.exit());
    }
}

/// Takes the chain's span.
///
/// By the runner.
fn take(ext: &ChainInfoExt) -> Option<Span> {
    // SAFETY: [one runner].
    ext.span.with_mut(|span| unsafe { (*span).take() })
}

/// Drops the span of a chain that runs no more, and is kept by handles.
///
/// By the runner.
pub(crate) fn drop_that_of(info: &ChainInfo) {
    if let Some(ext) = info.ext() {
        discard(take(ext));
    }
}

/// Drops a span, which calls the subscriber.
#[inline]
pub(crate) fn discard(span: Option<Span>) {
    if let Some(span) = span {
        discard_that(span);
    }
}

/// The span that was current somewhere, for code of the user's that is called
/// later and is no stage.
pub(crate) struct CurrentSpan(Span);

impl CurrentSpan {
    pub(crate) fn capture() -> Self {
        let mut span = Span::none();
        if LevelFilter::current() != LevelFilter::OFF {
            catch_and_log(LOOK_UP, || span = Span::current());
        }
        CurrentSpan(span)
    }

    /// Calls `f`, whose panics are its own, inside of the span.
    pub(crate) fn in_scope<R>(&self, f: impl FnOnce() -> R) -> R {
        struct Entered<'a>(Option<&'a Span>);

        impl Drop for Entered<'_> {
            fn drop(&mut self) {
                if let Some(span) = self.0 {
                    exit(span);
                }
            }
        }

        let mut entered = Entered(None);
        if !self.0.is_none() {
            catch_and_log("the entering of a span", || {
                // `exit` is the end of this guard.
                std::mem::forget(self.0.enter());
                entered.0 = Some(&self.0);
            });
        }
        f()
    }
}

#[cold]
#[inline(never)]
fn discard_that(span: Span) {
    catch_and_log("the end of a span", || drop(span));
}

/// Undoes [`SpanScope::end`].
///
/// By the runner.
#[inline]
pub(crate) fn put_back(span: Option<Span>, info: &ChainInfo) {
    if let (Some(span), Some(ext)) = (span, info.ext()) {
        give_back(span, ext);
    }
}

fn exit(span: &Span) {
    catch_and_log("the leaving of a span", || {
        span.with_subscriber(|(id, subscriber)| subscriber.exit(id));
    });
}

/// Gives the chain the span of its last stages, unless the next ones have
/// another one.
///
/// By the runner.
fn give_back(span: Span, ext: &ChainInfoExt) {
    let unwanted = ext.span.with_mut(|place| {
        // SAFETY: [one runner].
        let place = unsafe { &mut *place };
        if place.is_some() {
            return Some(span);
        }
        *place = Some(span);
        None
    });
    discard(unwanted);
}

/// Calls `f` inside `span`, if there is one. A subscriber that panics is logged,
/// and `f` called all the same; `f` itself does not panic.
#[inline]
pub(crate) fn in_span<R>(span: &Span, f: impl FnOnce() -> R) -> R {
    if span.is_none() {
        return f();
    }
    let mut entered = false;
    catch_and_log("the entering of a span", || {
        // `exit` is the end of this guard.
        std::mem::forget(span.enter());
        entered = true;
    });
    let result = f();
    if entered {
        exit(span);
    }
    result
}

/// Returns the span that is current now.
pub(crate) fn current_span() -> Span {
    let mut span = Span::none();
    if LevelFilter::current() != LevelFilter::OFF {
        catch_and_log(LOOK_UP, || span = Span::current());
    }
    span
}
