//! Which Deferreds a coroutine awaits, so that its cancel reaches them.
//!
//! Rules:
//!
//! - *Whose the list is.* It belongs to the coroutine while no thread polls
//!   that, and to the thread that polls it; so it needs no lock.
//! - *The last poll counts.* A Deferred belongs to whoever polled it last: a
//!   coroutine, which its chain names by number and place ([`Awaiter`]), or
//!   somebody who is none. An entry whose chain does not name that entry is
//!   over.
//! - *A place stays.* An entry keeps its place in the list as long as it is
//!   there, so that noting and forgetting a Deferred takes no search, however
//!   many are awaited at once.
//! - *Bounded.* Entries that are over are thrown out as the list grows: it has
//!   at most twice as many as are awaited, and a few.
//! - *Confined chains.* A chain that stays on its thread (see
//!   [`local`](crate::local)) is noted only by a coroutine that does, too: any
//!   other may be cancelled on another thread, and would cancel the chain there.
//! - *Drops outside.* A handle may be the last reference to a chain, whose end
//!   drops what belongs to the user: it is dropped while nobody borrows the list.

use crate::core::{AwaitState, Awaiter, Consumer, Handle};
use crate::sync::Numbers;
use std::cell::RefCell;
use std::num::NonZeroU64;

/// The Deferreds that one coroutine polled and that had no result then.
///
/// Most coroutines await one at a time, and for one it allocates nothing.
#[derive(Default)]
pub(crate) struct AwaitList {
    /// The coroutine's number, once it awaited something.
    coroutine: Option<NonZeroU64>,
    /// Place 0, which is filled only while the others are empty: so it is the
    /// oldest.
    first: Option<Noted>,
    /// The places from 1 on.
    others: Option<Box<Others>>,
    /// The coroutine stays on its thread.
    confined: bool,
}

#[derive(Default)]
struct Others {
    slots: Vec<Slot>,
    /// The first free slot, if there is one; each names the next.
    free: Option<usize>,
    filled: usize,
    /// The number of filled slots at which those that are over are thrown out.
    sweep_at: usize,
    /// Counts those that were noted, to tell their order.
    noted: u64,
    /// Where an entry was found that is not over.
    witness: usize,
}

enum Slot {
    Free { next: Option<usize> },
    Filled { order: u64, noted: Noted },
}

struct Noted {
    handle: Handle,
    /// What the chain calls its awaiter as long as this entry is good.
    place: Awaiter,
    /// Before the poll that a kept cancel waited for, it had its result.
    seen: bool,
}

impl Noted {
    fn is_good(&self) -> bool {
        self.state() != AwaitState::Over
    }

    fn state(&self) -> AwaitState {
        self.handle.await_state(self.place)
    }
}

/// Fewer slots than this are not worth freeing.
const FEW: usize = 32;

/// Numbers for coroutines.
static NEXT: Numbers = Numbers::new();

watched_thread_local! {
    /// The list of the coroutine that this thread polls.
    static CURRENT: RefCell<Option<AwaitList>> = RefCell::new(None);
}

impl AwaitList {
    /// Makes the list of a coroutine that stays on its thread.
    pub(crate) fn confined() -> Self {
        AwaitList {
            confined: true,
            ..AwaitList::default()
        }
    }

    /// Returns the Deferreds that are awaited now, in the order in which they
    /// were first polled.
    pub(crate) fn pending(&self) -> Vec<Handle> {
        let mut pending: Vec<_> = self
            .entries()
            .filter(|(_, noted)| noted.state() == AwaitState::Pending)
            .map(|(order, noted)| (order, noted.handle.clone()))
            .collect();
        pending.sort_unstable_by_key(|(order, _)| *order);
        pending.into_iter().map(|(_, handle)| handle).collect()
    }

    /// Whether one of them is awaited, or has its result and was not taken yet.
    ///
    /// It looks first at the one that it found the last time, so that many polls
    /// of a long list take no more than a few looks each.
    pub(crate) fn is_awaiting(&mut self) -> bool {
        let others = self.others.as_mut();
        self.first.as_ref().is_some_and(Noted::is_good)
            || others.is_some_and(|others| others.has_good())
    }

    /// Whether one of them has got its result since the last
    /// [`mark_seen`](AwaitList::mark_seen): then it wakes the coroutine, or has
    /// woken it.
    pub(crate) fn is_waking(&self) -> bool {
        self.entries()
            .any(|(_, noted)| !noted.seen && noted.state() == AwaitState::Fired)
    }

    /// Remembers, before a poll, which have their results.
    pub(crate) fn mark_seen(&mut self) {
        let others = self.others.iter_mut().flat_map(|others| &mut others.slots);
        let others = others.filter_map(|slot| match slot {
            Slot::Filled { noted, .. } => Some(noted),
            Slot::Free { .. } => None,
        });
        for noted in self.first.iter_mut().chain(others) {
            noted.seen = noted.state() == AwaitState::Fired;
        }
    }

    /// The entries, with numbers that tell their order.
    fn entries(&self) -> impl Iterator<Item = (u64, &Noted)> {
        let first = self.first.iter().map(|noted| (0, noted));
        let others = self.others.iter().flat_map(|others| &others.slots);
        let others = others.filter_map(|slot| match slot {
            Slot::Filled { order, noted } => Some((*order, noted)),
            Slot::Free { .. } => None,
        });
        first.chain(others)
    }

    fn is_of(&self, awaiter: Awaiter) -> bool {
        self.coroutine.is_some_and(|number| awaiter.is_of(number))
    }

    /// Adds an entry, and returns its place and what there is to drop.
    fn add(&mut self, handle: Handle) -> (Option<Awaiter>, Vec<Noted>) {
        let coroutine = match self.coroutine {
            Some(number) => number,
            None => *self.coroutine.insert(next_number()),
        };
        let is_empty = self.others.as_ref().is_none_or(|others| others.filled == 0);
        if self.first.is_none() && is_empty {
            let place = Awaiter::new(coroutine, 0);
            self.first = place.map(|place| Noted::new(handle, place));
            return (place, Vec::new());
        }
        let others = self.others.get_or_insert_default();
        let over = others.make_room();
        let place = Awaiter::new(coroutine, 1 + others.next_index());
        if let Some(place) = place {
            others.add(Noted::new(handle, place));
        }
        (place, over)
    }

    fn remove(&mut self, place: Awaiter) -> Option<Noted> {
        let Some(index) = place.index().checked_sub(1) else {
            return self.first.take();
        };
        let others = self.others.as_mut()?;
        let removed = others.remove(index);
        if others.filled == 0 && others.slots.len() > FEW {
            self.others = None;
        }
        removed
    }
}

fn next_number() -> NonZeroU64 {
    loop {
        // Those that fit into an `Awaiter`, and not 0.
        if let Some(number) = NonZeroU64::new(NEXT.next())
            && Awaiter::new(number, 0).is_some()
        {
            return number;
        }
    }
}

impl Noted {
    fn new(handle: Handle, place: Awaiter) -> Self {
        let seen = false;
        Noted {
            handle,
            place,
            seen,
        }
    }
}

impl Others {
    /// Takes out those that are over, if it is time for that.
    fn make_room(&mut self) -> Vec<Noted> {
        let mut over = Vec::new();
        if self.filled < self.sweep_at.max(8) {
            return over;
        }
        for index in 0..self.slots.len() {
            if let Slot::Filled { noted, .. } = &self.slots[index]
                && noted.state() == AwaitState::Over
            {
                over.extend(self.remove(index));
            }
        }
        self.sweep_at = 2 * self.filled;
        over
    }

    fn has_good(&mut self) -> bool {
        let slots = self.slots.len();
        let is_good = |index: &usize| match &self.slots[*index] {
            Slot::Filled { noted, .. } => noted.is_good(),
            Slot::Free { .. } => false,
        };
        let mut all = (self.witness..slots).chain(0..self.witness.min(slots));
        let found = if self.filled == 0 {
            None
        } else {
            all.find(is_good)
        };
        self.witness = found.unwrap_or(0);
        found.is_some()
    }

    fn next_index(&self) -> usize {
        self.free.unwrap_or(self.slots.len())
    }

    fn add(&mut self, noted: Noted) {
        self.noted += 1;
        self.filled += 1;
        let order = self.noted;
        let filled = Slot::Filled { order, noted };
        let Some(index) = self.free else {
            return self.slots.push(filled);
        };
        let free = std::mem::replace(&mut self.slots[index], filled);
        self.free = match free {
            Slot::Free { next } => next,
            Slot::Filled { .. } => None,
        };
    }

    fn remove(&mut self, index: usize) -> Option<Noted> {
        let slot = self.slots.get_mut(index)?;
        if let Slot::Free { .. } = slot {
            return None;
        }
        let free = Slot::Free { next: self.free };
        self.free = Some(index);
        self.filled -= 1;
        match std::mem::replace(slot, free) {
            Slot::Filled { noted, .. } => Some(noted),
            Slot::Free { .. } => None,
        }
    }
}

/// Makes `list` that of the coroutine which polls on this thread.
pub(crate) fn enter(list: AwaitList) -> Entered {
    // On a thread that is going away nothing is noted.
    let outer = CURRENT.try_with(|current| current.borrow_mut().replace(list));
    let outer = outer.ok().flatten();
    Entered { outer }
}

/// A poll of a coroutine, inside which others may be polled.
pub(crate) struct Entered {
    outer: Option<AwaitList>,
}

impl Entered {
    /// Ends the poll, and returns the list.
    pub(crate) fn leave(mut self) -> AwaitList {
        let outer = self.outer.take();
        let list = CURRENT.try_with(|current| current.replace(outer));
        list.ok().flatten().unwrap_or_default()
    }
}

/// Hides the list of a coroutine that may leave this thread, while a chain is
/// polled that does not.
pub(crate) fn hide_from_sendable() -> Option<Hidden> {
    let hidden = CURRENT.try_with(|current| {
        let mut current = current.borrow_mut();
        current.take_if(|list| !list.confined)
    });
    hidden.ok().flatten().map(|list| Hidden(Some(list)))
}

/// A list that is hidden until this is dropped.
pub(crate) struct Hidden(Option<AwaitList>);

impl Drop for Hidden {
    fn drop(&mut self) {
        let list = self.0.take();
        let inner = CURRENT.try_with(|current| current.replace(list));
        drop(inner);
    }
}

/// Whether this thread polls a coroutine.
pub(super) fn is_in_coroutine() -> bool {
    let is_in = CURRENT.try_with(|current| current.borrow().is_some());
    is_in.unwrap_or(false)
}

/// Notes that whoever polls on this thread awaits the Deferred of `consumer`.
pub(super) fn note<T>(consumer: &mut Consumer<T>) {
    let known = consumer.awaiter();
    let noted = CURRENT.try_with(|current| match &mut *current.borrow_mut() {
        None => (None, Vec::new()),
        Some(list) => match known {
            Some(known) if list.is_of(known) => (Some(known), Vec::new()),
            _ => list.add(consumer.handle()),
        },
    });
    let (awaiter, over) = noted.unwrap_or_default();
    if awaiter != known {
        consumer.set_awaiter(awaiter);
    }
    drop(over);
}

/// Takes back what [`note`] noted, if that coroutine polls on this thread.
pub(super) fn forget<T>(consumer: &mut Consumer<T>) {
    let Some(known) = consumer.awaiter() else {
        return;
    };
    consumer.set_awaiter(None);
    let removed = CURRENT.try_with(|current| match &mut *current.borrow_mut() {
        Some(list) if list.is_of(known) => list.remove(known),
        _ => None,
    });
    drop(removed);
}
