//! One result for any number of consumers.
//!
//! Under the lock:
//!
//! 1. The result is *awaited* (neither `fired` nor `result`), *here* (both), or
//!    *out* (`fired` alone): one thread has taken it to clone it. So no two
//!    threads clone at a time, and no clone runs under the lock. Who took it
//!    puts it back.
//! 2. Subscribers queue, by number, while the result is not here.
//! 3. One thread serves the queue, as `serving` says: it takes a subscriber
//!    and the result out, clones, puts the result back, fires, and begins anew
//!    when the run of that subscriber is over. Who puts the result back and
//!    finds a queue without a server becomes the server. So a subscriber that
//!    subscribes or cancels in its callback, or in the clone, makes no stack
//!    grow; nor does one whose chain ends in another shared Deferred, since its
//!    run is handed on to who runs the source ([`DueRun`]).
//! 4. Who takes a resolver out of the queue fires it: the server, or a cancel.
//! 5. A subscriber that nobody can see any more (its Deferred was dropped with
//!    no stage on it) holds no interest: it gets no clone, and does not keep
//!    the source from being cancelled.

use super::line::Line;
use crate::chain::{Deferred, Resolver};
use crate::core::{CancelRequest, Delegate, DueRun, Handle};
use crate::failure::{Failure, catch_and_log, report};
use crate::sync::{Mutex, MutexGuard, lock};
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;

/// The result of a Deferred, for any number of consumers, late ones included.
///
/// Made by [`Deferred::share`]; its clones share the same result.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, testing};
///
/// let (resolver, d) = Deferred::new();
/// let page = d.share();
/// let (words, lines) = (page.subscribe(), page.subscribe());
/// let words = words.map(|text: &str| text.split_whitespace().count());
/// let lines = lines.map(|text| text.lines().count());
/// resolver.callback("one two\nthree");
/// assert_eq!(testing::success_of(words), 3);
/// assert_eq!(testing::success_of(lines), 2);
/// assert_eq!(testing::success_of(page.subscribe()).len(), 13);
/// ```
pub struct SharedDeferred<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    made: &'static Location<'static>,
    /// The source's.
    label: Option<&'static str>,
}

struct State<T> {
    result: Option<Result<T, Failure>>,
    fired: bool,
    serving: bool,
    /// A subscriber got the result, so that its failure, if it is one, is no
    /// longer ours to report.
    delivered: bool,
    /// Served in order, and found by a cancel.
    queue: Line<Resolver<T>>,
    /// Cancels the source, while it is unfired.
    source: Option<Handle>,
}

/// What a subscriber's cancel takes out of the queue.
struct Subscriber<T> {
    shared: Arc<Shared<T>>,
    number: u64,
}

impl<T: Clone + Send + 'static> Deferred<T> {
    /// Makes the result available to any number of consumers, each of which
    /// gets a clone.
    ///
    /// Cancelling or dropping one subscriber leaves the others alone. The
    /// source is cancelled when a subscriber cancels and no other is left. A
    /// [`SharedDeferred`] itself holds no interest in the result, and dropping
    /// it cancels nothing.
    ///
    /// Values are cloned under no lock, and never by two threads at the same
    /// time, so they need not be `Sync`. A panic in a clone is the failure of
    /// the subscriber it was for. Clones of a failure are the same failure. One
    /// that no subscriber got is reported as unhandled when the last handle
    /// goes.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::Deferred;
    ///
    /// let (resolver, d) = Deferred::<String>::new();
    /// let shared = d.share();
    /// let (a, b) = (shared.subscribe(), shared.subscribe());
    /// a.cancel();
    /// assert!(!resolver.is_cancelled());
    /// b.cancel();
    /// assert!(resolver.is_cancelled());
    /// # for d in [a, b] { d.add_errback(|_| Ok(String::new())); }
    /// ```
    #[track_caller]
    pub fn share(self) -> SharedDeferred<T> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                result: None,
                fired: false,
                serving: false,
                delivered: false,
                queue: Line::new(),
                source: self.pending_handle(),
            }),
            made: Location::caller(),
            label: self.label_of(),
        });
        let target = shared.clone();
        self.end(move |result| target.fire(result));
        SharedDeferred { shared }
    }
}

impl<T: Clone + Send + 'static> SharedDeferred<T> {
    /// Returns a Deferred of its own with the result, which has it at once if
    /// it is there.
    ///
    /// Those who wait get the result in the order in which they subscribed.
    #[track_caller]
    pub fn subscribe(&self) -> Deferred<T> {
        let made = Location::caller();
        let mut state = lock(&self.shared.state);
        if let Some(result) = state.result.take() {
            state.delivered = true;
            drop(state);
            let mine = copy(&result, made);
            drop(self.shared.put(result));
            return Deferred::ready(mine, made);
        }
        let subscriber = Subscriber {
            shared: self.shared.clone(),
            number: state.queue.next_number(),
        };
        let (resolver, d) = Deferred::with_delegate(made, Arc::new(subscriber));
        state.queue.push(resolver);
        // Who fires the source, or has the result out, serves it.
        drop(state);
        d.fired_by("a shared Deferred")
    }
}

impl<T: Clone + Send + 'static> Shared<T> {
    fn fire(self: &Arc<Self>, result: Result<T, Failure>) -> DueRun {
        let source = {
            let mut state = lock(&self.state);
            state.fired = true;
            state.source.take()
        };
        drop(source);
        self.put(result)
    }

    /// Puts the result in its place, and gives it to who waits for it.
    fn put(self: &Arc<Self>, result: Result<T, Failure>) -> DueRun {
        let mut state = lock(&self.state);
        state.result = Some(result);
        self.serve(state)
    }

    /// Serves the queue, if the result is here and nobody else does.
    fn serve(self: &Arc<Self>, mut state: MutexGuard<'_, State<T>>) -> DueRun {
        if state.serving {
            return DueRun::NONE;
        }
        state.serving = true;
        self.serve_next(state)
    }

    /// Goes on to serve the queue, as its server.
    fn serve_next<'a>(self: &'a Arc<Self>, mut state: MutexGuard<'a, State<T>>) -> DueRun {
        let next = match state.result.take() {
            // It is out, and who puts it back becomes the server.
            None => None,
            Some(result) => match state.queue.pop_first() {
                Some(resolver) => Some((result, resolver)),
                None => {
                    state.result = Some(result);
                    None
                }
            },
        };
        let Some((result, resolver)) = next else {
            state.serving = false;
            return DueRun::NONE;
        };
        let is_seen = resolver.is_observed();
        state.delivered |= is_seen;
        drop(state);
        let copy = if is_seen {
            copy(&result, self.made)
        } else {
            Err(Failure::unseen(self.made))
        };
        state = lock(&self.state);
        state.result = Some(result);
        // Who subscribes after the last one is served by somebody else.
        state.serving = !state.queue.is_empty();
        let goes_on = state.serving;
        drop(state);
        let due = resolver.fire_for(copy);
        if !goes_on {
            return due;
        }
        let shared = self.clone();
        due.and_then(move || shared.serve_next(lock(&shared.state)))
    }
}

/// Clones the result, which the caller has to itself.
fn copy<T: Clone>(
    result: &Result<T, Failure>,
    made: &'static Location<'static>,
) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(|| result.clone())) {
        Ok(copy) => copy,
        Err(payload) => Err(Failure::panicked(payload, made)),
    }
}

impl<T: Send + 'static> Delegate for Subscriber<T> {
    fn cancel(self: Arc<Self>, request: CancelRequest) {
        let mut state = lock(&self.shared.state);
        // If it is not there, its result is on the way.
        let Some(resolver) = state.queue.remove(self.number) else {
            return;
        };
        let mut gone = Vec::new();
        while let Some((_, first)) = state.queue.first()
            && !first.is_observed()
        {
            gone.extend(state.queue.pop_first());
        }
        let source = if state.queue.is_empty() {
            state.source.clone()
        } else {
            None
        };
        drop(state);
        for gone in gone {
            gone.fire(Err(Failure::unseen(self.shared.made)));
        }
        let request = match source {
            Some(source) => {
                let (mut for_source, mine) = request.split();
                // The one who asked for it is told by a failure of its own.
                for_source.quiet = true;
                source.cancel(for_source);
                mine
            }
            None => request,
        };
        resolver.fire(Err(request.into_failure()));
    }

    fn unseen(&self) {
        let resolver = lock(&self.shared.state).queue.remove(self.number);
        if let Some(resolver) = resolver {
            resolver.fire(Err(Failure::unseen(self.shared.made)));
        }
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        let state = self
            .state
            .get_mut()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        match state.result.take() {
            Some(Err(failure)) if !state.delivered => report(failure, self.made, self.label),
            result => catch_and_log("the drop of a value", || drop(result)),
        }
    }
}

impl<T> Clone for SharedDeferred<T> {
    fn clone(&self) -> Self {
        SharedDeferred {
            shared: self.shared.clone(),
        }
    }
}

impl<T> fmt::Debug for SharedDeferred<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.shared.state);
        f.debug_struct("SharedDeferred")
            .field("fired", &state.fired)
            .field("waiting", &state.queue.len())
            .field("made", &format_args!("{}", self.shared.made))
            .finish()
    }
}
