//! Several at once.

use super::{Course, World};
use crate::trial::Kind::*;
use crate::user::Value;
use tokio::sync::oneshot;
use tokio_deferred::{Deferred, DeferredList, gather_results, map_with_concurrency};

/// Three that wait, and what fires them.
fn three(w: &World) -> (Vec<Deferred<Value>>, Vec<impl FnOnce(&World) + use<>>) {
    let pairs = (0..3).map(|_| {
        let canceller = w.trial.run(Canceller, || None);
        let (resolver, d) = Deferred::<Value>::with_canceller(canceller);
        let d = d.map(w.trial.call(Callback, |value| value));
        let fire = |w: &World| {
            w.offer(resolver);
        };
        (d, fire)
    });
    pairs.unzip()
}

fn with(course: Course, events: Vec<impl FnOnce(&World) + 'static>) -> Course {
    events.into_iter().fold(course, Course::then)
}

pub(super) fn gather(w: &World) -> Course {
    let (ds, events) = three(w);
    let d = gather_results(ds);
    let body = async {
        drop(d.await?);
        Ok(())
    };
    with(Course::new(w, body), events)
}

pub(super) fn list(w: &World) -> Course {
    let (ds, events) = three(w);
    let list = DeferredList::new(ds);
    let body = async {
        drop(list.await?);
        Ok(())
    };
    with(Course::new(w, body), events)
}

pub(super) fn race(w: &World) -> Course {
    let ((ds, events), (more, later)) = (three(w), three(w));
    let (d, next) = (tokio_deferred::race(ds), tokio_deferred::race(more));
    let body = async {
        drop(d.await?);
        drop(next.await?);
        Ok(())
    };
    with(with(Course::new(w, body), events), later)
}

pub(super) fn join(w: &World) -> Course {
    let (ds, events) = three(w);
    let [a, b, c] = ds.try_into().expect("three");
    let d = tokio_deferred::join((a, b, c));
    let body = async {
        drop(d.await?);
        Ok(())
    };
    with(Course::new(w, body), events)
}

pub(super) fn share(w: &World) -> Course {
    let (mut ds, mut events) = three(w);
    w.trial.is_shared_with(2);
    let shared = ds.remove(0).share();
    let again = shared.clone();
    let (one, two) = (shared.subscribe(), shared.subscribe());
    w.trial.watch(shared.subscribe());
    events.truncate(1);
    let body = async move {
        drop(one.await?);
        tokio::task::yield_now().await;
        drop(two.await?);
        drop(again.subscribe().await?);
        Ok(())
    };
    with(Course::new(w, body), events).then(|_| ())
}

pub(super) fn map_over_items(w: &World) -> Course {
    let (ds, events) = three(w);
    let map = map_with_concurrency(w.trial.items(ds), 1, w.trial.calls(|d| d));
    let d = map.gather();
    let body = async {
        drop(d.await?);
        Ok(())
    };
    with(Course::new(w, body), events)
}

pub(super) fn tasks(w: &World) -> Course {
    let pairs = (0..2).map(|_| {
        let (go, gone) = oneshot::channel::<()>();
        let value = w.trial.value();
        let work = w.trial.work(async {
            let _ = gone.await;
            value
        });
        let go = |_: &World| {
            let _ = go.send(());
        };
        (go, work)
    });
    let (events, works): (Vec<_>, Vec<_>) = pairs.unzip();
    let list = DeferredList::spawn(works);
    let body = async {
        drop(list.await?);
        Ok(())
    };
    with(Course::new(w, body), events)
}
