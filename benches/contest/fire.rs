//! Create, fire, read.

use super::safe::Safe;
use super::{Contestant, Group};
use tokio_deferred::Deferred;

pub(super) fn group() -> Group {
    Group {
        name: "fire",
        units: 1,
        contestants: vec![
            Contestant::awaited("deferred", 1, async |n| {
                let (resolver, deferred) = Deferred::new();
                resolver.callback(n);
                deferred.await.expect("fired")
            }),
            Contestant::awaited("safe", 1, async |n| {
                let (resolver, deferred) = Safe::new();
                resolver.resolve(Ok(n));
                deferred.await.expect("fired")
            }),
            Contestant::awaited("oneshot", 1, async |n| {
                let (sender, receiver) = oneshot::async_channel();
                sender.send(n).expect("the receiver is there");
                receiver.await.expect("sent")
            }),
            Contestant::awaited("tokio_oneshot", 1, async |n| {
                let (sender, receiver) = tokio::sync::oneshot::channel();
                sender.send(n).expect("the receiver is there");
                receiver.await.expect("sent")
            }),
            Contestant::awaited("tokio_task", 1, async |n| {
                let (sender, receiver) = tokio::sync::oneshot::channel();
                let task = tokio::spawn(receiver);
                sender.send(n).expect("the receiver is there");
                task.await.expect("no panic").expect("sent")
            }),
        ],
    }
}
