//! What is known of one watched chain.

use super::moment::Moment;
use super::slow_stage;
use crate::core::{Watch, WatchState};
use crate::failure::{Failure, audit};
use crate::sync::{Numbers, lock};
use std::collections::BTreeMap;
use std::panic::Location;
use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, Thread};

pub(super) struct Record {
    pub(super) id: u64,
    pub(super) made: &'static Location<'static>,
    pub(super) since: Moment,
    pub(super) story: Mutex<Story>,
}

/// What happened to the chain up to now.
#[derive(Clone, Default)]
pub(super) struct Story {
    pub(super) label: Option<&'static str>,
    /// What will fire it, where that is not simply a resolver.
    pub(super) source: Option<&'static str>,
    pub(super) stages: Vec<Stage>,
    /// How many of them ran or were passed over.
    pub(super) ran: usize,
    pub(super) fired: bool,
    pub(super) finished: bool,
    pub(super) waits: Option<Awaited>,
    pub(super) running: Option<Running>,
}

/// A stage, the first of those that have not run yet, that runs now.
#[derive(Clone)]
pub(super) struct Running {
    pub(super) thread: Thread,
    pub(super) since: Moment,
}

#[derive(Clone)]
pub(super) struct Stage {
    pub(super) name: &'static str,
    pub(super) at: &'static Location<'static>,
    pub(super) became: Option<WatchState>,
}

/// The Deferred that a stage returned.
#[derive(Clone, Copy)]
pub(super) enum Awaited {
    Watched(u64),
    /// It was made while debugging was off.
    Unknown,
}

static NEXT: Numbers = Numbers::new();
static ALL: Mutex<BTreeMap<u64, Weak<Record>>> = Mutex::new(BTreeMap::new());

/// Makes the record of a chain that is being made.
pub(super) fn make(made: &'static Location<'static>) -> Arc<dyn Watch> {
    let record = Arc::new(Record {
        id: NEXT.next(),
        made,
        since: Moment::now(),
        story: Mutex::default(),
    });
    lock(&ALL).insert(record.id, Arc::downgrade(&record));
    record
}

/// Returns a number that is smaller than those of all chains that are made from
/// now on.
pub(crate) fn first_id_from_now() -> u64 {
    NEXT.next()
}

/// Returns the record of a watched chain.
pub(super) fn by_id(id: u64) -> Option<Arc<Record>> {
    lock(&ALL).get(&id).and_then(Weak::upgrade)
}

/// Returns the records of all chains that there are, oldest first.
pub(super) fn all() -> Vec<Arc<Record>> {
    let all = lock(&ALL);
    all.values().filter_map(Weak::upgrade).collect()
}

impl Record {
    pub(super) fn story(&self) -> Story {
        lock(&self.story).clone()
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        lock(&ALL).remove(&self.id);
    }
}

impl Watch for Record {
    fn labelled(&self, label: &'static str) {
        lock(&self.story).label = Some(label);
    }

    fn sourced(&self, source: &'static str) {
        lock(&self.story).source = Some(source);
    }

    fn added(&self, name: &'static str, at: &'static Location<'static>) {
        lock(&self.story).stages.push(Stage {
            name,
            at,
            became: None,
        });
    }

    fn ran(&self, state: WatchState, failure: Option<&mut Failure>) {
        let mut story = lock(&self.story);
        let running = story.running.take();
        let next = story.ran;
        let stage = story.stages.get(next).map(|stage| (stage.name, stage.at));
        if let Some(stage) = story.stages.get_mut(next) {
            stage.became = Some(state);
            story.ran += 1;
        }
        story.fired = true;
        drop(story);
        if let (Some(running), Some((name, at))) = (running, stage) {
            slow_stage::check(name, at, running.since.elapsed(), self);
        }
        // Not under the lock: see the module's invariants.
        if let Some(failure) = failure
            && let Some(this) = by_id(self.id)
        {
            failure.came_through(this);
        }
    }

    fn runs(&self) {
        lock(&self.story).running = Some(Running {
            thread: thread::current(),
            since: Moment::now(),
        });
    }

    fn abandoned(&self) {
        let label = lock(&self.story).label;
        audit::note(|| {
            let label = label.map_or(String::new(), |label| format!(" ({label})"));
            format!(
                "the resolver of the Deferred made at {}{label} was dropped unfired",
                self.made
            )
        });
    }

    fn waits(&self, on: Option<Option<u64>>) {
        lock(&self.story).waits = on.map(|id| id.map_or(Awaited::Unknown, Awaited::Watched));
    }

    fn fired(&self) {
        lock(&self.story).fired = true;
    }

    fn finished(&self) {
        lock(&self.story).finished = true;
    }

    fn id(&self) -> u64 {
        self.id
    }
}
