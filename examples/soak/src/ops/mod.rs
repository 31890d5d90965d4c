//! The operations, one of which a thread picks at a time.

mod chains;
mod groups;
mod limits;
mod tasks;

/// What a failure says that is to be reported.
pub(crate) const UNHANDLED: &str = "nobody handles this";

use crate::random::Random;
use crate::world::World;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

type Run = fn(&Arc<World>, &mut Random);

/// A kind of operation.
struct Kind {
    name: &'static str,
    /// How often it is picked, relative to the others.
    weight: usize,
    run: Run,
}

const fn kind(weight: usize, name: &'static str, run: Run) -> Kind {
    Kind { name, weight, run }
}

/// All kinds.
const KINDS: [Kind; 25] = [
    kind(12, "fire", chains::fire),
    kind(12, "add", chains::add),
    kind(8, "chain", chains::chain),
    kind(8, "cancel", chains::cancel),
    kind(4, "pause", chains::pause),
    kind(4, "take", chains::take),
    kind(2, "panic", chains::panic),
    kind(2, "fail unhandled", chains::fail_unhandled),
    kind(4, "share", groups::share),
    kind(3, "list", groups::list),
    kind(3, "race", groups::race_some),
    kind(3, "gather and join", groups::gather),
    kind(3, "map with concurrency", groups::map),
    kind(4, "semaphore", limits::semaphore),
    kind(3, "lock", limits::lock),
    kind(6, "queue", limits::queue),
    kind(4, "let go", limits::let_go),
    kind(4, "await", tasks::wait),
    kind(2, "abort", tasks::abort),
    kind(4, "coroutine", tasks::coroutine),
    kind(2, "timeout", tasks::timeout),
    kind(1, "looping call", tasks::looping_call),
    kind(1, "move", tasks::go_elsewhere),
    kind(1, "iterate", tasks::iterate),
    kind(1, "debug", tasks::debug),
];

/// How many of each were done.
static DONE: [AtomicU64; KINDS.len()] = [const { AtomicU64::new(0) }; KINDS.len()];

/// Does one operation.
pub(crate) fn step(world: &Arc<World>, random: &mut Random) {
    let mut left = random.below(KINDS.iter().map(|kind| kind.weight).sum());
    for (kind, done) in KINDS.iter().zip(&DONE) {
        if left < kind.weight {
            (kind.run)(world, random);
            done.fetch_add(1, Ordering::Relaxed);
            return;
        }
        left -= kind.weight;
    }
}

/// Does what ends things that were begun.
pub(crate) fn step_back(world: &Arc<World>, random: &mut Random) {
    chains::fire(world, random);
    limits::let_go(world, random);
}

/// Returns the names of the kinds, and how many of each were done.
pub(crate) fn done() -> impl Iterator<Item = (&'static str, u64)> {
    let names = KINDS.iter().map(|kind| kind.name);
    names.zip(DONE.iter().map(|done| done.load(Ordering::Relaxed)))
}
