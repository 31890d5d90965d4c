//! The `tracing` span that stages run in: the one that was current when they
//! were added.
//!
//! A span is too large for each stage, and most have none. So where the span
//! of a stage differs from that of the one before, a record that changes it
//! goes between them, and neighbours share it.

use super::block::ChainPtr;
use super::consumer::append;
use super::info::{ChainInfo, ChainInfoExt};
use super::record::{
    Flow, HEADER, Payload, Record, RecordClass, RecordVTable, pass, read_closure, write_closure,
};
use crate::failure::catch_and_log;
use tracing::level_filters::LevelFilter;
use tracing::{Id, Metadata, Span};

/// Which span is current: its identity, and that of its call site, as two
/// subscribers may give the same identity.
#[derive(Clone, PartialEq)]
pub(super) struct Current(Id, Option<tracing::callsite::Identifier>);

impl Current {
    fn get() -> Option<Self> {
        tracing::dispatcher::get_default(|dispatch| {
            let current = dispatch.current_span();
            let site = current.metadata().map(Metadata::callsite);
            current.id().map(|id| Current(id.clone(), site))
        })
    }

    fn of(span: &Span) -> Option<Self> {
        let site = span.metadata().map(Metadata::callsite);
        span.id().map(|id| Current(id, site))
    }
}

static CHANGE: RecordVTable = RecordVTable {
    size: HEADER + size_of::<Span>().next_multiple_of(8),
    run: change,
    sort: RecordClass::Other,
};

/// # Safety
///
/// As for [`RecordVTable::run`]; the record holds a span.
unsafe fn change(record: *mut Record, chain: ChainPtr) -> Flow {
    // SAFETY: the caller says so.
    let span = unsafe {
        pass(record, chain, CHANGE.size);
        read_closure::<Span>(record)
    };
    let ext = chain.block().info.ext();
    let ext = ext.expect("a change of span is appended after the ChainInfoExt was made");
    let old = ext.span.with_mut(|place| {
        // SAFETY: this is the runner's (invariant 3).
        unsafe { (*place).replace(span) }
    });
    catch_and_log("the end of a span", || drop(old));
    Flow::Span
}

/// Whether a stage can be appended with no thought of spans and watchers: no
/// level is enabled, so there is no span, and the chain has no ChainInfoExt.
#[inline]
pub(super) fn is_plain(chain: ChainPtr) -> bool {
    LevelFilter::current() == LevelFilter::OFF && !chain.block().info.has_ext()
}

/// Appends a change of span, if another one is current now than when the last
/// stage was added.
///
/// # Safety
///
/// By the owner of the consumer (invariant 6).
pub(super) unsafe fn append_change(chain: ChainPtr) {
    let possible = LevelFilter::current() != LevelFilter::OFF;
    let info = &chain.block().info;
    let mut current = None;
    let mut span = Span::none();
    if let Some(ext) = info.ext() {
        // SAFETY: this is the consumer's owner's.
        let is_last = |current: &_| ext.appended.with(|last| unsafe { *last == *current });
        if possible {
            catch_and_log(LOOK_UP, || current = Current::get());
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
            current = Current::of(&span);
        }
        if current.is_none() {
            return;
        }
    }
    info.extend().appended.with_mut(|last| {
        // SAFETY: as above.
        unsafe { *last = current }
    });
    // SAFETY: the kind's size has room for the span behind the header.
    unsafe {
        append(chain, &CHANGE, Payload { nothing: () }, |record| {
            write_closure(record, span);
        });
    }
}

const LOOK_UP: &str = "the look-up of the current span";

/// The span that a run is in, entered once for all neighbouring stages.
pub(super) struct SpanScope {
    looked: bool,
    /// The chain's, which gets it back. Not a guard: a subscriber that panics
    /// when it is left would take the span along.
    entered: Option<Span>,
}

impl SpanScope {
    #[inline]
    pub(super) fn new() -> Self {
        SpanScope {
            looked: false,
            entered: None,
        }
    }

    /// Enters the span of the next stages, unless that was done. Until it is
    /// left, the chain has it not.
    ///
    /// By the runner.
    #[inline]
    pub(super) fn enter(&mut self, info: &ChainInfo) {
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
        // SAFETY: by the runner (invariant 3).
        let Some(span) = ext.span.with_mut(|span| unsafe { (*span).take() }) else {
            return;
        };
        let mut entered = false;
        catch_and_log("the entering of a span", || {
            // `exit` is the end of this guard.
            std::mem::forget(span.enter());
            entered = true;
        });
        if entered {
            self.entered = Some(span);
        } else {
            give_back(span, ext);
        }
    }

    /// Leaves it: the run ends, changes chains, or the span changes.
    ///
    /// By the runner.
    #[inline]
    pub(super) fn leave(&mut self, info: &ChainInfo) {
        self.looked = false;
        if let Some(span) = self.entered.take() {
            leave_that_of(span, info);
        }
    }
}

impl Drop for SpanScope {
    /// What is not left in order is left by a panic of this library's own.
    fn drop(&mut self) {
        if let Some(span) = &self.entered {
            exit(span);
        }
    }
}

#[cold]
#[inline(never)]
fn leave_that_of(span: Span, info: &ChainInfo) {
    exit(&span);
    if let Some(ext) = info.ext() {
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
        // SAFETY: by the runner (invariant 3).
        let place = unsafe { &mut *place };
        if place.is_some() {
            return Some(span);
        }
        *place = Some(span);
        None
    });
    catch_and_log("the end of a span", || drop(unwanted));
}
