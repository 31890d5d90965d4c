//! What a program has made so far: its handles, its trace, its counters.
//!
//! Stages perform operations too, while the operation that runs them is not over
//! yet. So the lock in here is only ever held to move a handle in or out, never
//! while the library is called.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value as Json, json};
use tokio_deferred::{
    CancelHandle, Deferred, DeferredLock, DeferredQueue, DeferredSemaphore, Pause, Resolver,
};

use super::program::Id;
use super::run::Coroutines;
use super::unhandled::label;
use super::value::{Value, name_of};

/// A program did something that the format forbids, or the replayer is wrong.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct BrokenRule(pub String);

/// The state of a running program, shared with the stages it has added.
#[derive(Clone, Default)]
pub(super) struct World(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    coroutines: Coroutines,
    deferreds: BTreeMap<Id, Slot>,
    semaphores: BTreeMap<Id, DeferredSemaphore>,
    locks: BTreeMap<Id, DeferredLock>,
    queues: BTreeMap<Id, DeferredQueue<Value>>,
    trace: Vec<Json>,
    /// Set at the end or with the first broken rule: nothing is logged or
    /// performed from then on.
    stopped: bool,
    broken: Option<BrokenRule>,
}

/// The handles of one deferred.
struct Slot {
    /// Away while the id is lent, consumed or dropped. What a coroutine has not
    /// reached yet stays here although it is consumed: a program that never
    /// gets there has not dropped it.
    deferred: Option<Deferred<Value>>,
    owner: Owner,
    cancel: CancelHandle,
    resolver: Option<Resolver<Value>>,
    pauses: Vec<Pause>,
    stages: usize,
    canceller_called: bool,
}

/// Who has a deferred.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Owner {
    Program,
    /// An `add`, `both` or `unpause` that is being performed.
    RunningOp,
    Consumer,
    Nobody,
}

impl World {
    pub(super) fn new(coroutines: Coroutines) -> Self {
        let state = State {
            coroutines,
            ..State::default()
        };
        World(Arc::new(Mutex::new(state)))
    }

    pub(super) fn coroutines(&self) -> Coroutines {
        self.state().coroutines
    }

    /// Appends an event to the trace, unless the program is over.
    pub(super) fn log(&self, event: Json) {
        let mut state = self.state();
        if !state.stopped {
            state.trace.push(event);
        }
    }

    /// Whether nothing is performed any more.
    pub(super) fn is_stopped(&self) -> bool {
        self.state().stopped
    }

    /// Ends the program because of `rule`.
    pub(super) fn stop(&self, rule: BrokenRule) {
        let mut state = self.state();
        if !state.stopped {
            state.stopped = true;
            state.broken = Some(rule);
        }
    }

    /// Registers a deferred that the program has just made.
    pub(super) fn insert(
        &self,
        id: Id,
        mut deferred: Deferred<Value>,
        resolver: Option<Resolver<Value>>,
    ) -> Result<(), BrokenRule> {
        let slot = Slot {
            owner: Owner::Program,
            cancel: deferred.cancel_handle(),
            deferred: Some(deferred),
            resolver,
            pauses: Vec::new(),
            stages: 0,
            canceller_called: false,
        };
        let inserted = insert_once(&mut self.state().deferreds, id, slot);
        made_once(inserted, "deferred", id)
    }

    pub(super) fn insert_semaphore(
        &self,
        id: Id,
        made: DeferredSemaphore,
    ) -> Result<(), BrokenRule> {
        let inserted = insert_once(&mut self.state().semaphores, id, made);
        made_once(inserted, "semaphore", id)
    }

    pub(super) fn insert_lock(&self, id: Id, made: DeferredLock) -> Result<(), BrokenRule> {
        let inserted = insert_once(&mut self.state().locks, id, made);
        made_once(inserted, "lock", id)
    }

    pub(super) fn insert_queue(
        &self,
        id: Id,
        made: DeferredQueue<Value>,
    ) -> Result<(), BrokenRule> {
        let inserted = insert_once(&mut self.state().queues, id, made);
        made_once(inserted, "queue", id)
    }

    pub(super) fn semaphore(&self, id: Id) -> Result<DeferredSemaphore, BrokenRule> {
        find(&self.state().semaphores, "semaphore", id).cloned()
    }

    pub(super) fn lock(&self, id: Id) -> Result<DeferredLock, BrokenRule> {
        find(&self.state().locks, "lock", id).cloned()
    }

    pub(super) fn queue(&self, id: Id) -> Result<DeferredQueue<Value>, BrokenRule> {
        find(&self.state().queues, "queue", id).cloned()
    }

    /// Adds a stage to `id` with `add`, which gets the number of the stage.
    pub(super) fn add_stage(
        &self,
        id: Id,
        add: impl FnOnce(Deferred<Value>, usize) -> Deferred<Value>,
    ) -> Result<(), BrokenRule> {
        let (deferred, stage) = {
            let mut state = self.state();
            let slot = state.owned(id)?;
            slot.owner = Owner::RunningOp;
            slot.stages += 1;
            (slot.take(id)?, slot.stages - 1)
        };
        let deferred = add(deferred, stage);
        let mut state = self.state();
        let slot = state.slot(id)?;
        slot.deferred = Some(deferred);
        slot.owner = Owner::Program;
        Ok(())
    }

    /// Takes `id` for something that consumes it.
    pub(super) fn consume(&self, id: Id) -> Result<Deferred<Value>, BrokenRule> {
        let mut state = self.state();
        let slot = state.owned(id)?;
        slot.owner = Owner::Consumer;
        slot.take(id)
    }

    /// Takes all of `ids` for an aggregate.
    pub(super) fn consume_all(&self, ids: &[Id]) -> Result<Vec<Deferred<Value>>, BrokenRule> {
        ids.iter().map(|&id| self.consume(id)).collect()
    }

    /// Gives `id` to a coroutine that will ask for it by [`World::reach`].
    pub(super) fn promise(&self, id: Id) -> Result<(), BrokenRule> {
        self.state().owned(id)?.owner = Owner::Consumer;
        Ok(())
    }

    /// Takes what was promised to a coroutine.
    pub(super) fn reach(&self, id: Id) -> Result<Deferred<Value>, BrokenRule> {
        self.state().slot(id)?.take(id)
    }

    /// Forgets what the program has of `id`.
    ///
    /// The resolver stays: dropping it would fire the deferred, where a program
    /// that forgets one is silent.
    pub(super) fn forget(&self, id: Id) -> Result<(), BrokenRule> {
        let deferred = {
            let mut state = self.state();
            let slot = state.owned(id)?;
            slot.owner = Owner::Nobody;
            slot.take(id)?
        };
        // Only what is dropped is reported. The others have no label, as most
        // Deferreds have none.
        drop(deferred.label(label(id)));
        Ok(())
    }

    /// The handle that cancels `id`, whoever has the deferred by now.
    pub(super) fn cancel_handle(&self, id: Id) -> Result<CancelHandle, BrokenRule> {
        let mut state = self.state();
        match state.slot(id)? {
            slot if slot.owner == Owner::Nobody => Err(not_allowed(id, "was dropped")),
            slot => Ok(slot.cancel.clone()),
        }
    }

    /// Takes the handle that fires `id`.
    pub(super) fn resolver(&self, id: Id) -> Result<Resolver<Value>, BrokenRule> {
        let mut state = self.state();
        let slot = state.slot(id)?;
        if slot.owner == Owner::Nobody {
            return Err(not_allowed(id, "was dropped"));
        }
        if slot.canceller_called {
            return Err(not_allowed(id, "was answered by its canceller"));
        }
        let resolver = slot.resolver.take();
        resolver.ok_or_else(|| not_allowed(id, "has no handle left that fires it"))
    }

    pub(super) fn canceller_called(&self, id: Id) {
        if let Ok(slot) = self.state().slot(id) {
            slot.canceller_called = true;
        }
    }

    pub(super) fn pause(&self, id: Id) -> Result<(), BrokenRule> {
        let mut deferred = {
            let mut state = self.state();
            state.owned(id)?.take(id)?
        };
        let pause = deferred.pause();
        let mut state = self.state();
        let slot = state.slot(id)?;
        slot.deferred = Some(deferred);
        slot.pauses.push(pause);
        Ok(())
    }

    pub(super) fn unpause(&self, id: Id) -> Result<(), BrokenRule> {
        let pause = {
            let mut state = self.state();
            let slot = state.owned(id)?;
            slot.owner = Owner::RunningOp;
            slot.pauses.pop()
        };
        drop(pause.ok_or_else(|| not_allowed(id, "is not paused"))?);
        self.state().slot(id)?.owner = Owner::Program;
        Ok(())
    }

    /// Logs the reports of deferreds that the program has dropped.
    pub(super) fn log_unhandled(&self, reports: Vec<(Id, String)>) {
        for (id, name) in reports {
            let dropped = matches!(self.state().slot(id), Ok(slot) if slot.owner == Owner::Nobody);
            if dropped {
                self.log(json!(["unhandled", id, name]));
            }
        }
    }

    /// Logs how each deferred ends that the program still has.
    pub(super) fn log_ends(&self) {
        let ids: Vec<Id> = self.state().deferreds.keys().copied().collect();
        for id in ids {
            let Ok(deferred) = self.consume(id) else {
                continue;
            };
            match deferred.try_result() {
                Ok(Ok(value)) => self.log(json!(["end", id, "ok", value])),
                Ok(Err(failure)) => self.log(json!(["end", id, "err", name_of(&failure)])),
                Err(pending) => {
                    self.log(json!(["end", id, "pending"]));
                    if let Ok(slot) = self.state().slot(id) {
                        slot.deferred = Some(pending);
                    }
                }
            }
        }
    }

    /// Ends the program and gives back its trace, or the rule that it broke.
    ///
    /// All handles go. What they set off, such as the failures of resolvers that
    /// were never used, is no part of the trace.
    pub(super) fn finish(&self) -> Result<Vec<Json>, BrokenRule> {
        let over = {
            let mut state = self.state();
            let over = std::mem::take(&mut *state);
            state.stopped = true;
            over
        };
        drop(over.deferreds);
        match over.broken {
            Some(rule) => Err(rule),
            None => Ok(over.trace),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn slot(&mut self, id: Id) -> Result<&mut Slot, BrokenRule> {
        self.deferreds
            .get_mut(&id)
            .ok_or_else(|| not_allowed(id, "does not exist"))
    }

    /// The slot of a deferred that an operation may change now.
    fn owned(&mut self, id: Id) -> Result<&mut Slot, BrokenRule> {
        let slot = self.slot(id)?;
        match slot.owner {
            Owner::Program => Ok(slot),
            Owner::RunningOp => Err(not_allowed(id, "is being changed by an operation")),
            Owner::Consumer => Err(not_allowed(id, "was consumed")),
            Owner::Nobody => Err(not_allowed(id, "was dropped")),
        }
    }
}

impl Slot {
    fn take(&mut self, id: Id) -> Result<Deferred<Value>, BrokenRule> {
        self.deferred
            .take()
            .ok_or_else(|| not_allowed(id, "was taken"))
    }
}

fn not_allowed(id: Id, why: &str) -> BrokenRule {
    BrokenRule(format!("deferred {id} {why}"))
}

/// Adds `new` or gives it back: dropping it may run stages, which must not happen
/// under the lock that `made` is behind.
fn insert_once<T>(made: &mut BTreeMap<Id, T>, id: Id, new: T) -> Result<(), T> {
    match made.entry(id) {
        Entry::Vacant(free) => {
            free.insert(new);
            Ok(())
        }
        Entry::Occupied(_) => Err(new),
    }
}

fn made_once<T>(inserted: Result<(), T>, kind: &str, id: Id) -> Result<(), BrokenRule> {
    inserted.map_err(|_refused| BrokenRule(format!("{kind} {id} is made twice")))
}

fn find<'a, T>(made: &'a BTreeMap<Id, T>, kind: &str, id: Id) -> Result<&'a T, BrokenRule> {
    made.get(&id)
        .ok_or_else(|| BrokenRule(format!("{kind} {id} does not exist")))
}
