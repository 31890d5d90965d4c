//! One Deferred, or one after another.

use super::{Course, World};
use crate::trial::{Kind::*, Trial};
use crate::user::Value;
use futures::FutureExt;
use futures::future::select;
use tokio::sync::oneshot;
use tokio_deferred::{Deferred, DeferredError, inline_callbacks};

pub(super) fn pending_then_fired(w: &World) -> Course {
    let (resolver, d) = Deferred::<Value>::new();
    Course::new(w, async {
        drop(d.await?);
        Ok(())
    })
    .then(move |w| {
        let seen = resolver.is_observed();
        // What nobody can see comes back.
        let back = resolver.try_callback(w.trial.value());
        assert_eq!(back.is_ok(), seen);
        w.trial.own(|| drop(back));
    })
}

pub(super) fn with_stages_and_a_returned_one(w: &World) -> Course {
    let t = &w.trial;
    let (outer, d) = Deferred::<Value>::new();
    let (inner, awaited) = Deferred::<Value>::with_canceller(t.run(Canceller, || None));
    let d = d
        .add_callback(t.call(Callback, |value: Value| {
            drop(value);
            awaited
        }))
        .map(t.call(Callback, |value| value));
    Course::new(w, async {
        drop(d.await?);
        Ok(())
    })
    .then(|w| outer.callback(w.trial.value()))
    .then(|w| inner.callback(w.trial.value()))
}

pub(super) fn cancel_on_drop(w: &World) -> Course {
    let t = &w.trial;
    let (resolver, d) = Deferred::<Value>::with_canceller(t.run(Canceller, || None));
    let d = d.map(t.call(Callback, |value| value)).cancel_on_drop();
    Course::new(w, async {
        drop(d.await?);
        Ok(())
    })
    .then(|w| {
        w.offer(resolver);
    })
}

pub(super) fn awaited_by_reference_in_a_select(w: &World) -> Course {
    let (one, a) = Deferred::<Value>::new();
    let (two, b) = Deferred::<Value>::new();
    let (mut a, mut b) = (a, b);
    Course::new(w, async move {
        drop(select(&mut a, &mut b).await.factor_first().0?);
        drop(a.await?);
        Ok(())
    })
    .then(|w| two.callback(w.trial.value()))
    .then(|w| one.callback(w.trial.value()))
}

pub(super) fn cancelled_of_the_resolver(w: &World) -> Course {
    let (mut resolver, mut d) = Deferred::<Value>::new();
    let handle = d.cancel_handle();
    w.trial.watch(d);
    Course::new(w, async move {
        resolver.cancelled().await;
        Ok(())
    })
    .then(move |_| {
        handle.cancel();
    })
}

fn waits(t: &Trial) -> (impl FnOnce(&World) + use<>, Deferred<Value>) {
    let (resolver, d) = Deferred::<Value>::with_canceller(t.run(Canceller, || None));
    let fire = |w: &World| {
        w.offer(resolver);
    };
    (fire, d)
}

pub(super) fn coroutine_in_a_coroutine(w: &World) -> Course {
    let ((first, a), (second, b)) = (waits(&w.trial), waits(&w.trial));
    let kept = w.trial.value();
    let inner = Deferred::from_coroutine(w.trial.work(async {
        // It tries again what failed.
        match a.await {
            Ok(value) => Ok::<_, DeferredError>(value),
            Err(_) => Ok(b.await?),
        }
    }));
    Course::new(w, async move {
        drop(inner.await?);
        tokio::task::yield_now().await;
        drop(kept);
        Ok(())
    })
    .then(first)
    .then(second)
    .then(|_| ())
}

pub(super) fn inline_callbacks_that_call_another(w: &World) -> Course {
    #[inline_callbacks]
    async fn one(d: Deferred<Value>) -> Result<Value, DeferredError> {
        let value = d.await?;
        tokio::task::yield_now().await;
        Ok(value)
    }
    let two = inline_callbacks(|(a, b)| async move {
        drop((one(a).await?, one(b).await?));
        Ok::<_, DeferredError>(())
    });
    let ((first, a), (second, b)) = (waits(&w.trial), waits(&w.trial));
    Course::new(w, two((a, b))).then(first).then(second)
}

pub(super) fn via(w: &World) -> Course {
    let (resolver, d) = Deferred::<Value>::new();
    let handle = w.runtime.as_ref().map(|runtime| runtime.handle().clone());
    let d = d.via(&handle.expect("not gone yet"));
    let d = d.map(w.trial.call(Callback, |value| value));
    Course::new(w, d.map(drop)).then(|w| resolver.callback(w.trial.value()))
}

fn send(w: &World, to: oneshot::Sender<Value>) {
    let refused = to.send(w.trial.value());
    w.trial.own(|| drop(refused));
}

pub(super) fn tokios_own(w: &World) -> Course {
    let (tx, rx) = oneshot::channel::<Value>();
    let (go, gone) = oneshot::channel::<Value>();
    let task: Deferred<Value> = tokio::spawn(w.trial.work(gone.map(Result::unwrap))).into();
    let channel = Deferred::from(rx);
    Course::new(w, async {
        drop(channel.await?);
        drop(task.await?);
        Ok(())
    })
    .then(|w| send(w, tx))
    .then(|w| send(w, go))
}
