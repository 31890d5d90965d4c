//! A coroutine that awaits ten, one after the other: each fired before it is
//! awaited, or only once the coroutine waits for it; then it is a task, which has
//! a turn of the loop between two fires, or goes on inside the fire.

use super::flatten10::{sent, ten_of, tokio_sent};
use super::{Contestant, Group};
use futures::poll;
use std::future::Future;
use std::pin::pin;
use tokio::sync::oneshot as tokio_oneshot;
use tokio::task::yield_now;
use tokio_deferred::{Deferred, DeferredError};

pub(super) fn fired() -> Group {
    Group {
        name: "coroutine_fired",
        units: 1,
        contestants: vec![
            Contestant::awaited("deferred", 10, async |n| {
                Deferred::from_coroutine(sum_made::<_, DeferredError>(n, Deferred::succeed))
                    .await
                    .expect("fired")
            }),
            Contestant::awaited("oneshot", 10, async |n| {
                sum_made(n, sent).await.expect("sent")
            }),
            Contestant::awaited("tokio_oneshot", 10, async |n| {
                sum_made(n, tokio_sent).await.expect("sent")
            }),
            Contestant::awaited("tokio_task", 10, async |n| {
                let task = tokio::spawn(sum_made(n, tokio_sent));
                task.await.expect("no panic").expect("sent")
            }),
        ],
    }
}

pub(super) fn pending() -> Group {
    let ours = Contestant::awaited("deferred", 10, async |n| {
        let (resolvers, deferreds) = ten_of(Deferred::<u64>::new);
        let coroutine = Deferred::from_coroutine(sum::<_, DeferredError>(deferreds));
        for resolver in resolvers {
            // It waits for the first one already.
            resolver.callback(n);
            yield_now().await;
        }
        coroutine.await.expect("fired")
    });
    beside_peers("coroutine_pending", ours)
}

pub(super) fn inline() -> Group {
    let ours = Contestant::awaited("deferred", 10, async |n| {
        let (resolvers, deferreds) = ten_of(Deferred::<u64>::new);
        let coroutine = Deferred::from_coroutine_inline(sum::<_, DeferredError>(deferreds));
        for resolver in resolvers {
            resolver.callback(n);
        }
        coroutine.await.expect("fired")
    });
    beside_peers("coroutine_inline", ours)
}

/// The peers' sides: a future that is polled by hand, and a task.
fn beside_peers(name: &'static str, ours: Contestant) -> Group {
    Group {
        name,
        units: 1,
        contestants: vec![
            ours,
            Contestant::awaited("oneshot", 10, async |n| {
                let (senders, receivers) = ten_of(oneshot::async_channel);
                let mut coroutine = pin!(sum(receivers));
                for sender in senders {
                    assert!(poll!(coroutine.as_mut()).is_pending());
                    sender.send(n).expect("the receiver is there");
                }
                coroutine.await.expect("sent")
            }),
            Contestant::awaited("tokio_oneshot", 10, async |n| {
                let (senders, receivers) = ten_of(tokio_oneshot::channel);
                let mut coroutine = pin!(sum(receivers));
                for sender in senders {
                    assert!(poll!(coroutine.as_mut()).is_pending());
                    sender.send(n).expect("the receiver is there");
                }
                coroutine.await.expect("sent")
            }),
            Contestant::awaited("tokio_task", 10, async |n| {
                let (senders, receivers) = ten_of(tokio_oneshot::channel);
                let task = tokio::spawn(sum(receivers));
                for sender in senders {
                    yield_now().await;
                    sender.send(n).expect("the receiver is there");
                }
                task.await.expect("no panic").expect("sent")
            }),
        ],
    }
}

/// Awaits ten that are made on the way, fired.
async fn sum_made<F, E>(n: u64, make: fn(u64) -> F) -> Result<u64, E>
where
    F: Future<Output = Result<u64, E>>,
{
    let mut sum = 0;
    for _ in 0..10 {
        sum += make(n).await?;
    }
    Ok(sum)
}

async fn sum<F, E>(sources: [Option<F>; 10]) -> Result<u64, E>
where
    F: Future<Output = Result<u64, E>>,
{
    let mut sum = 0;
    for source in sources.into_iter().flatten() {
        sum += source.await?;
    }
    Ok(sum)
}
