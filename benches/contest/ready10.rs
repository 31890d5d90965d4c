//! Ten callbacks on a fired one, read.

use super::lazy::{plus, ten};
use super::safe::Safe;
use super::{Contestant, Group};
use tokio_deferred::Deferred;

pub(super) fn group() -> Group {
    Group {
        name: "ready10",
        units: 1,
        contestants: vec![
            Contestant::awaited("deferred", 11, async |n| {
                ten!(Deferred::succeed(n), |source: Deferred<u64>| source
                    .add_callback(move |value| Ok(value + n)))
                .await
                .expect("fired")
            }),
            Contestant::awaited("safe", 11, async |n| {
                ten!(Safe::succeed(n), |source: Safe<u64>| source
                    .add_callback(move |value| Ok(value + n)))
                .await
                .expect("fired")
            }),
            Contestant::awaited("oneshot", 11, async |n| {
                let (sender, receiver) = oneshot::async_channel();
                sender.send(n).expect("the receiver is there");
                ten!(receiver, |source| plus(source, n))
                    .await
                    .expect("sent")
            }),
            Contestant::awaited("tokio_oneshot", 11, async |n| {
                let (sender, receiver) = tokio::sync::oneshot::channel();
                sender.send(n).expect("the receiver is there");
                ten!(receiver, |source| plus(source, n))
                    .await
                    .expect("sent")
            }),
            Contestant::awaited("tokio_task", 11, async |n| {
                let (sender, receiver) = tokio::sync::oneshot::channel();
                sender.send(n).expect("the receiver is there");
                let task = tokio::spawn(ten!(receiver, |source| plus(source, n)));
                task.await.expect("no panic").expect("sent")
            }),
        ],
    }
}
