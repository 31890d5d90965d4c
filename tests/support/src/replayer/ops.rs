//! Performs operations: each is one call of the library, and what is needed to
//! find its arguments.

use std::sync::Arc;

use serde_json::json;
use tokio_deferred::{
    Deferred, DeferredList, DeferredLock, DeferredQueue, DeferredSemaphore, Failure, FailureGroup,
    Resolver, gather_results, race,
};

use super::program::{Canceller, Id, ListMode, Op, Outcome, Step};
use super::run::Coroutines;
use super::stages::{Start, add, add_both, run_locked, run_with_token, stage};
use super::value::{Value, failed_list, name_of, position, report_list};
use super::world::{BrokenRule, World};

/// Performs `op`, or stops the program if it breaks a rule.
pub(super) fn perform(world: &World, op: &Op) {
    if !world.is_stopped()
        && let Err(broken) = try_perform(world, op)
    {
        world.stop(broken);
    }
}

fn try_perform(world: &World, op: &Op) -> Result<(), BrokenRule> {
    match op {
        Op::New(id, answer) => {
            let (resolver, deferred) = new(world, *id, answer.clone());
            world.insert(*id, deferred, Some(resolver))
        }
        Op::Succeed(id, value) => world.insert(*id, Deferred::succeed(value.clone()), None),
        Op::Fail(id, error) => world.insert(*id, Deferred::fail(*error), None),
        Op::Add(id, on_value, on_failure) => world.add_stage(*id, |deferred, n| {
            let side = |action| stage(world, Start::Stage(*id, n), action);
            add(
                deferred,
                on_value.as_ref().map(side),
                on_failure.as_ref().map(side),
            )
        }),
        Op::Both(id, action) => world.add_stage(*id, |deferred, n| {
            add_both(deferred, stage(world, Start::Stage(*id, n), action))
        }),
        Op::Fire(id, outcome) => fire(world.resolver(*id)?, outcome.clone()),
        Op::Cancel(id) => {
            world.cancel_handle(*id)?.cancel();
            Ok(())
        }
        Op::Pause(id) => world.pause(*id),
        Op::Unpause(id) => world.unpause(*id),
        Op::Chain(source, target) => {
            let resolver = world.resolver(*target)?;
            world.consume(*source)?.chain_deferred(resolver);
            Ok(())
        }
        Op::List(id, children, mode) => {
            world.insert(*id, list(world.consume_all(children)?, *mode), None)
        }
        Op::Gather(id, children) => {
            let gathered = gather_results(world.consume_all(children)?).map(Value::List);
            world.insert(*id, gathered, None)
        }
        Op::Race(id, children) => {
            let won = race(world.consume_all(children)?)
                .map(|(index, value)| Value::List(vec![position(index), value]));
            world.insert(*id, won, None)
        }
        Op::Semaphore(id, tokens) => world.insert_semaphore(*id, DeferredSemaphore::new(*tokens)),
        Op::Lock(id) => world.insert_lock(*id, DeferredLock::new()),
        Op::SemaphoreRun(id, semaphore, action) => {
            let job = stage(world, Start::Run(*id), action);
            let running = run_with_token(&world.semaphore(*semaphore)?, job);
            world.insert(*id, running, None)
        }
        Op::LockRun(id, lock, action) => {
            let job = stage(world, Start::Run(*id), action);
            let running = run_locked(&world.lock(*lock)?, job);
            world.insert(*id, running, None)
        }
        Op::Queue(id, size, backlog) => {
            world.insert_queue(*id, DeferredQueue::with_limits(*size, *backlog))
        }
        Op::Put(queue, value) => {
            if world.queue(*queue)?.put(value.clone()).is_err() {
                world.log(json!(["overflow", queue]));
            }
            Ok(())
        }
        Op::Get(id, queue) => {
            // A program that forgets its `get` has lost the item all the same,
            // whereas the library keeps an item that nobody has a callback for.
            let got = world.queue(*queue)?.get().add_callback(Ok);
            world.insert(*id, got, None)
        }
        Op::Drop(id) => world.forget(*id),
        Op::Unreadable(what) => Err(BrokenRule(what.clone())),
        Op::Coroutine(id, body) => {
            for step in body.iter() {
                if let Step::Await(awaited) | Step::Try(awaited) = step {
                    world.promise(*awaited)?;
                }
            }
            let body = coroutine(world.clone(), *id, Arc::clone(body));
            let made = match world.coroutines() {
                Coroutines::Tasks => Deferred::from_coroutine(body),
                Coroutines::Inline => Deferred::from_coroutine_inline(body),
            };
            world.insert(*id, made, None)
        }
    }
}

fn new(world: &World, id: Id, answer: Option<Canceller>) -> (Resolver<Value>, Deferred<Value>) {
    let Some(answer) = answer else {
        return Deferred::new();
    };
    let world = world.clone();
    Deferred::with_canceller(move || {
        world.log(json!(["canceller", id]));
        world.canceller_called(id);
        answer.map(|outcome| outcome.map_err(Failure::from))
    })
}

fn fire(resolver: Resolver<Value>, outcome: Outcome) -> Result<(), BrokenRule> {
    match outcome {
        Ok(value) => resolver.callback(value),
        Err(error) => resolver.errback(error),
    }
    Ok(())
}

fn list(children: Vec<Deferred<Value>>, mode: ListMode) -> Deferred<Value> {
    let list = DeferredList::new(children)
        .fire_on_one_errback(mode.first_err)
        .consume_errors(mode.consume);
    if !mode.first_ok {
        return list.into_deferred().map(report_list);
    }
    let first = list
        .fire_on_one_callback()
        .map(|(index, value)| Value::List(vec![value, position(index)]));
    if mode.first_err {
        return first;
    }
    // Twisted fires with the reports when no child succeeds.
    first.add_errback(|failure| {
        let group = failure.trap::<FailureGroup>()?;
        Ok(failed_list(&group))
    })
}

async fn coroutine(world: World, id: Id, body: Arc<[Step]>) -> Result<Value, Failure> {
    let mut last = Value::Int(0);
    for (i, step) in body.iter().enumerate() {
        match step {
            Step::Await(awaited) => {
                last = world.reach(*awaited)?.await?;
                world.log(json!(["co", id, i, last]));
            }
            Step::Try(awaited) => match world.reach(*awaited)?.await {
                Ok(value) => {
                    last = value;
                    world.log(json!(["co", id, i, last]));
                }
                Err(error) => {
                    let name = name_of(error.failure());
                    world.log(json!(["caught", id, i, name]));
                }
            },
            Step::Return(value) => last = value.clone(),
            Step::ReturnLast => {}
            Step::Raise(error) => return Err((*error).into()),
        }
        if matches!(step, Step::Return(_) | Step::ReturnLast) {
            world.log(json!(["co", id, i, last]));
        }
    }
    Ok(last)
}
