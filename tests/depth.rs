//! A million links take no more stack than ten, and a loop that never ends
//! takes no memory.
//!
//! Every test runs on a thread of 256 KiB, and so fails, by overflowing it, if
//! anything takes stack for each link. Builds without optimisation go through
//! a tenth as many.

use std::cell::RefCell;
use std::sync::{Arc, Mutex};
use std::thread;
use test_support::counting::{Counting, count, now};
use tokio_deferred::{CancelHandle, Deferred, DeferredError, Pause, Resolver};

#[global_allocator]
static COUNTING: Counting = Counting;

const LINKS: u64 = if cfg!(miri) {
    300
} else if cfg!(debug_assertions) {
    100_000
} else {
    1_000_000
};
const TURNS: u64 = 10 * LINKS;
const STACK: usize = 256 * 1024;

/// Runs a test on a small stack, and checks that it frees all it allocates.
fn on_small_stack(name: &str, test: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(STACK);
    let counted = thread.spawn(|| {
        let (counted, ()) = count(test);
        counted
    });
    let counted = counted.expect("a thread").join().expect("no panic");
    println!(
        "{name}: {STACK} bytes of stack were enough, {} allocations",
        counted.allocations
    );
    assert!(counted.live < 4_096, "{name} leaks: {counted:?}");
}

fn value_of<T: Send + 'static>(deferred: Deferred<T>) -> Option<T> {
    deferred.try_result().ok()?.ok()
}

/// Each waits for the one before, and the first for the resolver.
fn waiting_on_each_other(links: u64) -> (Resolver<u64>, Deferred<u64>) {
    let (resolver, mut deferred) = Deferred::new();
    for _ in 0..links {
        deferred = waiting_for(deferred);
    }
    (resolver, deferred)
}

/// A fired one whose callback returned `inner`.
fn waiting_for(inner: Deferred<u64>) -> Deferred<u64> {
    let (start, outer) = Deferred::new();
    let outer = outer.add_callback(move |()| inner);
    start.callback(());
    outer
}

/// As `waiting_on_each_other`, none of them started.
fn nested_unstarted(links: u64) -> (Vec<Resolver<()>>, Deferred<u64>) {
    let mut starts = Vec::new();
    let mut deferred = Deferred::succeed(7);
    for _ in 0..links {
        let (start, outer) = Deferred::new();
        let inner = deferred;
        deferred = outer.add_callback(move |()| inner);
        starts.push(start);
    }
    (starts, deferred)
}

fn chained(links: u64) -> (Resolver<u64>, Deferred<u64>) {
    let (resolver, mut deferred) = Deferred::new();
    for _ in 0..links {
        let (next, outer) = Deferred::new();
        deferred.chain_deferred(next);
        deferred = outer;
    }
    (resolver, deferred)
}

/// Each link's callback owns the resolver of the next. Fired, their calls would
/// nest, as each fires the next before it returns; dropped, nothing may.
fn owning_each_other(links: u64) -> (Resolver<u64>, Deferred<u64>) {
    let (mut resolver, last) = Deferred::new();
    for _ in 0..links {
        let (first, deferred) = Deferred::new();
        deferred
            .map(move |value: u64| resolver.callback(value + 1))
            .detach();
        resolver = first;
    }
    (resolver, last)
}

#[test]
fn wait_on_each_other_then_fire() {
    on_small_stack("a million flattened, then fired", || {
        let (resolver, deferred) = waiting_on_each_other(LINKS);
        resolver.callback(7);
        assert_eq!(value_of(deferred), Some(7));
    });
}

#[test]
fn wait_on_each_other_then_drop_the_consumer_then_fire() {
    on_small_stack("a million flattened, detached, then fired", || {
        let (resolver, deferred) = waiting_on_each_other(LINKS);
        drop(deferred);
        resolver.callback(7);
    });
}

#[test]
fn wait_on_each_other_then_drop_the_resolver() {
    on_small_stack("a million flattened, then lost", || {
        let (resolver, deferred) = waiting_on_each_other(LINKS);
        drop(resolver);
        let lost = deferred.add_errback(|failure| {
            assert!(failure.is_resolver_dropped());
            Ok(1)
        });
        assert_eq!(value_of(lost), Some(1));
    });
}

#[test]
fn wait_on_each_other_then_cancel() {
    on_small_stack("a million flattened, then cancelled", || {
        let (resolver, deferred) = waiting_on_each_other(LINKS);
        deferred.cancel();
        assert!(resolver.is_cancelled());
        let cancelled = deferred.add_errback(|failure| {
            assert!(failure.is_cancelled());
            Ok(1)
        });
        assert_eq!(value_of(cancelled), Some(1));
    });
}

#[test]
fn start_nested_from_the_outermost() {
    on_small_stack("a million nested, from the outermost", || {
        let (starts, deferred) = nested_unstarted(LINKS);
        for start in starts.into_iter().rev() {
            start.callback(());
        }
        assert_eq!(value_of(deferred), Some(7));
    });
}

#[test]
fn start_nested_from_the_innermost() {
    on_small_stack("a million nested, from the innermost", || {
        let (starts, deferred) = nested_unstarted(LINKS);
        for start in starts {
            start.callback(());
        }
        assert_eq!(value_of(deferred), Some(7));
    });
}

#[test]
fn own_each_others_resolvers_then_drop_the_first() {
    on_small_stack("a million that own each other, then lost", || {
        let (resolver, last) = owning_each_other(LINKS);
        let last = last.add_errback(|failure| {
            assert!(failure.is_resolver_dropped());
            Ok(1)
        });
        tokio_deferred::testing::capture_unhandled(|| drop(resolver));
        assert_eq!(value_of(last), Some(1));
    });
}

#[test]
fn chain_deferred_then_fire() {
    on_small_stack("a million chained, then fired", || {
        let (resolver, deferred) = chained(LINKS);
        resolver.callback(7);
        assert_eq!(value_of(deferred), Some(7));
    });
}

#[test]
fn chain_deferred_then_drop_the_consumer_then_fire() {
    on_small_stack("a million chained, detached, then fired", || {
        let (resolver, deferred) = chained(LINKS);
        drop(deferred);
        resolver.callback(7);
    });
}

#[test]
fn chain_deferred_then_drop_the_resolver() {
    on_small_stack("a million chained, then lost", || {
        let (resolver, deferred) = chained(LINKS);
        drop(resolver);
        let lost = deferred.add_errback(|_| Ok(1));
        assert_eq!(value_of(lost), Some(1));
    });
}

#[test]
fn add_callbacks_then_fire_or_drop() {
    on_small_stack("a million callbacks on one", || {
        for fire in [true, false] {
            let (resolver, mut deferred) = Deferred::new();
            for _ in 0..LINKS {
                deferred = deferred.add_callback(|value: u64| Ok(value + 1));
            }
            if fire {
                resolver.callback(0);
                assert_eq!(value_of(deferred), Some(LINKS));
            } else {
                drop(resolver);
                let lost = deferred.add_errback(|_| Ok(1));
                assert_eq!(value_of(lost), Some(1));
            }
        }
    });
}

#[test]
fn on_cancel_many_times_then_fire_or_cancel() {
    on_small_stack("a million functions for a cancel", || {
        for cancel in [false, true] {
            let (mut resolver, deferred) = Deferred::new();
            for _ in 0..LINKS {
                resolver.on_cancel(|| ());
            }
            if cancel {
                deferred.cancel();
            }
            resolver.callback(1);
            let deferred = deferred.add_errback(|_| Ok(2));
            assert_eq!(value_of(deferred), Some(if cancel { 2 } else { 1 }));
        }
    });
}

thread_local! {
    /// What fires the turn that waits.
    static WHEEL: RefCell<Option<Resolver<()>>> = const { RefCell::new(None) };
    /// Cancel handles and guards of turns that are long over.
    static HANDLES: RefCell<Vec<CancelHandle>> = const { RefCell::new(Vec::new()) };
    static PAUSES: RefCell<Vec<Pause>> = const { RefCell::new(Vec::new()) };
}

/// What a turn keeps beyond its end.
#[derive(Clone, Copy, PartialEq)]
enum Keep {
    Nothing,
    Handles,
    Pauses,
}

/// How many turns keep something.
const KEPT: u64 = 100;
/// What one kept handle or guard may hold: a block, and room to spare.
const PER_KEPT: i64 = 512;

/// A Deferred whose last callback returns another of the same, still pending.
fn turn(left: u64, keep: Keep) -> Deferred<u64> {
    let (resolver, deferred) = Deferred::new();
    WHEEL.set(Some(resolver));
    let mut deferred = deferred.add_callback(move |()| match left {
        0 => Deferred::succeed(7),
        _ => turn(left - 1, keep),
    });
    if !left.is_multiple_of(TURNS / KEPT) {
        return deferred;
    }
    match keep {
        Keep::Nothing => deferred,
        Keep::Handles => {
            HANDLES.with_borrow_mut(|kept| kept.push(deferred.cancel_handle()));
            deferred
        }
        Keep::Pauses => {
            let mut held = waiting_for(deferred);
            PAUSES.with_borrow_mut(|kept| kept.push(held.pause()));
            held
        }
    }
}

fn endless(name: &'static str, keep: Keep) {
    on_small_stack(name, move || {
        let outermost = turn(TURNS, keep);
        let (mut turns, mut start, mut most) = (0, 0, 0);
        while let Some(resolver) = WHEEL.take() {
            resolver.callback(());
            turns += 1;
            if turns == 100 {
                start = now().live;
            }
            most = most.max(now().live);
        }
        println!(
            "{name}: {turns} turns, live heap grew by {} bytes",
            most - start
        );
        assert_eq!(turns, TURNS + 1);
        let kept = if keep == Keep::Nothing {
            0
        } else {
            KEPT as i64
        };
        assert!(most - start <= 4_096 + kept * PER_KEPT);
        assert_eq!(outermost.is_fired(), keep != Keep::Pauses);
        PAUSES.take().clear();
        HANDLES.take().iter().for_each(|handle| {
            handle.cancel();
        });
        assert_eq!(value_of(outermost), Some(7));
    });
}

#[test]
fn endless_turns() {
    endless("endless turns", Keep::Nothing);
}

#[test]
fn endless_turns_while_cancel_handles_are_kept() {
    endless("endless turns with cancel handles kept", Keep::Handles);
}

#[test]
fn endless_turns_while_pauses_are_kept() {
    endless("endless turns with pauses kept", Keep::Pauses);
}

#[test]
fn inline_coroutine_that_awaits_one_after_the_other() {
    on_small_stack("awaits in a row", || {
        let place: Arc<Mutex<Option<Resolver<u64>>>> = Arc::default();
        let resolvers = place.clone();
        let d = Deferred::from_coroutine_inline(async move {
            let mut sum = 0;
            for _ in 0..LINKS {
                let (resolver, awaited) = Deferred::new();
                *resolvers.lock().expect("no panic") = Some(resolver);
                sum += awaited.await?;
            }
            Ok::<_, DeferredError>(sum)
        });
        let next = || place.lock().expect("no panic").take();
        while let Some(resolver) = next() {
            resolver.callback(1);
        }
        assert_eq!(value_of(d), Some(LINKS));
    });
}

#[test]
fn inline_coroutines_each_of_which_awaits_the_one_before() {
    on_small_stack("coroutines that await each other", || {
        let (resolver, mut last) = Deferred::new();
        for _ in 0..LINKS / 4 {
            let before = last;
            last = Deferred::from_coroutine_inline(async move {
                Ok::<u64, DeferredError>(before.await? + 1)
            });
        }
        resolver.callback(0);
        assert_eq!(value_of(last), Some(LINKS / 4));
    });
}

#[test]
fn inline_coroutines_each_of_which_fires_the_next() {
    on_small_stack("coroutines that fire each other", || {
        let (start, mut awaited) = Deferred::new();
        for _ in 0..LINKS / 4 {
            let (next, outer) = Deferred::new();
            let before = awaited;
            awaited = outer;
            Deferred::from_coroutine_inline(async move {
                next.callback(before.await? + 1);
                Ok::<(), DeferredError>(())
            })
            .log_errors();
        }
        start.callback(0);
        assert_eq!(value_of(awaited), Some(LINKS / 4));
    });
}

#[test]
fn cancel_of_inline_coroutines_each_of_which_awaits_the_one_before() {
    on_small_stack("a cancel through coroutines", || {
        let (resolver, mut last) = Deferred::<u64>::new();
        for _ in 0..LINKS / 4 {
            last = Deferred::from_coroutine_inline(last);
        }
        last.cancel();
        assert!(resolver.is_cancelled());
        let failure = last.try_result().expect("a result").unwrap_err();
        assert!(failure.is_cancelled());
    });
}
