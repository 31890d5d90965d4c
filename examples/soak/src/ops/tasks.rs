//! The runtime: tasks that await, coroutines, timers, threads and loops.

use super::chains::any;
use crate::ledger::{Alive, CALLBACKS, Due, Value, finish, recovered};
use crate::random::Random;
use crate::world::World;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use tokio_deferred::task::LoopingCall;
use tokio_deferred::{Deferred, DeferredError, Failure, threads};

pub(super) fn wait(world: &Arc<World>, random: &mut Random) {
    let (d, due) = (any(world, random), Due::new());
    world.runtime.spawn(async move {
        let result = d.await;
        due.meet();
        drop(result);
    });
}

/// A task that may be dropped at any time, or polls in vain.
pub(super) fn abort(world: &Arc<World>, random: &mut Random) {
    let (d, alive) = (recovered(any(world, random)), Alive::new());
    let first = random.one_in(2).then(|| recovered(world.leaf(random)));
    let task = world.runtime.spawn(async move {
        let _alive = alive;
        let mut d = d;
        if let Some(first) = first {
            let _ = futures::future::select(first, &mut d).await;
        }
        if !d.is_fired() {
            tokio::task::yield_now().await;
        }
        drop(d);
    });
    if let Some(other) = world.tasks.put(random, task.abort_handle()) {
        other.abort();
    }
    if random.one_in(2)
        && let Some(other) = world.tasks.take(random)
    {
        other.abort();
    }
}

/// A coroutine that awaits Deferreds one by one, two at once, or the runtime.
pub(super) fn coroutine(world: &Arc<World>, random: &mut Random) {
    let leaves: Vec<_> = (0..random.below(4))
        .map(|_| recovered(world.leaf(random)))
        .collect();
    let (alive, both, plain) = (Alive::new(), random.one_in(2), random.one_in(2));
    let body = async move {
        let _alive = alive;
        let mut sum = Value::new(0);
        let mut leaves = leaves.into_iter();
        while let Some(leaf) = leaves.next() {
            match leaves.next().filter(|_| both) {
                Some(other) => {
                    let (a, b) = futures::future::join(leaf, other).await;
                    sum.0 += a?.0 + b?.0;
                }
                None => sum.0 += leaf.await?.0,
            }
            if plain {
                tokio::task::yield_now().await;
            }
        }
        Ok::<_, DeferredError>(sum)
    };
    let d = if random.one_in(2) {
        Deferred::from_coroutine_on(&world.runtime, body)
    } else {
        Deferred::from_coroutine(body)
    };
    if random.one_in(4) {
        d.cancel();
    }
    world.leave(random, d);
}

pub(super) fn timeout(world: &Arc<World>, random: &mut Random) {
    let d = any(world, random);
    let after = Duration::from_micros(random.below(3000) as u64);
    let d = match random.below(3) {
        0 => d.add_timeout_with(after, |result| result),
        1 => {
            let _entered = world.runtime.enter();
            d.cancel_when(tokio::time::sleep(after))
        }
        _ => d.add_timeout(after),
    };
    world.leave(random, d);
}

/// It ends itself, with the failure of its last call.
pub(super) fn looping_call(_: &Arc<World>, random: &mut Random) {
    let mut left = 1 + random.below(4) as u64;
    CALLBACKS.begin(left);
    let looping = LoopingCall::new(move || {
        CALLBACKS.end(1);
        left = left.saturating_sub(1);
        if left == 0 {
            Err(Failure::new("enough"))
        } else {
            Ok(())
        }
    });
    finish(looping.start(Duration::ZERO));
}

pub(super) fn go_elsewhere(world: &Arc<World>, random: &mut Random) {
    let d = if random.one_in(4) {
        let alive = Alive::new();
        recovered(threads::defer_to_thread_on(&world.runtime, move || {
            drop(alive);
            Ok(Value::new(8))
        }))
    } else {
        recovered(recovered(any(world, random)).via(&world.runtime))
    };
    world.leave(random, d);
}

pub(super) fn iterate(world: &Arc<World>, random: &mut Random) {
    let turns = 1 + random.below(8);
    let mut dues: Vec<_> = (0..turns).map(|_| Due::new()).collect();
    let mut leaf = random.one_in(2).then(|| recovered(world.leaf(random)));
    let d = tokio_deferred::task::iterate(0, move |turn| {
        if let Some(due) = dues.pop() {
            due.meet();
        }
        let more = !dues.is_empty();
        let next = move |value| {
            if more {
                ControlFlow::Continue(turn + 1)
            } else {
                ControlFlow::Break(value)
            }
        };
        match leaf.take() {
            Some(leaf) => leaf.map(next),
            None => Deferred::succeed(next(Value::new(9))),
        }
    });
    world.leave(random, d);
}

/// Chains are watched from their making on, so some of them are.
pub(super) fn debug(_: &Arc<World>, random: &mut Random) {
    if random.one_in(100) {
        tokio_deferred::debug::set_debugging(random.one_in(4));
    }
}
