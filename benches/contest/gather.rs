//! Gathers the values of many children, which are fired after it was made.

use super::{Contestant, Group};
use futures::future::join_all;
use tokio_deferred::{Deferred, gather_results};

pub(super) fn group(name: &'static str, children: u64) -> Group {
    let sum = children * (children + 1) / 2;
    let tokio_oneshot = Contestant::awaited("tokio_oneshot", sum, async move |n| {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..children)
            .map(|_| tokio::sync::oneshot::channel())
            .unzip();
        let all = join_all(receivers);
        for (sender, value) in senders.into_iter().zip(n..) {
            sender.send(value).expect("the receiver is there");
        }
        let values = all.await.into_iter();
        values.map(|value| value.expect("sent")).sum()
    });
    Group {
        name,
        units: children,
        contestants: vec![
            Contestant::awaited("deferred", sum, async move |n| {
                let (resolvers, deferreds): (Vec<_>, Vec<_>) =
                    (0..children).map(|_| Deferred::<u64>::new()).unzip();
                let all = gather_results(deferreds);
                for (resolver, value) in resolvers.into_iter().zip(n..) {
                    resolver.callback(value);
                }
                all.await.expect("fired").into_iter().sum()
            }),
            Contestant::awaited("oneshot", sum, async move |n| {
                let (senders, receivers): (Vec<_>, Vec<_>) =
                    (0..children).map(|_| oneshot::async_channel()).unzip();
                let all = join_all(receivers);
                for (sender, value) in senders.into_iter().zip(n..) {
                    sender.send(value).expect("the receiver is there");
                }
                let values = all.await.into_iter();
                values.map(|value| value.expect("sent")).sum()
            }),
            // Quadratic: after 128 children Tokio makes its receivers pretend
            // to be pending until the next poll, and join_all polls them all.
            if children > 10_000 {
                tokio_oneshot.slow()
            } else {
                tokio_oneshot
            },
        ],
    }
}
