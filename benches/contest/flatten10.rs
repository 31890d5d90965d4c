//! Ten callbacks that each return another one of the kind: on a fired one, fired
//! ones; on a pending one, those that are fired one after the other, so that
//! each is pending when it is returned.

use super::lazy::{ten, then};
use super::safe::Safe;
use super::{Contestant, Group};
use futures::poll;
use std::array;
use std::pin::pin;
use tokio::sync::oneshot as tokio_oneshot;
use tokio::task::yield_now;
use tokio_deferred::Deferred;

pub(super) fn fired() -> Group {
    Group {
        name: "flatten10_fired",
        units: 1,
        contestants: vec![
            Contestant::awaited("deferred", 11, async |n| {
                ten!(Deferred::succeed(n), |source: Deferred<u64>| source
                    .add_callback(move |value| Deferred::succeed(value + n)))
                .await
                .expect("fired")
            }),
            Contestant::awaited("safe", 11, async |n| {
                ten!(Safe::succeed(n), |source: Safe<u64>| source
                    .and_then(move |value| Safe::succeed(value + n)))
                .await
                .expect("fired")
            }),
            Contestant::awaited("oneshot", 11, async |n| {
                ten!(sent(n), |source| then(source, move |value| sent(value + n)))
                    .await
                    .expect("sent")
            }),
            Contestant::awaited("tokio_oneshot", 11, async |n| {
                ten!(tokio_sent(n), |source| then(source, move |value| {
                    tokio_sent(value + n)
                }))
                .await
                .expect("sent")
            }),
            Contestant::awaited("tokio_task", 11, async |n| {
                let task = tokio::spawn(ten!(tokio_sent(n), |source| then(source, move |value| {
                    tokio_sent(value + n)
                })));
                task.await.expect("no panic").expect("sent")
            }),
        ],
    }
}

pub(super) fn pending() -> Group {
    Group {
        name: "flatten10_pending",
        units: 1,
        contestants: vec![
            Contestant::awaited("deferred", 10, async |n| {
                let (first, deferred) = Deferred::new();
                let (resolvers, mut inner) = ten_of(Deferred::<u64>::new);
                let mut inner = inner.iter_mut().map(take);
                let chain = ten!(deferred, |source: Deferred<u64>| {
                    let next = inner.next().expect("ten");
                    source.add_callback(move |_| next)
                });
                first.callback(n);
                for (resolver, value) in resolvers.into_iter().zip(n..) {
                    resolver.callback(value);
                }
                chain.await.expect("fired")
            }),
            Contestant::awaited("safe", 10, async |n| {
                let (first, deferred) = Safe::new();
                let (resolvers, mut inner) = ten_of(Safe::<u64>::new);
                let mut inner = inner.iter_mut().map(take);
                let chain = ten!(deferred, |source: Safe<u64>| {
                    let next = inner.next().expect("ten");
                    source.and_then(move |_| next)
                });
                first.resolve(Ok(n));
                for (resolver, value) in resolvers.into_iter().zip(n..) {
                    resolver.resolve(Ok(value));
                }
                chain.await.expect("fired")
            }),
            Contestant::awaited("oneshot", 10, async |n| {
                let (first, receiver) = oneshot::async_channel();
                let (senders, mut inner) = ten_of(oneshot::async_channel::<u64>);
                let mut inner = inner.iter_mut().map(take);
                let mut chain = pin!(ten!(receiver, |source| {
                    let next = inner.next().expect("ten");
                    then(source, move |_| next)
                }));
                first.send(n).expect("the receiver is there");
                for (sender, value) in senders.into_iter().zip(n..) {
                    assert!(poll!(chain.as_mut()).is_pending());
                    sender.send(value).expect("the receiver is there");
                }
                chain.await.expect("sent")
            }),
            Contestant::awaited("tokio_oneshot", 10, async |n| {
                let (first, receiver) = tokio_oneshot::channel();
                let (senders, mut inner) = ten_of(tokio_oneshot::channel::<u64>);
                let mut inner = inner.iter_mut().map(take);
                let mut chain = pin!(ten!(receiver, |source| {
                    let next = inner.next().expect("ten");
                    then(source, move |_| next)
                }));
                first.send(n).expect("the receiver is there");
                for (sender, value) in senders.into_iter().zip(n..) {
                    assert!(poll!(chain.as_mut()).is_pending());
                    sender.send(value).expect("the receiver is there");
                }
                chain.await.expect("sent")
            }),
            Contestant::awaited("tokio_task", 10, async |n| {
                let (first, receiver) = tokio_oneshot::channel();
                let (senders, mut inner) = ten_of(tokio_oneshot::channel::<u64>);
                let mut inner = inner.iter_mut().map(take);
                let task = tokio::spawn(ten!(receiver, |source| {
                    let next = inner.next().expect("ten");
                    then(source, move |_| next)
                }));
                first.send(n).expect("the receiver is there");
                for (sender, value) in senders.into_iter().zip(n..) {
                    // The task goes on to the next one only when it is polled.
                    yield_now().await;
                    sender.send(value).expect("the receiver is there");
                }
                task.await.expect("no panic").expect("sent")
            }),
        ],
    }
}

/// One that has its value.
pub(super) fn sent(value: u64) -> oneshot::AsyncReceiver<u64> {
    let (sender, receiver) = oneshot::async_channel();
    sender.send(value).expect("the receiver is there");
    receiver
}

/// One that has its value.
pub(super) fn tokio_sent(value: u64) -> tokio_oneshot::Receiver<u64> {
    let (sender, receiver) = tokio_oneshot::channel();
    sender.send(value).expect("the receiver is there");
    receiver
}

/// Ten pairs, without a vector.
pub(super) fn ten_of<A, B>(mut pair: impl FnMut() -> (A, B)) -> ([A; 10], [Option<B>; 10]) {
    let mut consumers = [const { None }; 10];
    let producers = array::from_fn(|i| {
        let (producer, consumer) = pair();
        consumers[i] = Some(consumer);
        producer
    });
    (producers, consumers)
}

fn take<T>(place: &mut Option<T>) -> T {
    place.take().expect("taken once")
}
