//! The `tracing` span that stages run in: the one that was current when they
//! were added.
//!
//! A span is too large for each stage, and most have none. So where the span
//! of a stage differs from that of the one before, a record that changes it
//! goes between them, and neighbours share it.

use super::block::Ptr;
use super::meta::Meta;
use super::record::{Flow, HEADER, Kind, Payload, Record, Sort, write_closure};
use super::tail::append;
use crate::failure::quietly;
use tracing::level_filters::LevelFilter;
use tracing::span::EnteredSpan;
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
}

static CHANGE: Kind = Kind {
    size: HEADER + size_of::<Span>().next_multiple_of(8),
    run: change,
    sort: Sort::Other,
};

/// # Safety
///
/// As for [`Kind::run`]; the record holds a span.
unsafe fn change(record: *mut Record, chain: Ptr) -> Flow {
    // SAFETY: the caller says so.
    let span = unsafe { super::record::read_closure::<Span>(record) };
    let ext = chain.block().meta.ext();
    let ext = ext.expect("a change of span is appended after the Ext was made");
    let old = ext.span.with_mut(|place| {
        // SAFETY: this is the runner's (invariant 3).
        unsafe { std::mem::replace(&mut *place, (!span.is_none()).then_some(span)) }
    });
    quietly("the end of a span", || drop(old));
    Flow::Span
}

/// Whether a stage can be appended with no thought of spans and watchers: no
/// level is enabled, so there is no span, and the chain has no Ext.
#[inline]
pub(super) fn is_plain(chain: Ptr) -> bool {
    LevelFilter::current() == LevelFilter::OFF && !chain.block().meta.has_ext()
}

/// Appends a change of span, if another one is current now than when the last
/// stage was added.
///
/// # Safety
///
/// By the owner of the tail (invariant 6).
pub(super) unsafe fn append_change(chain: Ptr) {
    let possible = LevelFilter::current() != LevelFilter::OFF;
    let mut current = None;
    if possible {
        quietly("the look-up of the current span", || {
            current = Current::get()
        });
    }
    let meta = &chain.block().meta;
    let changed = match meta.ext() {
        Some(ext) => ext.appended.with(|last| {
            // SAFETY: this is the tail's owner's.
            unsafe { *last != current }
        }),
        None => current.is_some(),
    };
    if !changed {
        return;
    }
    let ext = meta.extend();
    let span = match current {
        Some(_) => Span::current(),
        None => Span::none(),
    };
    ext.appended.with_mut(|last| {
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

/// The span that a run is in, entered once for all neighbouring stages.
pub(super) struct Scope {
    looked: bool,
    entered: Option<EnteredSpan>,
}

impl Scope {
    #[inline]
    pub(super) fn new() -> Self {
        Scope {
            looked: false,
            entered: None,
        }
    }

    /// Enters the span of the next stages, unless that was done.
    #[inline]
    pub(super) fn enter(&mut self, meta: &Meta) {
        if !self.looked {
            self.looked = true;
            if let Some(ext) = meta.ext() {
                quietly("the entering of a span", || {
                    let span = ext.span.with(|span| {
                        // SAFETY: by the runner (invariant 3).
                        unsafe { (*span).clone() }
                    });
                    self.entered = span.map(Span::entered);
                });
            }
        }
    }

    /// Leaves it: the run ends, changes chains, or the span changes.
    #[inline]
    pub(super) fn leave(&mut self) {
        self.looked = false;
        if let Some(span) = self.entered.take() {
            quietly("the leaving of a span", || drop(span));
        }
    }
}
