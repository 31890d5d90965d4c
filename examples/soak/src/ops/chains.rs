//! Chains: fired, added to, chained, cancelled, paused and taken apart.

use super::UNHANDLED;
use crate::ledger::{self, Due, FAILURES, Value, finish, recovered};
use crate::random::Random;
use crate::world::{self, World};
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};
use tokio_deferred::Deferred;

pub(super) fn fire(world: &Arc<World>, random: &mut Random) {
    match world.resolvers.take(random) {
        Some(resolver) => world::fire(random, resolver),
        None => drop(recovered(world.leaf(random))),
    }
}

pub(super) fn add(world: &Arc<World>, random: &mut Random) {
    let mut d = any(world, random);
    for _ in 0..random.below(8) {
        let due = Due::new();
        d = match random.below(5) {
            0 => recovered(d).map(move |value| {
                due.meet();
                value
            }),
            1 => d.finally(move || due.meet()),
            2 => d.add_both(move |result| {
                due.meet();
                result
            }),
            3 => d.label("labelled").add_both(move |_| {
                due.meet();
                Deferred::succeed(Value::new(5))
            }),
            _ => {
                let due = Arc::new(Mutex::new(Some(due)));
                let other = due.clone();
                // One of the two runs.
                d.add_callbacks(
                    move |value: Value| {
                        meet(&due);
                        Ok(value)
                    },
                    move |failure| {
                        meet(&other);
                        Err(failure)
                    },
                )
            }
        };
    }
    world.leave(random, d);
}

fn meet(due: &Mutex<Option<Due>>) {
    if let Some(due) = ledger::lock(due).take() {
        due.meet();
    }
}

pub(super) fn chain(world: &Arc<World>, random: &mut Random) {
    let (outer, inner) = (any(world, random), any(world, random));
    let chained = match random.below(4) {
        0 => {
            let (resolver, d) = Deferred::new();
            finish(outer);
            inner.chain_deferred(resolver);
            d
        }
        1 => {
            let (resolver, d) = Deferred::new();
            finish(outer);
            resolver.fire_from(inner);
            d
        }
        2 => {
            let inner = recovered(inner);
            recovered(outer).map(move |_| inner).flatten()
        }
        _ => {
            let due = Due::new();
            outer.add_both(move |_| {
                due.meet();
                inner
            })
        }
    };
    world.leave(random, chained);
}

pub(super) fn cancel(world: &Arc<World>, random: &mut Random) {
    match world.handles.take(random) {
        Some(handle) if random.one_in(4) => drop(handle.cancel_with("a reason")),
        Some(handle) => drop(handle.cancel()),
        None => {
            let mut d = world.leaf(random);
            world.expose(random, &mut d);
            world.leave(random, d);
        }
    }
}

pub(super) fn pause(world: &Arc<World>, random: &mut Random) {
    let mut d = any(world, random);
    let pause = d.pause();
    if random.one_in(2) {
        let again = d.pause();
        drop(world.pauses.put(random, again));
    }
    drop(world.pauses.put(random, pause));
    if random.one_in(2) {
        drop(world.pauses.take(random));
    }
    world.leave(random, recovered(d));
}

pub(super) fn take(world: &Arc<World>, random: &mut Random) {
    let d = any(world, random);
    if random.one_in(2) {
        // The failure that it drops quietly with is a cancel's.
        drop(recovered(d).cancel_on_drop());
        return;
    }
    match d.try_result() {
        Ok(result) => drop(result),
        Err(d) => world.leave(random, d),
    }
}

pub(super) fn panic(world: &Arc<World>, random: &mut Random) {
    let due = Due::new();
    let d = any(world, random).add_both(move |_| -> Result<Value, _> {
        due.meet();
        // Not by `panic!`, whose hook would print each of them.
        resume_unwind(Box::new("deliberate"))
    });
    world.leave(random, d);
}

pub(super) fn fail_unhandled(_: &Arc<World>, random: &mut Random) {
    FAILURES.begin(1);
    if random.one_in(2) {
        drop(Deferred::<Value>::fail(UNHANDLED));
    } else {
        let (resolver, d) = Deferred::<Value>::new();
        drop(d);
        resolver.errback(UNHANDLED);
    }
}

/// One that somebody left, or a new one.
pub(super) fn any(world: &Arc<World>, random: &mut Random) -> Deferred<Value> {
    match random.below(4) {
        0 => Deferred::succeed(Value::new(6)),
        1 | 2 => match world.ends.take(random) {
            Some(d) => d,
            None => world.leaf(random),
        },
        _ => world.leaf(random),
    }
}
