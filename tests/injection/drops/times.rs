//! Timers, loops and threads.

use super::{Course, World};
use crate::trial::Kind::*;
use crate::user::Value;
use std::ops::ControlFlow::{Break, Continue};
use std::sync::mpsc;
use std::time::Duration;
use tokio_deferred::task::{LoopingCall, cooperate, defer_later};
use tokio_deferred::{Deferred, task, threads};

const SECOND: Duration = Duration::from_secs(1);

fn pending(w: &World) -> (tokio_deferred::Resolver<Value>, Deferred<Value>) {
    Deferred::with_canceller(w.trial.run(Canceller, || None))
}

pub(super) fn timeout(w: &World) -> Course {
    let ((in_time, a), (late, b)) = (pending(w), pending(w));
    let (a, b) = (a.add_timeout(SECOND), b.add_timeout(SECOND * 3));
    Course::new(w, async {
        drop(a.await?);
        assert!(b.await.is_err());
        Ok(())
    })
    .then(|w| in_time.callback(w.trial.value()))
    .then(|w| w.advance(SECOND * 4))
    .then(|w| w.offer(late))
}

pub(super) fn cancel_when(w: &World) -> Course {
    let ((signal, when), (resolver, d)) = (pending(w), pending(w));
    let signal_of = w.trial.work(async { drop(when.await) });
    let d = d.cancel_when(signal_of);
    Course::new(w, async {
        drop(d.await?);
        Ok(())
    })
    .then(|w| w.offer(signal))
    .then(|w| w.offer(resolver))
}

pub(super) fn later(w: &World) -> Course {
    let value = w.trial.value();
    let d = defer_later(SECOND, w.trial.run(Callback, move || Ok(value)));
    Course::new(w, async move {
        drop(d.await?);
        defer_later(SECOND, || Ok(())).await?;
        Ok(())
    })
    .then(|w| w.advance(SECOND * 2))
    .then(|w| w.advance(SECOND * 2))
}

pub(super) fn looping_call(w: &World) -> Course {
    let trial = w.trial.clone();
    let call = LoopingCall::with_count(w.trial.calls(move |_: u64| {
        let value = trial.value();
        defer_later(SECOND / 2, move || drop(value))
    }));
    let ended = call.start(SECOND);
    Course::new(w, ended)
        .then(|w| w.advance(SECOND / 2))
        .then(|w| w.advance(SECOND))
        .then(move |w| {
            call.stop();
            w.advance(SECOND);
            w.trial.own(|| drop(call));
        })
}

pub(super) fn when_done(w: &World) -> Course {
    let (resolver, waits) = pending(w);
    w.trial.is_shared_with(2);
    let steps = w.trial.items([waits.map(drop)]);
    let task = cooperate(steps);
    let (one, two) = (task.when_done(), task.when_done());
    w.trial.watch(task.when_done());
    Course::new(w, async {
        one.await?;
        two.await?;
        Ok(())
    })
    .then(|w| resolver.callback(w.trial.value()))
}

pub(super) fn iterate(w: &World) -> Course {
    let ((one, a), (two, b)) = (pending(w), pending(w));
    let mut waits = vec![b, a];
    let turn = w.trial.calls(move |state: Value| match waits.pop() {
        Some(d) => d.map(move |value| {
            drop(state);
            Continue(value)
        }),
        None => Deferred::succeed(Break(state)),
    });
    let d = task::iterate(w.trial.value(), turn);
    Course::new(w, async {
        drop(d.await?);
        Ok(())
    })
    .then(|w| w.offer(one))
    .then(|w| w.offer(two))
}

pub(super) fn defer_to_thread(w: &World) -> Course {
    let calls = [(); 2].map(|()| {
        let (go, gone) = mpsc::channel::<()>();
        let (done, over) = mpsc::channel::<()>();
        let value = w.trial.value();
        let d = threads::defer_to_thread(w.trial.run(Callback, move || {
            let _ = gone.recv();
            drop(value);
            Ok(())
        }));
        // On the thread, behind all of it.
        let d = d.finally(move || drop(done));
        let event = move |_: &World| {
            drop(go);
            let _ = over.recv();
        };
        (d, event)
    });
    let [(a, first), (b, second)] = calls;
    Course::new(w, async {
        a.await?;
        b.await?;
        Ok(())
    })
    .then(first)
    .then(second)
}
