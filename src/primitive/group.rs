//! What lists, races, joins and bounded maps have in common: children whose
//! results are put together.
//!
//! Rules:
//!
//! - *\[one report\]* A child's slot is `Waiting` from when the child is entered
//!   until it reports, which it does once; then the slot is `Done`. `waiting`
//!   counts the slots that wait.
//! - *\[one decision\]* `decided` is set once: by the report that brings the last
//!   result, by the first report that is enough by itself, by a cancel that
//!   fails the group, or by who closes a group with no child left to wait for.
//!   Who sets it takes all slots, drops what is not wanted, and fires. Every
//!   later report is *late*, and a group that is decided keeps nothing for the
//!   children that it still has.
//! - *\[lock\]* The lock is held for moves and counts only: over no firing,
//!   cancelling, report, or drop of a value.
//! - *\[cancel\]* A cancel goes to every child that waits, in order, each time it
//!   comes while the group is undecided. Whether the group then fires by itself
//!   is its owner's choice.
//! - *\[panics\]* Each drop of a value that nobody gets is caught by itself: one
//!   that panics neither stops the firing nor the drops of the others.
//! - *\[home\]* A value that the group does not take, or whose output nobody
//!   takes, goes back to where it came from (the item of a queue), if the child
//!   says that there is such a place.
//! - *\[no stack\]* The firing is the last thing that a report does, and is handed
//!   on to who runs the child: groups inside of each other need no stack for
//!   each level.

use crate::chain::{Deferred, Resolver};
use crate::core::{CancelRequest, Delegate, DueRun, GiveBack, Handle, ReturnTo};
use crate::failure::{Failure, catch_and_log, report};
use crate::sync::{Mutex, MutexGuard, lock};
use std::panic::Location;
use std::sync::Arc;

/// What a group does beside waiting for all of its children.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Options {
    /// The first failure is the group's.
    pub(super) fire_on_one_errback: bool,
    /// Failures that do not get into the output are not reported.
    pub(super) consume_errors: bool,
    /// A group that fires before its last child reported cancels the others.
    pub(super) cancel_rest: bool,
    pub(super) at_cancel: AtCancel,
}

/// What a group does at a cancel beside cancelling its children.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum AtCancel {
    /// Nothing: it fires through them.
    #[default]
    GoOn,
    /// It fails, if they have not decided it by then.
    FailUndecided,
    /// It fails, whatever they come to.
    Fail,
}

/// How results become the output.
pub(super) trait Combine<T: Send + 'static>: Send + Sync + 'static {
    /// The value of the group.
    type Output: Send + 'static;

    /// Whether one value is enough.
    const FIRST_VALUE: bool = false;

    /// Returns the output of a value that is enough.
    fn first(index: usize, value: T) -> Self::Output {
        let _ = (index, value);
        unreachable!("one value is not enough")
    }

    /// Returns the group's failure where that of one child is enough.
    fn first_failure(index: usize, failure: Failure, made: &'static Location<'static>) -> Failure {
        Failure::first_error(index, failure, made)
    }

    /// Returns the output of all the results.
    fn all(
        results: impl ExactSizeIterator<Item = Result<T, Failure>>,
        made: &'static Location<'static>,
    ) -> Result<Self::Output, Failure>;

    /// Takes an output that nobody gets apart: each result, and whose it is.
    fn results(output: Self::Output) -> impl Iterator<Item = (usize, Result<T, Failure>)>;
}

/// Where a child's result goes.
enum ChildSlot<T> {
    /// With what cancels the child, if it had no result when it was entered.
    Waiting(Option<Handle>),
    Done(Result<T, Failure>),
}

struct State<T, R> {
    /// Of the children, in order; none once the group is decided.
    slots: Vec<ChildSlot<T>>,
    /// How many children were entered.
    entered: usize,
    waiting: usize,
    /// Whether more children may come.
    open: bool,
    decided: bool,
    cancelled: bool,
    resolver: Option<Resolver<R>>,
    /// By child, in order: where its value goes back to. Most have no such
    /// place.
    homes: Vec<(usize, Option<GiveBack<T>>)>,
}

/// Children, and the Deferred that their results go to.
pub(super) struct Group<T: Send + 'static, C: Combine<T>> {
    state: Mutex<State<T, C::Output>>,
    options: Options,
    made: &'static Location<'static>,
}

/// Puts `children` together.
pub(super) fn collect<T: Send + 'static, C: Combine<T>>(
    mut children: Vec<Deferred<T>>,
    options: Options,
    made: &'static Location<'static>,
) -> Deferred<C::Output> {
    let mut homes = Vec::new();
    let handles = children.iter_mut().enumerate().map(|(index, child)| {
        homes.extend(child.take_return_to().map(|home| (index, home)));
        child.pending_handle()
    });
    let handles = handles.collect();
    let (group, d) = Group::<T, C>::of(handles, homes, options, made);
    for (index, child) in children.into_iter().enumerate() {
        group.watch(index, child, |value| value);
    }
    drop(group.close());
    d
}

impl<T: Send + 'static, C: Combine<T>> Group<T, C> {
    /// Makes a group without a child, which is closed by
    /// [`close`](Group::close).
    pub(super) fn open(
        options: Options,
        made: &'static Location<'static>,
    ) -> (Arc<Self>, Deferred<C::Output>) {
        Group::of(Vec::new(), Vec::new(), options, made)
    }

    /// Makes a group of children that wait, each of which is then to be
    /// [watched](Group::watch).
    pub(super) fn of(
        handles: Vec<Option<Handle>>,
        homes: Vec<(usize, GiveBack<T>)>,
        options: Options,
        made: &'static Location<'static>,
    ) -> (Arc<Self>, Deferred<C::Output>) {
        let has_homes = !homes.is_empty();
        let homes = homes.into_iter().map(|(index, home)| (index, Some(home)));
        let homes = homes.collect();
        let slots: Vec<_> = handles.into_iter().map(ChildSlot::Waiting).collect();
        let state = State {
            entered: slots.len(),
            waiting: slots.len(),
            slots,
            open: true,
            decided: false,
            cancelled: false,
            resolver: None,
            homes,
        };
        let group = Arc::new(Group {
            state: Mutex::new(state),
            options,
            made,
        });
        let (resolver, mut d) = Deferred::with_delegate(made, group.clone());
        if has_homes {
            d = d.return_to(Untaken(group.clone()));
        }
        lock(&group.state).resolver = Some(resolver);
        (group, d.fired_by("its children"))
    }

    /// Waits for the child of the slot given, whose value becomes a `T` by
    /// `wrap`.
    #[inline]
    pub(super) fn watch<U: Send + 'static>(
        self: &Arc<Self>,
        index: usize,
        mut child: Deferred<U>,
        wrap: impl FnOnce(U) -> T + Send + 'static,
    ) {
        // A child that is ready costs neither memory nor a reference.
        if child.is_fired() {
            match child.try_result() {
                Ok(result) => return drop(self.report(index, result.map(wrap))),
                Err(unready) => child = unready,
            }
        }
        let group = self.clone();
        child.end(move |result| group.report(index, result.map(wrap)));
    }

    /// Enters one more child, which then has to report, and returns its number;
    /// and whether the child came too late, and is to be cancelled.
    pub(super) fn enter(&self, handle: Option<Handle>, home: Option<GiveBack<T>>) -> (usize, bool) {
        let mut state = lock(&self.state);
        let index = state.entered;
        state.entered += 1;
        state.homes.extend(home.map(|home| (index, Some(home))));
        if state.decided {
            let unwanted = state.cancelled || self.options.cancel_rest;
            drop(state);
            drop(handle);
            return (index, unwanted);
        }
        state.slots.push(ChildSlot::Waiting(handle));
        state.waiting += 1;
        (index, state.cancelled)
    }

    /// Whether the output is known, or nobody wants it any more.
    pub(super) fn is_over(&self) -> bool {
        let state = lock(&self.state);
        state.decided || state.cancelled
    }

    /// Fails with what is no child's failure.
    pub(super) fn fail(&self, failure: Failure) -> DueRun {
        let state = lock(&self.state);
        if state.decided {
            drop(state);
            self.give_up_failure(failure, false);
            DueRun::NONE
        } else {
            self.decide(state, |_| Err(failure))
        }
    }

    /// No more children come.
    pub(super) fn close(&self) -> DueRun {
        let mut state = lock(&self.state);
        state.open = false;
        self.end_if_all(state)
    }

    /// Takes in the result of a child.
    #[inline]
    pub(super) fn report(&self, index: usize, result: Result<T, Failure>) -> DueRun {
        match result {
            // The usual one, taken apart at once: what is written in parts and
            // moved as a whole makes the processor wait.
            Ok(value) if !C::FIRST_VALUE => self.report_value(index, value),
            result => self.report_any(index, result),
        }
    }

    #[inline(never)]
    fn report_value(&self, index: usize, value: T) -> DueRun {
        let mut state = lock(&self.state);
        if state.decided {
            return self.late(state, index, Ok(value));
        }
        let slot = std::mem::replace(&mut state.slots[index], ChildSlot::Done(Ok(value)));
        state.waiting -= 1;
        let due = self.end_if_all(state);
        drop(slot);
        due
    }

    #[inline(never)]
    fn report_any(&self, index: usize, result: Result<T, Failure>) -> DueRun {
        let mut state = lock(&self.state);
        if state.decided {
            return self.late(state, index, result);
        }
        let is_enough = match result {
            Ok(_) => C::FIRST_VALUE,
            Err(_) => self.options.fire_on_one_errback,
        };
        state.waiting -= 1;
        if is_enough {
            // It reported: a cancel of the rest does not go to it.
            let slot = std::mem::replace(&mut state.slots[index], ChildSlot::Waiting(None));
            let due = self.decide(state, |made| match result {
                Ok(value) => Ok(C::first(index, value)),
                Err(failure) => Err(C::first_failure(index, failure, made)),
            });
            drop(slot);
            due
        } else {
            let slot = std::mem::replace(&mut state.slots[index], ChildSlot::Done(result));
            let due = self.end_if_all(state);
            drop(slot);
            due
        }
    }

    #[cold]
    fn late(
        &self,
        state: MutexGuard<'_, State<T, C::Output>>,
        index: usize,
        result: Result<T, Failure>,
    ) -> DueRun {
        let cancelled = state.cancelled;
        drop(state);
        self.give_up(index, result, cancelled);
        DueRun::NONE
    }

    /// Fires with all results, if they are there.
    #[inline]
    fn end_if_all(&self, state: MutexGuard<'_, State<T, C::Output>>) -> DueRun {
        if state.waiting == 0 && !state.open && !state.decided {
            self.end(state)
        } else {
            DueRun::NONE
        }
    }

    fn end(&self, mut state: MutexGuard<'_, State<T, C::Output>>) -> DueRun {
        state.decided = true;
        let slots = std::mem::take(&mut state.slots);
        let resolver = state.resolver.take();
        drop(state);
        let results = slots.into_iter().map(|slot| match slot {
            ChildSlot::Done(result) => result,
            ChildSlot::Waiting(_) => unreachable!("every child reported"),
        });
        let output = C::all(results, self.made);
        self.fire(resolver, output)
    }

    /// Fires with a result that makes the others unwanted.
    fn decide(
        &self,
        mut state: MutexGuard<'_, State<T, C::Output>>,
        output: impl FnOnce(&'static Location<'static>) -> Result<C::Output, Failure>,
    ) -> DueRun {
        state.decided = true;
        let slots = std::mem::take(&mut state.slots);
        drop(state);
        if self.options.cancel_rest {
            CancelRequest::unwanted(self.made).send_to(waiting(&slots));
        }
        // Only now: one of the cancelled may have cancelled the group.
        let resolver = lock(&self.state).resolver.take();
        let output = output(self.made);
        self.give_up_done(slots);
        self.fire(resolver, output)
    }

    fn fire(
        &self,
        resolver: Option<Resolver<C::Output>>,
        output: Result<C::Output, Failure>,
    ) -> DueRun {
        let unseen = match (resolver, output) {
            (Some(resolver), Ok(output)) => match resolver.try_callback_for(output) {
                Ok(due) => return due,
                Err(unseen) => unseen,
            },
            (Some(resolver), Err(failure)) => return resolver.fire_for(Err(failure)),
            // A cancel fired it.
            (None, Ok(output)) => output,
            (None, Err(failure)) => {
                self.give_up_failure(failure, true);
                return DueRun::NONE;
            }
        };
        for (index, result) in C::results(unseen) {
            self.give_up(index, result, false);
        }
        DueRun::NONE
    }

    /// Sends a result that is not in the output home, reports or drops it.
    fn give_up(&self, index: usize, result: Result<T, Failure>, cancelled: bool) {
        match result {
            Ok(value) => match self.home_of(index) {
                Some(home) => catch_and_log("the return of a value", || home(value)),
                None => catch_and_log("the drop of a value", || drop(value)),
            },
            Err(failure) => self.give_up_failure(failure, cancelled),
        }
    }

    fn give_up_failure(&self, failure: Failure, cancelled: bool) {
        // What was cancelled together with the group is no news.
        let expected = cancelled && failure.is_cancelled();
        if !self.options.consume_errors && !expected {
            report(failure, self.made, None);
        }
    }

    /// Gives up the results that came before the decision.
    fn give_up_done(&self, slots: Vec<ChildSlot<T>>) {
        for (index, slot) in slots.into_iter().enumerate() {
            if let ChildSlot::Done(result) = slot {
                self.give_up(index, result, false);
            }
        }
    }

    fn home_of(&self, index: usize) -> Option<GiveBack<T>> {
        let mut state = lock(&self.state);
        let place = state
            .homes
            .binary_search_by_key(&index, |home| home.0)
            .ok()?;
        state.homes[place].1.take()
    }
}

/// What cancels the children that have not reported, in order.
fn waiting<T>(slots: &[ChildSlot<T>]) -> Vec<Handle> {
    let handles = slots.iter().filter_map(|slot| match slot {
        ChildSlot::Waiting(handle) => handle.clone(),
        ChildSlot::Done(_) => None,
    });
    handles.collect()
}

impl<T: Send + 'static, C: Combine<T>> Delegate for Group<T, C> {
    fn cancel(self: Arc<Self>, request: CancelRequest) {
        let mut state = lock(&self.state);
        state.cancelled = true;
        let handles = waiting(&state.slots);
        let mut slots = Vec::new();
        if self.options.at_cancel == AtCancel::Fail {
            state.decided = true;
            slots = std::mem::take(&mut state.slots);
        }
        drop(state);
        if self.options.at_cancel == AtCancel::GoOn {
            request.send_to(handles);
            return;
        }
        let (for_children, for_group) = request.split();
        for_children.send_to(handles);
        let mut state = lock(&self.state);
        if !state.decided {
            state.decided = true;
            slots = std::mem::take(&mut state.slots);
        }
        let resolver = state.resolver.take();
        drop(state);
        self.give_up_done(slots);
        match resolver {
            Some(resolver) => resolver.fire(Err(for_group.into_failure())),
            None => for_group.give_up(),
        }
    }
}

/// Takes back an output that was dropped untaken.
struct Untaken<T: Send + 'static, C: Combine<T>>(Arc<Group<T, C>>);

impl<T: Send + 'static, C: Combine<T>> ReturnTo<C::Output> for Untaken<T, C> {
    fn take_back(self, output: C::Output) {
        for (index, result) in C::results(output) {
            // A failure in the output had its chance to be seen.
            if result.is_ok() {
                self.0.give_up(index, result, false);
            }
        }
    }
}
