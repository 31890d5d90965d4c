//! Which Deferreds a coroutine awaits, so that its cancel reaches them.
//!
//! The list belongs to the coroutine while that is idle, and to the thread
//! that polls it while it runs; so it needs no lock.

use crate::core::Handle;
use crate::sync::Numbers;
use std::cell::RefCell;

/// The Deferreds that one coroutine polled and that had no result then. Most
/// coroutines that have their results at once never make the list.
#[derive(Default)]
pub(crate) struct Awaited(Option<Box<List>>);

#[derive(Default)]
struct List {
    /// The coroutine's number, once it awaited something.
    number: u64,
    with_trace: Vec<Noted>,
    /// The length at which those that were dropped are thrown out: so a coroutine
    /// that races many short Deferreds keeps no more than twice those that
    /// live.
    sweep_at: usize,
}

struct Noted {
    handle: Handle,
    /// Before the poll that a kept cancel waited for, it had its result.
    seen: bool,
}

/// Numbers for coroutines; 0 is none.
static NEXT: Numbers = Numbers::new();

/// The coroutine that a thread polls.
struct Current {
    awaited: Awaited,
    /// It is a local one: it stays on this thread, and so may know of chains
    /// that do.
    confined: bool,
}

thread_local! {
    /// What the coroutine that this thread polls awaits.
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
}

impl Awaited {
    /// Returns the Deferreds that are awaited now, each once, in the order in
    /// which they were first polled: those that got a result, or were dropped,
    /// since then are left out.
    pub(crate) fn now(&self) -> Vec<Handle> {
        let mut found: Vec<Handle> = Vec::new();
        for Noted { handle, .. } in self
            .with_trace()
            .filter(|with_trace| with_trace.handle.is_awaited())
        {
            // One that another coroutine polled meanwhile may have been with_trace
            // again.
            if !found.iter().any(|known| known.is_same(handle)) {
                found.push(handle.clone());
            }
        }
        found
    }

    /// Remembers, before a poll, which have their results, and forgets those
    /// that were dropped.
    pub(crate) fn sweep(&mut self) {
        if let Some(list) = &mut self.0 {
            list.with_trace
                .retain(|with_trace| !with_trace.handle.is_closed());
            for with_trace in &mut list.with_trace {
                with_trace.seen = !with_trace.handle.is_awaited();
            }
        }
    }

    /// Whether one of them has got its result since the last sweep: then it
    /// wakes the coroutine, or has woken it.
    pub(crate) fn is_waking(&self) -> bool {
        self.with_trace()
            .any(|Noted { handle, seen }| !seen && !handle.is_awaited() && !handle.is_closed())
    }

    fn with_trace(&self) -> impl Iterator<Item = &Noted> {
        self.0.iter().flat_map(|list| &list.with_trace)
    }

    fn number(&self) -> u64 {
        self.0.as_ref().map_or(0, |list| list.number)
    }
}

impl List {
    fn add(&mut self, handle: Handle) -> u64 {
        if self.number == 0 {
            self.number = NEXT.next();
        }
        if self.with_trace.len() >= self.sweep_at.max(8) {
            // Not those with a result, whose wake may be under way.
            self.with_trace
                .retain(|with_trace| !with_trace.handle.is_closed());
            self.sweep_at = self.with_trace.len() * 2;
        }
        let seen = false;
        self.with_trace.push(Noted { handle, seen });
        self.number
    }
}

/// Makes `list` that of the coroutine which polls on this thread.
pub(crate) fn enter(list: Awaited) -> Entered {
    let confined = false;
    replace_current(Some(Current {
        awaited: list,
        confined,
    }))
}

/// The same, of a coroutine that stays on this thread.
pub(crate) fn enter_confined(list: Awaited) -> Entered {
    let confined = true;
    replace_current(Some(Current {
        awaited: list,
        confined,
    }))
}

/// Hides the list of a coroutine that may be cancelled from another thread:
/// nothing is noted in it before the value that is returned is dropped. A
/// local chain is polled so, as such a cancel would run it on that thread.
pub(crate) fn hide_from_sendable() -> Option<Entered> {
    let is_sendable = CURRENT.try_with(|current| {
        let current = current.borrow();
        current.as_ref().is_some_and(|current| !current.confined)
    });
    is_sendable.unwrap_or(false).then(|| replace_current(None))
}

fn replace_current(current: Option<Current>) -> Entered {
    // On a thread that is going away nothing is noted.
    let outer = CURRENT.try_with(|place| place.replace(current));
    let outer = outer.ok().flatten();
    Entered { outer }
}

/// A poll of a coroutine, inside which others may be polled.
pub(crate) struct Entered {
    outer: Option<Current>,
}

impl Entered {
    /// Ends the poll, and returns the list.
    pub(crate) fn leave(mut self) -> Awaited {
        let outer = self.outer.take();
        let current = CURRENT.try_with(|place| place.replace(outer));
        // The drop of `self` is nothing any more.
        std::mem::forget(self);
        let current = current.ok().flatten();
        current.map(|current| current.awaited).unwrap_or_default()
    }
}

impl Drop for Entered {
    /// Ends what was hidden.
    fn drop(&mut self) {
        let outer = self.outer.take();
        let inner = CURRENT.try_with(|place| place.replace(outer));
        drop(inner);
    }
}

/// Notes that the coroutine of this thread awaits `handle`'s Deferred, unless
/// it is the one of the number `known`; returns its number, or 0.
pub(super) fn note(known: u64, handle: impl FnOnce() -> Handle) -> u64 {
    let with_trace = CURRENT.try_with(|current| match &mut *current.borrow_mut() {
        None => 0,
        Some(Current { awaited, .. }) if awaited.number() == known && known != 0 => known,
        Some(Current { awaited, .. }) => awaited.0.get_or_insert_default().add(handle()),
    });
    with_trace.unwrap_or(0)
}

/// Takes back what [`note`] with_trace, if that coroutine polls on this thread.
pub(super) fn forget(known: u64, is_same: impl Fn(&Handle) -> bool) {
    let gone = CURRENT.try_with(|current| match &mut *current.borrow_mut() {
        Some(Current {
            awaited: Awaited(Some(list)),
            ..
        }) if list.number == known => {
            let mut with_trace = list.with_trace.iter();
            let place = with_trace.rposition(|with_trace| is_same(&with_trace.handle));
            place.map(|place| list.with_trace.remove(place))
        }
        _ => None,
    });
    drop(gone);
}
