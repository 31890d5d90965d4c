//! Semaphores, locks and queues.

use crate::ledger::{Due, Value, finish, recovered};
use crate::random::Random;
use crate::world::{self, Held, Limit, World};
use std::sync::Arc;
use tokio_deferred::Deferred;

pub(super) fn semaphore(world: &Arc<World>, random: &mut Random) {
    let limit = random.pick(&world.semaphores);
    if random.one_in(2) {
        let job = job(world, random, limit);
        leave(world, random, limit.of.run(job));
    } else {
        let n = 1 + random.below(limit.of.limit().min(3)) as u32;
        let d = limit.of.acquire_many(n);
        keep(world, random, d, limit.gate(n.into()));
    }
}

pub(super) fn lock(world: &Arc<World>, random: &mut Random) {
    let limit = random.pick(&world.locks);
    if random.one_in(2) {
        let job = job(world, random, limit);
        leave(world, random, limit.of.run(job));
    } else {
        keep(world, random, limit.of.acquire(), limit.gate(1));
    }
}

pub(super) fn queue(world: &Arc<World>, random: &mut Random) {
    let queue = random.pick(&world.queues);
    match random.below(8) {
        // Not more puts than gets, or the queue without a limit only grows.
        0..=2 => {
            world::put(queue, random.below(1000) as u64);
        }
        3..=5 => {
            let mut got = world::get(queue);
            if random.one_in(4) {
                world.expose(random, &mut got);
            }
        }
        // On the one without a backlog, whose end is a failure.
        6 => drop(world.queues[0].get()),
        _ => {
            // With an item that was there, the cancel comes late.
            let get = queue.get();
            get.cancel();
            world::count(get).detach();
        }
    }
}

pub(super) fn let_go(world: &Arc<World>, random: &mut Random) {
    drop(world.held.take(random));
}

/// What is done with a permit. It waits for nothing that waits for a permit.
fn job<L: 'static>(
    world: &World,
    random: &mut Random,
    limit: &Limit<L>,
) -> impl FnOnce() -> Deferred<Value> + Send + 'static {
    let (gate, leaf) = (
        limit.gate(1),
        random.one_in(3).then(|| recovered(world.leaf(random))),
    );
    move || {
        let held = gate(());
        let outcome = leaf.unwrap_or_else(|| Deferred::succeed(Value::new(7)));
        outcome.finally(move || drop(held))
    }
}

/// Ends a job's Deferred, which may be cancelled before.
fn leave(world: &Arc<World>, random: &mut Random, mut d: Deferred<Value>) {
    if random.one_in(4) {
        world.expose(random, &mut d);
    }
    if random.one_in(8) {
        d.cancel();
    }
    finish(d);
}

/// Keeps what is waited for a while, once it is there, or gives the wait up.
fn keep<G: Send + 'static>(
    world: &Arc<World>,
    random: &mut Random,
    mut d: Deferred<G>,
    gate: impl FnOnce(G) -> Held<G> + Send + 'static,
) {
    match random.below(8) {
        0 => drop(d),
        1 => {
            d.cancel();
            finish(d);
        }
        which => {
            if which == 2 {
                world.expose(random, &mut d);
            }
            let due = Due::new();
            let (keeper, mut random) = (world.clone(), random.fork());
            let held = d.add_both(move |given| {
                if let Ok(guard) = given {
                    keeper.hold(&mut random, gate(guard));
                }
                due.meet();
            });
            held.detach();
        }
    }
}
