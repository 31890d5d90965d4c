//! Two threads at the same pair: one fires it while the other adds to it or
//! polls it.

use super::safe::Safe;
use super::{Contestant, Group};
use std::future::Future;
use std::hint::spin_loop;
use std::pin::Pin;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};
use tokio_deferred::Deferred;

/// Pairs that the two threads go through side by side: enough that their
/// start does not count, few enough to stay in the cache.
const PAIRS: u64 = 10_000;
const SUM: u64 = PAIRS * (PAIRS - 1) / 2;

static ADDED: AtomicU64 = AtomicU64::new(0);

pub(super) fn adding() -> Group {
    Group {
        name: "contended_add",
        units: PAIRS,
        contestants: vec![
            race(
                "deferred",
                Deferred::<u64>::new,
                |resolver, value| resolver.callback(value),
                |deferred, _| {
                    let added = deferred.map(|value| {
                        ADDED.fetch_add(value, Ordering::Relaxed);
                    });
                    added.detach();
                },
            ),
            race(
                "safe",
                Safe::<u64>::new,
                |resolver, value| resolver.resolve(Ok(value)),
                |deferred, _| {
                    deferred.add_callback(|value| {
                        ADDED.fetch_add(value, Ordering::Relaxed);
                        Ok(())
                    });
                },
            ),
            tokio_oneshot(),
        ],
    }
}

pub(super) fn polling() -> Group {
    Group {
        name: "contended_poll",
        units: PAIRS,
        contestants: vec![
            race(
                "deferred",
                Deferred::<u64>::new,
                |resolver, value| resolver.callback(value),
                |deferred, _| poll_until_ready(deferred),
            ),
            race(
                "oneshot",
                oneshot::async_channel,
                |sender, value| sender.send(value).expect("the receiver is there"),
                |receiver, _| poll_until_ready(receiver),
            ),
            tokio_oneshot(),
        ],
    }
}

fn tokio_oneshot() -> Contestant {
    race(
        "tokio_oneshot",
        tokio::sync::oneshot::channel,
        |sender, value| sender.send(value).expect("the receiver is there"),
        |receiver, _| poll_until_ready(receiver),
    )
}

fn poll_until_ready<E: std::fmt::Debug>(mut future: impl Future<Output = Result<u64, E>> + Unpin) {
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        match Pin::new(&mut future).poll(&mut cx) {
            Poll::Ready(value) => {
                ADDED.fetch_add(value.expect("sent"), Ordering::Relaxed);
                return;
            }
            Poll::Pending => spin_loop(),
        }
    }
}

/// A contestant that makes pairs, and has one thread do `produce` with one
/// half of each and another `consume` with the other half. Only what happens
/// after both threads have started is measured.
fn race<P: Send + 'static, C: Send + 'static>(
    name: &'static str,
    mut pair: impl FnMut() -> (P, C) + 'static,
    produce: impl Fn(P, u64) + Sync + 'static,
    consume: impl Fn(C, u64) + Sync + 'static,
) -> Contestant {
    Contestant::measured(name, move |rounds| {
        let mut total = Duration::ZERO;
        for _ in 0..rounds {
            ADDED.store(0, Ordering::Relaxed);
            let (producers, consumers) = (0..PAIRS).map(|_| pair()).unzip();
            let start = Barrier::new(2);
            total += thread::scope(|scope| {
                let other = scope.spawn(|| side(&start, producers, &produce));
                let (from, to) = side(&start, consumers, &consume);
                let (began, ended) = other.join().expect("no panic");
                to.max(ended) - from.min(began)
            });
            assert_eq!(ADDED.load(Ordering::Relaxed), SUM);
        }
        total
    })
}

fn side<H>(start: &Barrier, halves: Vec<H>, work: impl Fn(H, u64)) -> (Instant, Instant) {
    start.wait();
    let from = Instant::now();
    for (half, value) in halves.into_iter().zip(0..) {
        work(half, value);
    }
    (from, Instant::now())
}
