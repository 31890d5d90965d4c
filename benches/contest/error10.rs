//! A chain of ten whose first callback fails and whose last one recovers.

use super::lazy::plus;
use super::safe::Safe;
use super::{Contestant, Group};
use futures::FutureExt;
use std::error::Error;
use std::future::Future;
use thiserror::Error;
use tokio_deferred::{BoxError, Deferred, Failure};

#[derive(Debug, Error)]
#[error("odd number {0}")]
struct Odd(u64);

/// Eight steps that are skipped.
macro_rules! eight {
    ($source:expr, $step:expr) => {{
        let chain = $source;
        let chain = $step(chain);
        let chain = $step(chain);
        let chain = $step(chain);
        let chain = $step(chain);
        let chain = $step(chain);
        let chain = $step(chain);
        let chain = $step(chain);
        $step(chain)
    }};
}

pub(super) fn group() -> Group {
    Group {
        name: "error10",
        units: 1,
        contestants: vec![
            Contestant::awaited("deferred", 2, async |n| {
                let (resolver, deferred) = Deferred::new();
                let chain = deferred.add_callback(move |value| match value % 2 {
                    0 => Ok(value),
                    _ => Err(Failure::new(Odd(value))),
                });
                let chain = eight!(chain, |source: Deferred<u64>| source
                    .add_callback(move |value| Ok(value + n)));
                let chain = chain.add_errback(move |failure| Ok(failure.trap::<Odd>()?.0 + n));
                resolver.callback(n);
                chain.await.expect("recovered")
            }),
            Contestant::awaited("safe", 2, async |n| {
                let (resolver, deferred) = Safe::new();
                let chain = deferred.add_callback(move |value| match value % 2 {
                    0 => Ok(value),
                    _ => Err(Failure::new(Odd(value))),
                });
                let chain = eight!(chain, |source: Safe<u64>| source
                    .add_callback(move |value| Ok(value + n)));
                let chain = chain.add_errback(move |failure| Ok(failure.trap::<Odd>()?.0 + n));
                resolver.resolve(Ok(n));
                chain.await.expect("recovered")
            }),
            Contestant::awaited("oneshot", 2, async |n| {
                let (sender, receiver) = oneshot::async_channel();
                let chain = recover(eight!(fail_if_odd(receiver), |source| plus(source, n)), n);
                sender.send(n).expect("the receiver is there");
                chain.await.expect("recovered")
            }),
            Contestant::awaited("tokio_oneshot", 2, async |n| {
                let (sender, receiver) = tokio::sync::oneshot::channel();
                let chain = recover(eight!(fail_if_odd(receiver), |source| plus(source, n)), n);
                sender.send(n).expect("the receiver is there");
                chain.await.expect("recovered")
            }),
            Contestant::awaited("tokio_task", 2, async |n| {
                let (sender, receiver) = tokio::sync::oneshot::channel();
                let task = tokio::spawn(recover(
                    eight!(fail_if_odd(receiver), |source| plus(source, n)),
                    n,
                ));
                sender.send(n).expect("the receiver is there");
                task.await.expect("no panic").expect("recovered")
            }),
        ],
    }
}

fn fail_if_odd<E: Error + Send + Sync + 'static>(
    source: impl Future<Output = Result<u64, E>> + Send,
) -> impl Future<Output = Result<u64, BoxError>> + Send {
    source.map(|result| match result {
        Ok(value) if value % 2 == 0 => Ok(value),
        Ok(value) => Err(Odd(value).into()),
        Err(lost) => Err(lost.into()),
    })
}

fn recover(
    source: impl Future<Output = Result<u64, BoxError>> + Send,
    n: u64,
) -> impl Future<Output = Result<u64, BoxError>> + Send {
    source.map(move |result| match result {
        Ok(value) => Ok(value),
        Err(error) => Ok(error.downcast::<Odd>()?.0 + n),
    })
}
