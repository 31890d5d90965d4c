//! What lists, races and bounded maps have in common: children whose results
//! are put together.
//!
//! Invariants:
//!
//! 1. A place is `Waiting` from when its child is entered until that child
//!    reports, which it does once; then it is `Done`, until the results are
//!    taken, and `Empty`. `waiting` counts the places that wait.
//! 2. `decided` is set once, by the report that brings the last result, by the
//!    first report that is enough by itself, or by who closes a group with no
//!    child left to wait for. Who sets it has the results to itself, drops
//!    what is not wanted, and fires. Every later report is *late*.
//! 3. The lock is held for moves and counts only: over no firing, cancelling,
//!    report, or drop of a value.
//! 4. A cancel goes to every place that waits, in order, each time it comes
//!    while the output is unfired. Whether the group then fires by itself is
//!    its owner's choice.
//! 5. Each drop of a value that nobody gets is caught by itself: one that
//!    panics neither stops the firing nor the drops of the others.

use crate::chain::{Deferred, Resolver};
use crate::core::{CancelRequest, Delegate, Handle};
use crate::failure::{Failure, FirstError, catch_and_log, report};
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
pub(super) trait Mode<T: Send + 'static>: Send + Sync + 'static {
    /// The value of the group.
    type Output: Send + 'static;

    /// Whether one value is enough.
    const FIRST_VALUE: bool;

    /// Returns the output of a value that is enough.
    fn first(index: usize, value: T) -> Self::Output;

    /// Returns the output of all the results.
    fn all(
        results: impl ExactSizeIterator<Item = Result<T, Failure>>,
        made: &'static Location<'static>,
    ) -> Result<Self::Output, Failure>;

    /// Takes an output that nobody gets apart.
    fn results(output: Self::Output) -> impl Iterator<Item = Result<T, Failure>>;
}

/// Where a child's result goes.
enum Place<T> {
    /// With what cancels the child, if it had no result when it was entered.
    Waiting(Option<Handle>),
    Done(Result<T, Failure>),
    Empty,
}

struct State<T, R> {
    places: Vec<Place<T>>,
    waiting: usize,
    /// Whether more children may come.
    open: bool,
    decided: bool,
    cancelled: bool,
    resolver: Option<Resolver<R>>,
}

/// Children, and the Deferred that their results go to.
pub(super) struct Group<T: Send + 'static, M: Mode<T>> {
    state: Mutex<State<T, M::Output>>,
    options: Options,
    made: &'static Location<'static>,
}

/// Puts `children` together.
pub(super) fn collect<T: Send + 'static, M: Mode<T>>(
    children: Vec<Deferred<T>>,
    options: Options,
    made: &'static Location<'static>,
) -> Deferred<M::Output> {
    let places = children
        .iter()
        .map(|child| Place::Waiting(child.pending_handle()))
        .collect();
    let (group, d) = Group::<T, M>::with_places(places, options, made);
    for (index, child) in children.into_iter().enumerate() {
        // A child that is ready costs neither memory nor a reference.
        let child = if child.is_fired() {
            match child.try_result() {
                Ok(result) => {
                    group.report(index, result);
                    continue;
                }
                Err(child) => child,
            }
        } else {
            child
        };
        let group = group.clone();
        child.end(move |result| group.report(index, result));
    }
    group.close();
    d
}

impl<T: Send + 'static, M: Mode<T>> Group<T, M> {
    /// Makes a group without a child, which is closed by
    /// [`close`](Group::close).
    pub(super) fn open(
        options: Options,
        made: &'static Location<'static>,
    ) -> (Arc<Self>, Deferred<M::Output>) {
        Group::with_places(Vec::new(), options, made)
    }

    fn with_places(
        places: Vec<Place<T>>,
        options: Options,
        made: &'static Location<'static>,
    ) -> (Arc<Self>, Deferred<M::Output>) {
        let group = Arc::new(Group::new(places, options, made));
        let (resolver, d) = Deferred::with_delegate(made, group.clone());
        let d = d.fired_by("its children");
        lock(&group.state).resolver = Some(resolver);
        (group, d)
    }

    fn new(places: Vec<Place<T>>, options: Options, made: &'static Location<'static>) -> Self {
        let waiting = places.len();
        Group {
            state: Mutex::new(State {
                places,
                waiting,
                open: true,
                decided: false,
                cancelled: false,
                resolver: None,
            }),
            options,
            made,
        }
    }

    /// Enters one more child, which then has to report, and returns its place;
    /// and whether the child came too late, and is to be cancelled.
    pub(super) fn enter(&self, handle: Option<Handle>) -> (usize, bool) {
        let mut state = lock(&self.state);
        state.places.push(Place::Waiting(handle));
        state.waiting += 1;
        let unwanted = state.cancelled || (state.decided && self.options.cancel_rest);
        (state.places.len() - 1, unwanted)
    }

    /// Whether the output is known, or nobody wants it any more.
    pub(super) fn is_over(&self) -> bool {
        let state = lock(&self.state);
        state.decided || state.cancelled
    }

    /// Fails with what is no child's failure.
    pub(super) fn fail(&self, failure: Failure) {
        let state = lock(&self.state);
        if state.decided {
            drop(state);
            self.give_up(Err(failure), false);
        } else {
            self.decide(state, |_| Err(failure));
        }
    }

    /// No more children come.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.open = false;
        self.end_if_all(state);
    }

    /// Takes in the result of a child.
    #[inline]
    pub(super) fn report(&self, index: usize, result: Result<T, Failure>) {
        match result {
            // The usual one, taken apart at once: what is written in parts and
            // moved as a whole makes the processor wait.
            Ok(value) if !M::FIRST_VALUE => self.report_value(index, value),
            result => self.report_any(index, result),
        }
    }

    #[inline(never)]
    fn report_value(&self, index: usize, value: T) {
        let mut state = lock(&self.state);
        if state.decided {
            drop(state);
            return self.report_any(index, Ok(value));
        }
        let place = std::mem::replace(&mut state.places[index], Place::Done(Ok(value)));
        state.waiting -= 1;
        self.end_if_all(state);
        drop(place);
    }

    #[inline(never)]
    fn report_any(&self, index: usize, result: Result<T, Failure>) {
        let mut state = lock(&self.state);
        let place = std::mem::replace(&mut state.places[index], Place::Empty);
        state.waiting -= 1;
        if state.decided {
            let expected = state.cancelled;
            drop(state);
            self.give_up(result, expected);
        } else if match result {
            Ok(_) => M::FIRST_VALUE,
            Err(_) => self.options.fire_on_one_errback,
        } {
            self.decide(state, |made| match result {
                Ok(value) => Ok(M::first(index, value)),
                Err(failure) => {
                    let first = FirstError { index, failure };
                    Err(Failure::from_error(first, made))
                }
            });
        } else {
            state.places[index] = Place::Done(result);
            self.end_if_all(state);
        }
        drop(place);
    }

    /// Fires with all results, if they are there.
    #[inline]
    fn end_if_all(&self, state: MutexGuard<'_, State<T, M::Output>>) {
        if state.waiting == 0 && !state.open && !state.decided {
            self.end(state);
        }
    }

    fn end(&self, mut state: MutexGuard<'_, State<T, M::Output>>) {
        state.decided = true;
        let places = std::mem::take(&mut state.places);
        let resolver = state.resolver.take();
        drop(state);
        let results = places.into_iter().map(|place| match place {
            Place::Done(result) => result,
            Place::Waiting(_) | Place::Empty => unreachable!("every child reported"),
        });
        let output = M::all(results, self.made);
        self.fire(resolver, output);
    }

    /// Fires with a result that makes the others unwanted.
    fn decide(
        &self,
        mut state: MutexGuard<'_, State<T, M::Output>>,
        output: impl FnOnce(&'static Location<'static>) -> Result<M::Output, Failure>,
    ) {
        state.decided = true;
        let handles = if self.options.cancel_rest {
            state.handles()
        } else {
            Vec::new()
        };
        drop(state);
        unwanted(self.made).send_to(handles);
        // Only now: one of the cancelled may have cancelled the group.
        let resolver = lock(&self.state).resolver.take();
        self.fire(resolver, output(self.made));
        self.give_up_done();
    }

    fn fire(&self, resolver: Option<Resolver<M::Output>>, output: Result<M::Output, Failure>) {
        let unseen = match (resolver, output) {
            (Some(resolver), Ok(output)) => resolver.try_callback(output),
            (Some(resolver), Err(failure)) => return resolver.fire(Err(failure)),
            // A cancel fired it.
            (None, output) => output.map_or(Ok(()), Err),
        };
        if let Err(output) = unseen {
            for result in M::results(output) {
                self.give_up(result, false);
            }
        }
    }

    /// Drops a result that is not in the output.
    fn give_up(&self, result: Result<T, Failure>, cancelled: bool) {
        match result {
            Ok(value) => catch_and_log("the drop of a value", || drop(value)),
            Err(failure) => {
                // What was cancelled together with the group is no news.
                let expected = cancelled && failure.is_cancelled();
                if !self.options.consume_errors && !expected {
                    report(failure, self.made, None);
                }
            }
        }
    }

    /// Gives up the results that came before the decision.
    fn give_up_done(&self) {
        let mut done = Vec::new();
        for place in &mut lock(&self.state).places {
            if let Place::Done(_) = place {
                done.push(std::mem::replace(place, Place::Empty));
            }
        }
        for place in done {
            if let Place::Done(result) = place {
                self.give_up(result, false);
            }
        }
    }
}

/// The cancel of a child that nobody is going to look at any more.
pub(super) fn unwanted(made: &'static Location<'static>) -> CancelRequest {
    CancelRequest {
        reason: None,
        quiet: true,
        at: made,
    }
}

impl<T, R> State<T, R> {
    /// What cancels the children that have not reported, in order.
    fn handles(&self) -> Vec<Handle> {
        let waiting = self.places.iter().filter_map(|place| match place {
            Place::Waiting(handle) => handle.clone(),
            Place::Done(_) | Place::Empty => None,
        });
        waiting.collect()
    }
}

impl<T: Send + 'static, M: Mode<T>> Delegate for Group<T, M> {
    fn cancel(self: Arc<Self>, request: CancelRequest) {
        let mut state = lock(&self.state);
        state.cancelled = true;
        state.decided |= self.options.at_cancel == AtCancel::Fail;
        let handles = state.handles();
        drop(state);
        if self.options.at_cancel == AtCancel::GoOn {
            request.send_to(handles);
            return;
        }
        let (for_children, for_group) = request.split();
        for_children.send_to(handles);
        let mut state = lock(&self.state);
        state.decided = true;
        let resolver = state.resolver.take();
        drop(state);
        if let Some(resolver) = resolver {
            resolver.fire(Err(for_group.into_failure()));
        }
        self.give_up_done();
    }
}
