//! One run of a scenario, and the books that are kept of it.

use crate::user::{Oops, Thing};
use std::any::Any;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once};
use tokio_deferred::{Deferred, DeferredError, Failure, Unhandled, debug};

/// What sort of user code a site is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Callback,
    Errback,
    Canceller,
    OnCancel,
    ClosureDrop,
    ValueClone,
    ValueDrop,
    ErrorDrop,
    Poll,
    FutureDrop,
    Next,
    WakerClone,
    Wake,
    WakerDrop,
    Hook,
    Subscriber,
}

/// The payload of the panics that are made on purpose.
struct Injected;

/// What a run is for: each piece of user code in it has one.
#[derive(Clone)]
pub(crate) struct Trial(Arc<Books>);

#[derive(Default)]
struct Books {
    /// The site that panics.
    armed: Option<usize>,
    state: Mutex<State>,
    /// How many other threads work for this trial.
    threads: Mutex<usize>,
    alone: Condvar,
}

#[derive(Default)]
struct State {
    sites: Vec<Kind>,
    hit: Option<Kind>,
    /// Whether the injected panic was heard of.
    heard: bool,
    may_vanish: Vec<Kind>,
    things: BTreeMap<u64, Kind>,
    things_made: u64,
    wakers: i64,
    outcomes: Vec<(&'static Location<'static>, Option<String>)>,
    reported: HashSet<u64>,
    /// How many consumers more than one may find the same failure.
    sharers: usize,
    panics_reported: usize,
    ends: Vec<End>,
    problems: Vec<String>,
}

type End = (&'static str, Box<dyn FnOnce() -> bool + Send>);

/// What came of a run.
pub(crate) struct Verdict {
    pub(crate) sites: Vec<Kind>,
    pub(crate) hit: Option<Kind>,
    pub(crate) problems: Vec<String>,
}

thread_local! {
    static CURRENT: RefCell<Option<Trial>> = const { RefCell::new(None) };
}

/// The hooks of the process, which send what they get to the thread's trial.
fn install_hooks() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        debug::set_unhandled_hook(|report| {
            if let Some(trial) = Trial::current() {
                trial.unhandled(report);
            }
        });
        let old = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            match Trial::current() {
                // Injected ones do not come here: they are resumed.
                Some(trial) => trial.problem(format!("another panic: {info}")),
                None => old(info),
            }
        }));
    });
}

impl Trial {
    pub(crate) fn new(armed: Option<usize>) -> Self {
        install_hooks();
        Trial(Arc::new(Books {
            armed,
            ..Books::default()
        }))
    }

    /// The trial that this thread works for.
    pub(crate) fn current() -> Option<Trial> {
        CURRENT.try_with(|current| current.borrow().clone()).ok()?
    }

    /// Makes this thread work for `trial`.
    pub(crate) fn set_current(trial: Option<Trial>) {
        let old = CURRENT.with(|current| current.replace(trial));
        drop(old);
    }

    /// Makes this thread, which is not the one that runs the scenario, work for
    /// it until `left`.
    pub(crate) fn joined(&self) {
        *self.0.threads.lock().unwrap() += 1;
        Trial::set_current(Some(self.clone()));
    }

    pub(crate) fn left() {
        if let Some(trial) = Trial::current() {
            Trial::set_current(None);
            *trial.0.threads.lock().unwrap() -= 1;
            trial.0.alone.notify_all();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// User code is running here; panics if it is this one's turn.
    pub(crate) fn site(&self, kind: Kind) {
        let mut state = self.state();
        let index = state.sites.len();
        state.sites.push(kind);
        // A second panic while one unwinds would abort the process.
        let hit = self.0.armed == Some(index) && !std::thread::panicking();
        if hit {
            state.hit = Some(kind);
        }
        drop(state);
        if hit {
            resume_unwind(Box::new(Injected));
        }
    }

    pub(crate) fn problem(&self, what: impl Into<String>) {
        self.state().problems.push(what.into());
    }

    /// Panics of this kind need not be heard of: they come from what nobody
    /// wants any more, and the docs say that it is dropped.
    pub(crate) fn may_vanish(&self, kind: Kind) {
        self.state().may_vanish.push(kind);
    }

    /// A failure goes to one consumer and to so many others, each of whom may
    /// drop it unhandled.
    pub(crate) fn is_shared_with(&self, others: usize) {
        self.state().sharers = others;
    }

    /// As `may_vanish`, for all kinds.
    pub(crate) fn all_may_vanish(&self) {
        self.state().heard = true;
    }

    /// Whether this run's panic has happened.
    pub(crate) fn is_hit(&self) -> bool {
        self.state().hit.is_some()
    }

    /// Enters something that has to be dropped once.
    pub(crate) fn made(&self, kind: Kind) -> u64 {
        let mut state = self.state();
        state.things_made += 1;
        let id = state.things_made;
        state.things.insert(id, kind);
        id
    }

    pub(crate) fn dropped(&self, id: u64, kind: Kind) {
        let mut state = self.state();
        if state.things.remove(&id).is_none() {
            state
                .problems
                .push(format!("number {id} ({kind:?}) was dropped twice"));
        }
    }

    pub(crate) fn wakers(&self, more: i64) {
        self.state().wakers += more;
    }

    /// Checks something when all is over.
    pub(crate) fn at_end(&self, what: &'static str, check: impl FnOnce() -> bool + Send + 'static) {
        self.state().ends.push((what, Box::new(check)));
    }

    /// Expects `d` to come to an end, whichever, once.
    #[track_caller]
    pub(crate) fn watch<T: Send + 'static>(&self, d: Deferred<T>) {
        let note = self.note();
        d.add_both(move |result| {
            note(result.as_ref().err());
            drop(result);
        })
        .detach();
    }

    /// As `watch`, and the result passes.
    #[track_caller]
    pub(crate) fn noted<T: Send + 'static>(&self, d: Deferred<T>) -> Deferred<T> {
        let note = self.note();
        d.add_both(move |result| {
            note(result.as_ref().err());
            result
        })
    }

    #[track_caller]
    fn note(&self) -> impl FnOnce(Option<&Failure>) + Send + 'static {
        let index = {
            let mut state = self.state();
            state.outcomes.push((Location::caller(), None));
            state.outcomes.len() - 1
        };
        let trial = self.clone();
        move |failure| trial.outcome(index, failure)
    }

    fn outcome(&self, index: usize, failure: Option<&Failure>) {
        let text = match failure {
            None => "a value".to_owned(),
            Some(failure) if failure.is_panic() => {
                self.hear(failure);
                "the panic".to_owned()
            }
            // Its error's own text is user code.
            Some(failure) if failure.is::<Oops>() => "a failure".to_owned(),
            Some(failure) => failure.to_string(),
        };
        let mut state = self.state();
        let (at, outcome) = &mut state.outcomes[index];
        let at = *at;
        if let Some(before) = outcome.replace(text) {
            state
                .problems
                .push(format!("{at}: a second result, after {before}"));
        }
    }

    /// User code takes a result, and drops it.
    pub(crate) fn take<T>(&self, result: Result<T, DeferredError>) {
        self.own(|| drop(self.look_at(result)));
    }

    /// User code looks at a failure, which may be the panic.
    pub(crate) fn look_at<T>(&self, result: Result<T, DeferredError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                if error.is_panic() {
                    self.hear(error.failure());
                }
                None
            }
        }
    }

    /// A failure shows a panic.
    fn hear(&self, failure: &Failure) {
        if let Ok(payload) = failure.clone().into_panic()
            && !payload.is::<Injected>()
        {
            self.problem("a panic that nobody injected");
        }
        self.state().heard = true;
    }

    fn unhandled(&self, report: &Unhandled) {
        let failure = report.failure();
        if failure.is_panic() {
            self.hear(failure);
            let mut state = self.state();
            state.panics_reported += 1;
            if state.panics_reported > 1 + state.sharers {
                state.problems.push("the panic was reported twice".into());
            }
        } else if let Some(oops) = failure.check::<Oops>() {
            let id = oops.id();
            if !self.state().reported.insert(id) {
                self.problem(format!("error {id} was reported twice"));
            }
        }
        // The hook's own code, which its drop stands for.
        drop(Thing::new(self, Kind::Hook));
    }

    /// The library says that it caught a panic.
    pub(crate) fn said(&self, what: &str) {
        let mut state = self.state();
        if state.hit.is_none() {
            state
                .problems
                .push(format!("caught without a panic: {what}"));
        }
        state.heard = true;
    }

    /// Runs code in which the injected panic is the scenario's own: nothing of
    /// the library's is between it and the site.
    pub(crate) fn own<R>(&self, f: impl FnOnce() -> R) -> Option<R> {
        match catch_unwind(AssertUnwindSafe(f)) {
            Ok(result) => Some(result),
            Err(payload) => {
                self.came_out(payload, None);
                None
            }
        }
    }

    /// A panic came out of a call; with `of`, it should not have. Returns
    /// whether it is the injected one.
    pub(crate) fn came_out(&self, payload: Box<dyn Any + Send>, of: Option<&str>) -> bool {
        self.state().heard = true;
        let injected = payload.is::<Injected>();
        if let Some(of) = of.filter(|_| injected) {
            let kind = self.state().hit;
            self.problem(format!("the panic of {kind:?} came out of {of}"));
        }
        if !injected {
            self.problem("a panic that nobody injected came out");
        }
        injected
    }

    /// Closes the books, when everything that the scenario made is gone.
    pub(crate) fn finish(self) -> Verdict {
        // A runtime that goes away does not wait for its threads.
        let threads = self.0.threads.lock().unwrap();
        drop(self.0.alone.wait_while(threads, |threads| *threads > 0));
        let ends = std::mem::take(&mut self.state().ends);
        for (what, check) in ends {
            if catch_unwind(AssertUnwindSafe(check)).ok() != Some(true) {
                self.problem(format!("at the end: {what}"));
            }
        }
        let mut state = std::mem::take(&mut *self.state());
        let problems = &mut state.problems;
        for (at, outcome) in &state.outcomes {
            if outcome.is_none() {
                problems.push(format!("{at}: no result"));
            }
        }
        if !state.things.is_empty() {
            problems.push(format!("never dropped: {:?}", state.things));
        }
        if state.wakers != 0 {
            problems.push(format!("{} wakers too many", state.wakers));
        }
        if let Some(kind) = state.hit
            && !state.heard
            // Who is told of panics has nobody to tell of its own.
            && kind != Kind::Subscriber
            && !state.may_vanish.contains(&kind)
        {
            problems.push("nobody heard of the panic".into());
        }
        Verdict {
            sites: state.sites,
            hit: state.hit,
            problems: state.problems,
        }
    }
}
