//! What is known of a chain beside its result: where it was made, and, only
//! where somebody asked for it, its label, the span of its stages and its
//! watcher.

use super::record::RecordVTable;
use crate::failure::Failure;
use crate::sync::{self, AtomicPtr, Ordering, UnsafeCell, lock};
use std::any::Any;
use std::panic::Location;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};
use tracing::{Id, Span};

/// One word: where the chain was made, or a pointer (its lowest bit set) to
/// more than that.
pub(crate) struct ChainInfo(AtomicPtr<()>);

const EXT_TAG: usize = 1;

const _: () = {
    assert!(align_of::<Location<'_>>() > EXT_TAG && align_of::<ChainInfoExt>() > EXT_TAG);
};

/// What most chains do not have.
pub(crate) struct ChainInfoExt {
    made: &'static Location<'static>,
    label: Mutex<Option<&'static str>>,
    /// What the runner calls when its run stops; see
    /// [`after_stage`](crate::core::engine::after_stage).
    pub(crate) after_stage: sync::Mutex<Vec<Call>>,
    /// The span that the next stages run in, unless a run is in it, and has it.
    /// The runner.
    pub(crate) span: UnsafeCell<Option<Span>>,
    /// The span that was appended last. The owner of the consumer.
    pub(crate) appended: UnsafeCell<Option<SpanKey>>,
    pub(crate) watch: Option<Arc<dyn Watch>>,
    /// [home]: the owner of the consumer while nothing was appended; then the
    /// runner.
    pub(crate) home: UnsafeCell<Option<Home>>,
}

/// A call that waits for the end of a run.
pub(crate) type Call = Box<dyn FnOnce() + Send>;

/// Which span is current: its identity, and that of its call site, as two
/// subscribers may give the same identity.
#[derive(Clone, PartialEq)]
pub(crate) struct SpanKey(
    pub(crate) Id,
    pub(crate) Option<tracing::callsite::Identifier>,
);

/// Where the value of a chain goes back to if nobody takes it.
pub(crate) struct Home {
    /// The last record of a chain that is given up; for the value's type.
    pub(crate) vtable: &'static RecordVTable,
    pub(crate) to: Box<dyn Any + Send>,
    /// Makes a `GiveBack<T>` of `to`, in a box.
    pub(crate) detached: Detach,
}

type Detach = fn(Box<dyn Any + Send>) -> Option<Box<dyn Any>>;

/// Follows what becomes of a chain, for the debugger.
///
/// The core calls it under no lock; it must not call back into the chain.
pub(crate) trait Watch: Send + Sync {
    fn labelled(&self, label: &'static str);
    /// What will fire it, if that is not simply a resolver.
    fn sourced(&self, source: &'static str);
    fn added(&self, name: &'static str, at: &'static Location<'static>);
    /// A stage, the oldest that has not run yet, begins to run on this thread.
    fn runs(&self);
    /// The producer was dropped without a result.
    fn abandoned(&self);
    /// The oldest stage that has not run yet ran, or was passed over; the
    /// failure is what came out, if it was one.
    fn ran(&self, state: WatchState, failure: Option<&mut Failure>);
    /// It waits for the chain with this number, if that is watched; or it
    /// waits no more.
    fn waits(&self, on: Option<Option<u64>>);
    fn fired(&self);
    fn finished(&self);
    fn id(&self) -> u64;
}

/// What a watcher is told of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WatchState {
    /// A value came in, not a failure.
    pub(crate) value_in: bool,
    /// A value went out; none if the stage returned an unfired Deferred.
    pub(crate) value_out: Option<bool>,
    /// The stage's callback for this side ran.
    pub(crate) ran: bool,
}

/// Makes the watcher of a chain that is made at the place given.
type MakeWatch = fn(&'static Location<'static>) -> Arc<dyn Watch>;

/// Makes a watcher for each chain that is made, while it is wanted.
pub(crate) struct Watching {
    pub(crate) on: AtomicBool,
    pub(crate) make: OnceLock<MakeWatch>,
}

/// The one switch of the debugger.
pub(crate) static WATCH: Watching = Watching {
    on: AtomicBool::new(false),
    make: OnceLock::new(),
};

impl Watching {
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        // ORDERING: a switch, not a message: who sees it late is watched late.
        self.on.load(std::sync::atomic::Ordering::Relaxed)
    }

    #[cold]
    fn watch(&self, made: &'static Location<'static>) -> Option<Arc<dyn Watch>> {
        self.make.get().map(|make| make(made))
    }
}

impl ChainInfo {
    #[inline]
    pub(crate) fn new(made: &'static Location<'static>) -> Self {
        if WATCH.is_on()
            && let Some(watch) = WATCH.watch(made)
        {
            return ChainInfo(AtomicPtr::new(
                ChainInfoExt::new(made, Some(watch)).into_word(),
            ));
        }
        ChainInfo(AtomicPtr::new(std::ptr::from_ref(made).cast_mut().cast()))
    }

    #[inline]
    fn word(&self) -> *mut () {
        // ORDERING: Acquire: the ChainInfoExt was written before its pointer.
        self.0.load(Ordering::Acquire)
    }

    #[inline]
    pub(crate) fn ext(&self) -> Option<&ChainInfoExt> {
        self.ext_in(self.word())
    }

    #[inline]
    pub(crate) fn has_ext(&self) -> bool {
        self.word().addr() & EXT_TAG != 0
    }

    #[inline]
    fn ext_in(&self, word: *mut ()) -> Option<&ChainInfoExt> {
        if word.addr() & EXT_TAG == 0 {
            None
        } else {
            // SAFETY: a word with its lowest bit set points to a ChainInfoExt, which
            // lives as long as the ChainInfo.
            Some(unsafe { &*word.map_addr(|addr| addr & !EXT_TAG).cast::<ChainInfoExt>() })
        }
    }

    /// The number by which the watcher knows the chain.
    pub(crate) fn watch_id(&self) -> Option<u64> {
        self.watch().map(|watch| watch.id())
    }

    #[inline]
    pub(crate) fn watch(&self) -> Option<&Arc<dyn Watch>> {
        self.ext()?.watch.as_ref()
    }

    /// Whether a result loses nothing but a span, which was for the stages
    /// before it, when it leaves the chain.
    ///
    /// By the owner of the consumer.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.ext().is_none_or(ChainInfoExt::is_plain)
    }

    /// Returns the ChainInfoExt, made now if there is none. Any thread that
    /// holds a reference to the chain may call it.
    pub(crate) fn extend(&self) -> &ChainInfoExt {
        let old = self.word();
        if self.ext_in(old).is_none() {
            let new = ChainInfoExt::new(self.made(), None).into_word();
            // ORDERING: AcqRel: Release pairs with the Acquire in `word`, so that
            // whoever sees the pointer sees what it points to; Acquire on failure
            // for the one that another thread was faster to store.
            let stored = self
                .0
                .compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire);
            if stored.is_err() {
                let ext = new.map_addr(|addr| addr & !EXT_TAG).cast::<ChainInfoExt>();
                // SAFETY: it came from a Box just now, and no other thread has
                // seen it. It has no watcher to be told of an end.
                drop(unsafe { Box::from_raw(ext) });
            }
        }
        self.ext()
            .expect("one was stored, by this thread or another")
    }

    #[inline]
    pub(crate) fn made(&self) -> &'static Location<'static> {
        // Looked at once: the owner of the consumer may store a ChainInfoExt meanwhile.
        let word = self.word();
        match self.ext_in(word) {
            Some(ext) => ext.made,
            // SAFETY: a word without the bit is a &'static Location; it was
            // one when it was stored.
            None => unsafe { &*word.cast::<Location<'static>>() },
        }
    }

    pub(crate) fn label(&self) -> Option<&'static str> {
        self.ext().and_then(|ext| *lock(&ext.label))
    }

    pub(crate) fn set_label(&self, label: &'static str) {
        let ext = self.extend();
        *lock(&ext.label) = Some(label);
        if let Some(watch) = &ext.watch {
            watch.labelled(label);
        }
    }
}

impl ChainInfoExt {
    fn new(made: &'static Location<'static>, watch: Option<Arc<dyn Watch>>) -> Box<Self> {
        Box::new(ChainInfoExt {
            made,
            label: Mutex::new(None),
            after_stage: sync::Mutex::default(),
            span: UnsafeCell::new(None),
            appended: UnsafeCell::new(None),
            watch,
            home: UnsafeCell::new(None),
        })
    }

    #[cold]
    fn is_plain(&self) -> bool {
        // SAFETY: [home]: the caller owns the consumer.
        let is_homeless = self.home.with(|home| unsafe { (*home).is_none() });
        is_homeless && self.watch.is_none() && lock(&self.label).is_none()
    }

    fn into_word(self: Box<Self>) -> *mut () {
        Box::into_raw(self)
            .cast::<()>()
            .map_addr(|addr| addr | EXT_TAG)
    }
}

impl Drop for ChainInfo {
    #[inline]
    fn drop(&mut self) {
        let word = self.word();
        if word.addr() & EXT_TAG != 0 {
            let ext = word.map_addr(|addr| addr & !EXT_TAG).cast::<ChainInfoExt>();
            // SAFETY: it came from a Box, and nobody has the ChainInfo any more.
            end(unsafe { Box::from_raw(ext) });
        }
    }
}

#[cold]
#[inline(never)]
fn end(ext: Box<ChainInfoExt>) {
    if let Some(watch) = &ext.watch {
        watch.finished();
    }
    // A span's drop calls the subscriber.
    crate::failure::catch_and_log("the end of a span", || drop(ext));
}
