//! Ten callbacks on a pending one, fire, read; also inside a span.

use super::lazy::{plus, ten};
use super::safe::Safe;
use super::{Contestant, Group, in_span};
use tokio_deferred::Deferred;

pub(super) fn group() -> Group {
    Group {
        name: "chain10",
        units: 1,
        contestants: vec![
            Contestant::awaited("deferred", 11, deferred),
            Contestant::awaited("safe", 11, safe),
            Contestant::awaited("oneshot", 11, async |n| {
                let (sender, receiver) = oneshot::async_channel();
                let chain = ten!(receiver, |source| plus(source, n));
                sender.send(n).expect("the receiver is there");
                chain.await.expect("sent")
            }),
            Contestant::awaited("tokio_oneshot", 11, async |n| {
                let (sender, receiver) = tokio::sync::oneshot::channel();
                let chain = ten!(receiver, |source| plus(source, n));
                sender.send(n).expect("the receiver is there");
                chain.await.expect("sent")
            }),
            Contestant::awaited("tokio_task", 11, async |n| {
                let (sender, receiver) = tokio::sync::oneshot::channel();
                let task = tokio::spawn(ten!(receiver, |source| plus(source, n)));
                sender.send(n).expect("the receiver is there");
                task.await.expect("no panic").expect("sent")
            }),
        ],
    }
}

/// The same inside an entered span of a registry.
pub(super) fn group_in_span() -> Group {
    Group {
        name: "chain10_span",
        units: 1,
        contestants: vec![in_span("deferred", deferred), in_span("safe", safe)],
    }
}

async fn deferred(n: u64) -> u64 {
    let (resolver, deferred) = Deferred::new();
    let deferred = ten!(deferred, |source: Deferred<u64>| source
        .add_callback(move |value| Ok(value + n)));
    resolver.callback(n);
    deferred.await.expect("fired")
}

async fn safe(n: u64) -> u64 {
    let (resolver, deferred) = Safe::new();
    let deferred = ten!(deferred, |source: Safe<u64>| source
        .add_callback(move |value| Ok(value + n)));
    resolver.resolve(Ok(n));
    deferred.await.expect("fired")
}
