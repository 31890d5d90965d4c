//! Several consumers of one result, and several results as one.

use super::chains::any;
use crate::ledger::{Due, Value, finish, recovered};
use crate::random::Random;
use crate::world::World;
use std::sync::Arc;
use tokio_deferred::{
    Deferred, DeferredList, SharedDeferred, gather_results, join, map_with_concurrency, race,
};

pub(super) fn share(world: &Arc<World>, random: &mut Random) {
    let shared = match world.shared.take(random) {
        Some(shared) => shared,
        None if random.one_in(2) => {
            // A failure has a subscriber that stays.
            let shared = world.leaf(random).share();
            finish(shared.subscribe());
            shared
        }
        None => recovered(any(world, random)).share(),
    };
    for _ in 0..random.below(4) {
        subscribe(world, random, &shared);
    }
    drop(world.shared.put(random, shared));
}

fn subscribe(world: &Arc<World>, random: &mut Random, shared: &SharedDeferred<Value>) {
    let d = shared.subscribe();
    match random.below(6) {
        0 => drop(recovered(d)),
        1 => {
            d.cancel();
            finish(d);
        }
        2 => {
            let (again, due) = (shared.clone(), Due::new());
            finish(d.add_both(move |result| {
                finish(again.subscribe());
                due.meet();
                result
            }));
        }
        3 => drop(recovered(d).cancel_on_drop()),
        _ => world.leave(random, d),
    }
}

pub(super) fn list(world: &Arc<World>, random: &mut Random) {
    let list = DeferredList::new(some(world, random))
        .consume_errors(true)
        .fire_on_one_errback(random.one_in(2))
        .cancel_rest(random.one_in(2));
    if random.one_in(4) {
        end(world, random, list.fire_on_one_callback());
    } else {
        end(world, random, list.into_deferred());
    }
}

pub(super) fn race_some(world: &Arc<World>, random: &mut Random) {
    let first = race(some(world, random));
    end(world, random, first);
}

pub(super) fn gather(world: &Arc<World>, random: &mut Random) {
    // Those that fail later would be reported: none fails.
    let children: Vec<_> = some(world, random).into_iter().map(recovered).collect();
    let all = gather_results(children);
    let pair = join((recovered(world.leaf(random)), all));
    end(world, random, pair);
}

pub(super) fn map(world: &Arc<World>, random: &mut Random) {
    let children: Vec<_> = some(world, random).into_iter().map(recovered).collect();
    let limit = 1 + random.below(3);
    let due: Vec<_> = children.iter().map(|_| Due::new()).collect();
    let all = map_with_concurrency(children.into_iter().zip(due), limit, |(child, due)| {
        due.meet();
        child
    });
    finish(all.gather());
}

/// A few Deferreds, one of which is perhaps there already.
fn some(world: &Arc<World>, random: &mut Random) -> Vec<Deferred<Value>> {
    (0..random.below(5)).map(|_| any(world, random)).collect()
}

fn end<T: Send + 'static>(world: &Arc<World>, random: &mut Random, mut d: Deferred<T>) {
    match random.below(8) {
        0 => drop(d.cancel()),
        1 => world.expose(random, &mut d),
        _ => {}
    }
    finish(d);
}
