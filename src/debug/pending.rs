//! Who has no result yet, and what it waits for.

use super::history::{Awaited, Record, all};
use crate::failure::brief;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// The Deferreds that have no result, at one moment; `Display` prints them as
/// a tree, each under the one that waits for it.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, debug};
///
/// debug::set_debugging(true);
/// let (resolver, poem) = Deferred::<String>::new();
/// let poem = poem.label("the poem");
/// let report = debug::pending();
/// assert!(report.iter().any(|entry| entry.label() == Some("the poem")));
/// assert!(report.to_string().contains("(the poem)"));
/// # drop((resolver, poem.add_errback(|_| Ok(String::new()))));
/// # debug::set_debugging(false);
/// ```
#[derive(Clone, Debug)]
pub struct Pending {
    entries: Vec<PendingDeferred>,
}

/// A Deferred that has no result yet.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, debug};
///
/// debug::set_debugging(true);
/// let (resolver, poem) = Deferred::<String>::new();
/// let poem = poem.label("the poem").map(|text| text.len());
/// let report = debug::pending();
/// let entry = report.iter().find(|entry| entry.label() == Some("the poem")).unwrap();
/// assert_eq!(entry.made_at().file(), file!());
/// assert_eq!(entry.waits_for().to_string(), "waits for a resolver");
/// assert_eq!(entry.stages().len(), 1);
/// # drop((resolver, poem.add_errback(|_| Ok(0))));
/// # debug::set_debugging(false);
/// ```
#[derive(Clone, Debug)]
pub struct PendingDeferred {
    id: u64,
    made: &'static Location<'static>,
    label: Option<&'static str>,
    age: Duration,
    stages: Vec<StageInfo>,
    waits_for: WaitsFor,
    running: Option<RunningStage>,
}

/// A stage that runs at this moment: see [`PendingDeferred::running`].
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
/// use std::thread;
/// use tokio_deferred::{Deferred, debug};
///
/// debug::set_debugging(true);
/// let (inside, is_inside) = mpsc::channel();
/// let (go_on, may_go_on) = mpsc::channel::<()>();
/// let (resolver, d) = Deferred::new();
/// let d = d.label("slow").map(move |()| {
///     inside.send(()).unwrap();
///     may_go_on.recv().unwrap();
/// });
/// let driver = thread::Builder::new().name("driver".to_owned());
/// let driver = driver.spawn(move || resolver.callback(())).unwrap();
/// is_inside.recv().unwrap();
///
/// let report = debug::pending();
/// let entry = report.iter().find(|entry| entry.label() == Some("slow")).unwrap();
/// assert_eq!(entry.running().unwrap().thread(), "driver");
///
/// go_on.send(()).unwrap();
/// driver.join().unwrap();
/// # tokio_deferred::testing::success_of(d);
/// # debug::set_debugging(false);
/// ```
#[derive(Clone, Debug)]
pub struct RunningStage {
    stage: StageInfo,
    thread: String,
    elapsed: Duration,
}

impl RunningStage {
    /// Returns the stage.
    pub fn stage(&self) -> StageInfo {
        self.stage
    }

    /// Returns the name of the thread that runs it, or the thread's id.
    pub fn thread(&self) -> &str {
        &self.thread
    }

    /// Returns for how long it has been running.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }
}

/// A stage that has not run yet.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, debug};
///
/// fn length(text: String) -> usize {
///     text.len()
/// }
///
/// debug::set_debugging(true);
/// let (resolver, poem) = Deferred::<String>::new();
/// let poem = poem.label("the poem").map(length);
/// let report = debug::pending();
/// let entry = report.iter().find(|entry| entry.label() == Some("the poem")).unwrap();
/// assert!(entry.stages()[0].name().ends_with("length"));
/// assert_eq!(entry.stages()[0].at().file(), file!());
/// # drop((resolver, poem.add_errback(|_| Ok(0))));
/// # debug::set_debugging(false);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageInfo {
    name: &'static str,
    at: &'static Location<'static>,
}

/// What a Deferred without a result waits for.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, debug::{self, WaitsFor}};
///
/// debug::set_debugging(true);
/// let (resolver, inner) = Deferred::<i32>::new();
/// let inner = inner.label("inner");
/// let outer = Deferred::succeed(()).label("outer").add_callback(move |()| inner);
///
/// let report = debug::pending();
/// let find = |label| report.iter().find(|entry| entry.label() == Some(label)).unwrap();
/// assert_eq!(find("inner").waits_for(), WaitsFor::Source("a resolver"));
/// assert_eq!(find("outer").waits_for(), WaitsFor::Deferred(find("inner").id()));
/// # drop((resolver, outer.add_errback(|_| Ok(0))));
/// # debug::set_debugging(false);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitsFor {
    /// Its resolver, which somebody else has, or something of the library that
    /// will fire it: "a coroutine", "a semaphore", "a timer", ..
    Source(&'static str),
    /// The Deferred with this [`id`](PendingDeferred::id), which a stage
    /// returned.
    Deferred(u64),
    /// A Deferred that a stage returned and that was made while debugging was
    /// off.
    Unknown,
    /// Its stages, which are running, or held up by a pause.
    Stages,
}

/// Lists the Deferreds that have no result yet, oldest first.
///
/// It knows those that were made while debugging was on
/// ([`set_debugging`](super::set_debugging)).
///
/// # Examples
///
/// ```
/// use tokio_deferred::{DeferredSemaphore, debug, testing};
///
/// debug::set_debugging(true);
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # let _entered = runtime.enter();
/// let limit = DeferredSemaphore::new(1);
/// let permit = testing::success_of(limit.acquire());
/// let job = limit.run(|| Ok("done")).label("a job");
/// println!("{}", debug::pending()); // .. (a job), made at .., waits for a semaphore
/// assert!(debug::pending().to_string().contains("waits for a semaphore"));
/// drop(permit);
/// # assert_eq!(runtime.block_on(job).unwrap(), "done");
/// # debug::set_debugging(false);
/// ```
pub fn pending() -> Pending {
    let entries = all().iter().filter_map(PendingDeferred::of).collect();
    Pending { entries }
}

/// Lists the Deferreds that have had no result for `older_than`, oldest first:
/// [`pending`], without those that may just need a moment.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tokio_deferred::{Deferred, debug};
///
/// debug::set_debugging(true);
/// let (resolver, reply) = Deferred::<u32>::new();
/// let reply = reply.label("a reply");
/// assert!(debug::stuck(Duration::from_secs(3600)).is_empty());
/// let stuck = debug::stuck(Duration::ZERO);
/// assert!(stuck.iter().any(|entry| entry.label() == Some("a reply")));
/// # resolver.callback(1);
/// # drop(reply);
/// # debug::set_debugging(false);
/// ```
pub fn stuck(older_than: Duration) -> Pending {
    let mut pending = pending();
    pending.entries.retain(|entry| entry.age >= older_than);
    pending
}

/// Lists those that were made since `first_id` was the next number.
pub(crate) fn pending_since(first_id: u64) -> Pending {
    let mut pending = pending();
    pending.entries.retain(|entry| entry.id >= first_id);
    pending
}

impl PendingDeferred {
    fn of(record: &Arc<Record>) -> Option<Self> {
        let story = record.story();
        // A failure that came through a chain keeps the record of it.
        if story.finished {
            return None;
        }
        let waits_for = match story.waits {
            Some(Awaited::Watched(id)) => WaitsFor::Deferred(id),
            Some(Awaited::Unknown) => WaitsFor::Unknown,
            None if !story.fired => WaitsFor::Source(story.source.unwrap_or("a resolver")),
            None if story.ran < story.stages.len() => WaitsFor::Stages,
            None => return None,
        };
        let running = story.running.as_ref().and_then(|running| {
            let stage = story.stages.get(story.ran)?;
            let thread = match running.thread.name() {
                Some(name) => name.to_owned(),
                None => format!("{:?}", running.thread.id()),
            };
            Some(RunningStage {
                stage: StageInfo {
                    name: stage.name,
                    at: stage.at,
                },
                thread,
                elapsed: running.since.elapsed(),
            })
        });
        Some(PendingDeferred {
            running,
            id: record.id,
            made: record.made,
            label: story.label,
            age: record.since.elapsed(),
            stages: story.stages[story.ran..]
                .iter()
                .map(|stage| StageInfo {
                    name: stage.name,
                    at: stage.at,
                })
                .collect(),
            waits_for,
        })
    }

    /// Returns its number, which no other Deferred has.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Returns where it was made.
    pub fn made_at(&self) -> &'static Location<'static> {
        self.made
    }

    /// Returns its label, if it has one.
    pub fn label(&self) -> Option<&'static str> {
        self.label
    }

    /// Returns how long ago it was made.
    pub fn age(&self) -> Duration {
        self.age
    }

    /// Returns the stages that have not run yet, in order.
    pub fn stages(&self) -> &[StageInfo] {
        &self.stages
    }

    /// Returns what it waits for.
    pub fn waits_for(&self) -> WaitsFor {
        self.waits_for
    }

    /// Returns the stage that runs now, if one does: where, and for how long.
    pub fn running(&self) -> Option<&RunningStage> {
        self.running.as_ref()
    }
}

impl StageInfo {
    /// Returns the callback's name, as `std::any::type_name` gives it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the place of the `add_*` call.
    pub fn at(&self) -> &'static Location<'static> {
        self.at
    }
}

impl Pending {
    /// Returns the Deferreds, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &PendingDeferred> {
        self.entries.iter()
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl fmt::Display for WaitsFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WaitsFor::Source(what) => write!(f, "waits for {what}"),
            WaitsFor::Deferred(id) => write!(f, "waits for Deferred {id}"),
            WaitsFor::Unknown => f.write_str("waits for a Deferred that is not watched"),
            WaitsFor::Stages => f.write_str("has stages to run"),
        }
    }
}

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by_id: HashMap<u64, &PendingDeferred> =
            self.entries.iter().map(|entry| (entry.id, entry)).collect();
        let awaited: HashSet<u64> = self
            .entries
            .iter()
            .filter_map(|entry| match entry.waits_for {
                WaitsFor::Deferred(id) => Some(id),
                _ => None,
            })
            .collect();
        writeln!(f, "{} without a result", self.entries.len())?;
        // Each waits for one other, so a branch is a line. A line that has no
        // beginning is a ring: its Deferreds wait for each other.
        let mut printed = HashSet::new();
        let roots = self.entries.iter().filter(|e| !awaited.contains(&e.id));
        for start in roots.chain(&self.entries) {
            let in_ring = awaited.contains(&start.id);
            let mut depth = 0;
            let mut next = Some(start);
            while let Some(entry) = next
                && printed.insert(entry.id)
            {
                if in_ring && depth == 0 {
                    writeln!(f, "these wait for each other, and will for ever:")?;
                }
                entry.print(f, depth)?;
                depth += 1;
                next = match entry.waits_for {
                    WaitsFor::Deferred(id) => by_id.get(&id).copied(),
                    _ => None,
                };
            }
        }
        Ok(())
    }
}

impl PendingDeferred {
    fn print(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        // Deep chains stay readable: past this they are not indented further.
        let indent = "  ".repeat(depth.min(20));
        write!(
            f,
            "{indent}{} Deferred {}",
            if depth > 0 { "└" } else { "•" },
            self.id
        )?;
        if let Some(label) = self.label {
            write!(f, " ({label})")?;
        }
        writeln!(
            f,
            ", made at {}:{}, {:.1?} ago, {}",
            self.made.file(),
            self.made.line(),
            self.age,
            self.waits_for
        )?;
        if let Some(running) = &self.running {
            writeln!(
                f,
                "{indent}    now running on thread {}, for {:.1?}",
                running.thread, running.elapsed
            )?;
        }
        for stage in &self.stages {
            writeln!(
                f,
                "{indent}    then {} ({}:{})",
                brief(stage.name),
                stage.at.file(),
                stage.at.line()
            )?;
        }
        Ok(())
    }
}
