//! What is left of some work if everything is taken away that a Deferred could
//! do without: the atomic steps, allocations, wakes and look-ups that its
//! guarantees cost, and nothing else. Below this no change of its code gets.

use super::{Contestant, Group, in_span};
use futures::future::{BoxFuture, poll_fn, ready};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use tokio::task::yield_now;
use tracing::Span;

/// As large as a chain's block.
type Block = [u64; 25];

/// As large as what a failure keeps: its box with the error, and its path.
type Path = [u64; 9];

/// Changes the state as every change of a chain's does: from what it was.
fn change(state: &AtomicU64, by: u64) {
    let seen = state.load(Ordering::Acquire);
    let changed = state.compare_exchange(seen, seen + by, Ordering::AcqRel, Ordering::Acquire);
    assert!(changed.is_ok());
}

/// Ten callbacks, the fire, and the rest after it.
fn twelve_changes(n: u64) -> u64 {
    let state = AtomicU64::new(0);
    let state = black_box(&state);
    (0..12).for_each(|_| change(state, n));
    state.load(Ordering::Acquire) - 1
}

pub(super) fn chain10() -> Contestant {
    Contestant::awaited("bare", 11, async |n| twelve_changes(n))
}

/// The same, and the two allocations of an error with its path.
pub(super) fn error10() -> Contestant {
    Contestant::awaited("bare", 2, async |n| {
        let error: Box<u64> = black_box(Box::new(n));
        let path: Arc<Path> = black_box(Arc::new([n; 9]));
        twelve_changes(n) - 11 + *error + path[0]
    })
}

/// Gets the current span, asks nine times which one is current, as ten
/// callbacks do, and enters it once.
pub(super) fn chain10_span() -> Contestant {
    in_span("bare", async |n| {
        let span = black_box(Span::current());
        let known = (0..9).filter(|_| {
            tracing::dispatcher::get_default(|dispatch| dispatch.current_span().is_known())
        });
        let known = known.count() as u64;
        let _entered = span.entered();
        known + 1 + n
    })
}

/// For each child its block, the step that adds to it, the step that fires it,
/// and the one that counts it.
pub(super) fn gather(children: u64) -> Contestant {
    Contestant::awaited("bare", children, async move |n| {
        let count = AtomicU64::new(0);
        let count = black_box(&count);
        let blocks: Vec<Box<(AtomicU64, Block)>> = (0..children)
            .map(|_| Box::new((AtomicU64::new(n), black_box([n; 25]))))
            .collect();
        blocks.iter().for_each(|block| change(&block.0, n));
        for block in black_box(blocks) {
            change(&block.0, n);
            change(count, block.1[0]);
        }
        count.load(Ordering::Acquire)
    })
}

/// Polls a future once that stays in place, and has ten numbers at hand.
pub(super) fn coroutine_fired() -> Contestant {
    Contestant::awaited("bare", 10, async |n| {
        let numbers = black_box([n; 10]);
        let boxed: BoxFuture<'static, u64> = Box::pin(async move {
            let mut sum = 0;
            for number in numbers {
                sum += ready(number).await;
            }
            sum
        });
        black_box(boxed).await
    })
}

/// Wakes a task ten times, each time when it waits.
pub(super) fn coroutine_pending() -> Contestant {
    Contestant::awaited("bare", 10, async |n| {
        let waits: Arc<Mutex<Option<Waker>>> = Arc::default();
        let woken = waits.clone();
        let mut wakes = 0;
        let task = tokio::spawn(poll_fn(move |cx| {
            if wakes == 10 {
                return Poll::Ready(wakes * n);
            }
            wakes += 1;
            *woken.lock().expect("no panic") = Some(cx.waker().clone());
            Poll::Pending
        }));
        for _ in 0..10 {
            yield_now().await;
            let waker = waits.lock().expect("no panic").take();
            waker.expect("it waits").wake();
        }
        task.await.expect("no panic")
    })
}

/// Puts it among those that do the whole work.
pub(super) fn and(mut group: Group, bare: Contestant) -> Group {
    group.contestants.push(bare);
    group
}
