//! What a Deferred allocates, exactly.

use futures::FutureExt;
use test_support::counting::{Count, Counting, count};
use tokio::runtime::Builder;
use tokio_deferred::{Deferred, DeferredError, Failure};

#[global_allocator]
static COUNTING: Counting = Counting;

/// Bytes of the block of a pending one, the allocator's own overhead aside.
const BLOCK: i64 = 200;

/// Whether a thread keeps a few pieces of memory for what it makes next: only
/// without debug assertions. What is counted here then starts from warm pools.
const KEEPS: bool = !cfg!(debug_assertions);

/// What a thread may keep: 16 blocks, and as many first chunks.
const KEPT: i64 = if KEEPS { 16 * (BLOCK + 256) } else { 0 };

/// Has so many pending ones at a time, with ten callbacks each, and fires them.
fn have_and_fire(pending: u64) {
    let pending: Vec<_> = (0..pending)
        .map(|_| {
            let (resolver, deferred) = Deferred::new();
            (resolver, with_callbacks(deferred, 10))
        })
        .collect();
    for (resolver, deferred) in pending {
        resolver.callback(0);
        assert!(value_of(deferred).is_some());
    }
}

/// Fills the thread's pools.
fn warm_up() {
    have_and_fire(20);
}

fn with_callbacks(mut deferred: Deferred<u64>, callbacks: u64) -> Deferred<u64> {
    for n in 1..=callbacks {
        deferred = deferred.add_callback(move |value| Ok(value + n));
    }
    deferred
}

fn value_of(deferred: Deferred<u64>) -> Option<u64> {
    deferred.try_result().ok()?.ok()
}

/// Makes a pending one with callbacks, and fires it.
fn pending_then_fire(callbacks: u64) -> (Count, Count) {
    warm_up();
    let (made, (resolver, deferred)) = count(|| {
        let (resolver, deferred) = Deferred::new();
        (resolver, with_callbacks(deferred, callbacks))
    });
    let (fired, value) = count(|| {
        resolver.callback(0);
        value_of(deferred)
    });
    assert_eq!(value, Some(callbacks * (callbacks + 1) / 2));
    assert_eq!(made.live + fired.live, 0, "{callbacks} callbacks leak");
    (made, fired)
}

#[test]
fn pending_with_up_to_three_callbacks_is_one_block() {
    for callbacks in 0..=3 {
        let (made, fired) = pending_then_fire(callbacks);
        let (blocks, bytes) = if KEEPS { (0, 0) } else { (1, BLOCK) };
        assert_eq!(made.allocations, blocks, "{callbacks} callbacks");
        assert_eq!(made.live, bytes, "{callbacks} callbacks");
        assert_eq!(fired.allocations, 0, "{callbacks} callbacks");
    }
}

#[test]
fn further_callbacks_allocate_at_most_every_other_time() {
    let most = if cfg!(miri) { 20 } else { 1_000 };
    for callbacks in 4..=most {
        let (made, fired) = pending_then_fire(callbacks);
        let further = made.allocations.saturating_sub(1);
        assert!(
            further * 2 <= callbacks - 3 + 1,
            "{callbacks} callbacks take {further} allocations beyond the first"
        );
        assert_eq!(fired.allocations, 0, "{callbacks} callbacks");
        if callbacks == 10 || callbacks == most {
            println!("{callbacks} callbacks: {made:?}");
        }
    }
}

#[test]
fn fired_with_ten_callbacks_allocates_nothing() {
    let (counted, value) = count(|| value_of(with_callbacks(Deferred::succeed(1), 10)));
    assert_eq!(value, Some(56));
    assert_eq!(counted.allocations, 0);
}

#[test]
fn fired_that_returns_fired_allocates_nothing() {
    let (counted, value) =
        count(|| value_of(Deferred::succeed(1).add_callback(|value| Deferred::succeed(value + 1))));
    assert_eq!(value, Some(2));
    assert_eq!(counted.allocations, 0);
}

#[test]
fn fired_that_returns_pending_allocates_that_one_alone() {
    warm_up();
    let (counted, value) = count(|| {
        let (resolver, inner) = Deferred::new();
        let deferred = Deferred::succeed(1).add_callback(move |_: u64| inner);
        resolver.callback(2);
        value_of(deferred)
    });
    assert_eq!(value, Some(2));
    assert_eq!(counted.allocations, if KEEPS { 0 } else { 1 });
}

#[test]
fn fire_then_take_allocates_one_block_and_frees_it() {
    let (made, fired) = pending_then_fire(0);
    assert_eq!(fired.allocations, 0);
    assert_eq!(fired.live, if KEEPS { 0 } else { -BLOCK });
    assert_eq!(made.live, -fired.live);
}

#[test]
fn fire_then_await_by_reference_frees_the_block_before_the_deferred_goes() {
    warm_up();
    let (resolver, mut deferred) = Deferred::new();
    let (counted, value) = count(|| {
        resolver.callback(1_u64);
        (&mut deferred).now_or_never()
    });
    assert_eq!(value.and_then(Result::ok), Some(1));
    assert_eq!(counted.live, if KEEPS { 0 } else { -BLOCK });
}

#[test]
fn thousand_at_a_time_then_a_thread_keeps_a_few_pieces() {
    let (counted, ()) = count(|| have_and_fire(1_000));
    assert_eq!(counted.live, KEPT);
}

#[test]
fn ready_coroutine_allocates_at_most_once_and_needs_no_task() {
    let runtime = Builder::new_current_thread()
        .build()
        .expect("a bare runtime");
    let _entered = runtime.enter();
    let (counted, value) = count(|| {
        value_of(Deferred::from_coroutine(async {
            let mut sum = 0;
            for n in 1..=10 {
                sum += Deferred::succeed(n).await?;
            }
            Ok::<u64, DeferredError>(sum)
        }))
    });
    assert_eq!(value, Some(55));
    assert!(counted.allocations <= 1, "{counted:?}");
    assert_eq!(counted.live, 0);
    assert_eq!(runtime.metrics().num_alive_tasks(), 0);
}

/// The future with what controls it, and, where a task polls it, Tokio's task. A
/// wake allocates nothing.
#[test]
fn waiting_coroutine_is_one_allocation_and_its_task() {
    let runtime = Builder::new_current_thread()
        .build()
        .expect("a bare runtime");
    let ten_times = |inline: bool| {
        let (resolvers, awaited): (Vec<_>, Vec<_>) = (0..10).map(|_| Deferred::new()).unzip();
        let body = async move {
            let mut sum = 0;
            for d in awaited {
                sum += d.await?;
            }
            Ok::<u64, DeferredError>(sum)
        };
        let (made, d) = count(|| {
            if inline {
                Deferred::from_coroutine_inline(body)
            } else {
                Deferred::from_coroutine_on(runtime.handle(), body)
            }
        });
        let mut fired = 0;
        for (n, resolver) in (1..).zip(resolvers) {
            fired += count(|| resolver.callback(n)).0.allocations;
            if !inline {
                runtime.block_on(tokio::task::yield_now());
            }
        }
        assert_eq!(value_of(d), Some(55));
        (made.allocations, fired)
    };
    for inline in [true, false] {
        warm_up();
        // The first time fills what is made once a thread.
        ten_times(inline);
        warm_up();
        let (made, fired) = ten_times(inline);
        let block = if KEEPS { 0 } else { 1 };
        assert_eq!(made, block + if inline { 1 } else { 2 }, "inline: {inline}");
        assert_eq!(fired, 0, "inline: {inline}");
    }
}

/// Awaits each once, when it has no result yet; then `end` has it.
fn polled_once_many_times(end: impl Fn(Deferred<u64>) + Send + 'static) -> i64 {
    const MANY: i64 = if cfg!(miri) { 1_000 } else { 10_000 };
    let (counted, value) = count(|| {
        value_of(Deferred::from_async(async move {
            let (counted, ()) = count(|| {
                for n in 0..MANY {
                    let (resolver, mut d) = Deferred::new();
                    assert!((&mut d).now_or_never().is_none());
                    resolver.callback(n.unsigned_abs());
                    end(d);
                }
            });
            Ok(counted.live.unsigned_abs())
        }))
    });
    assert_eq!(counted.live, 0);
    let kept = value.expect("it has nothing to wait for");
    println!("{MANY} that were polled once left {kept} bytes");
    i64::try_from(kept).expect("few")
}

/// Nothing grows in a coroutine that lives long and awaits a lot.
#[test]
fn awaited_once_then_ended_otherwise_leaves_little_in_the_coroutine() {
    warm_up();
    let most = 32 * (BLOCK + 256);
    let taken = polled_once_many_times(|d| {
        value_of(d);
    });
    assert!(taken < most, "taken by try_result: {taken} bytes");
    let dropped = polled_once_many_times(drop);
    assert!(dropped < most, "dropped: {dropped} bytes");
}

#[test]
fn callback_with_large_captures_allocates_and_frees_them() {
    let large = [1_u64; 512];
    warm_up();
    let (counted, value) = count(|| {
        let (resolver, deferred) = Deferred::new();
        let deferred = deferred.add_callback(move |n: usize| Ok(large[n]));
        resolver.callback(3);
        value_of(deferred)
    });
    assert_eq!(value, Some(1));
    assert!(counted.allocations <= 2, "{counted:?}");
    assert_eq!(counted.live, 0);
}

#[test]
fn failure_then_recovery_frees_all_it_allocates() {
    // The first failure of a thread may fill what is made once a thread.
    for _ in 0..2 {
        fail_then_recover();
    }
    let (counted, ()) = count(fail_then_recover);
    println!("a failure on the way: {counted:?}");
    assert_eq!(counted.live, 0);
}

fn fail_then_recover() {
    let (resolver, deferred) = Deferred::new();
    let deferred = deferred
        .add_callback(|_: u64| Err::<u64, _>(Failure::new("odd")))
        .add_errback(|_| Ok(4));
    resolver.callback(1);
    assert_eq!(value_of(deferred), Some(4));
}

/// What refers to it keeps a Deferred's block, and goes in any order.
#[test]
fn handles_pauses_labels_and_hooks_leave_nothing_behind() {
    fn refer(mut d: Deferred<u64>, fire: impl FnOnce(), turned: bool) -> Option<u64> {
        let handle = d.cancel_handle();
        let other = handle.clone();
        let pause = d.pause();
        d = d.label("a label");
        fire();
        drop(pause);
        if turned {
            drop((handle, other));
            value_of(d)
        } else {
            let value = value_of(d);
            other.cancel();
            drop((other, handle));
            value
        }
    }
    for turned in [false, true] {
        warm_up();
        let (counted, value) = count(|| refer(Deferred::succeed(1), || (), turned));
        assert_eq!((value, counted.live), (Some(1), 0), "a fired one");
        let (counted, value) = count(|| {
            let (mut resolver, d) = Deferred::new();
            resolver.on_cancel(|| ());
            refer(d, || resolver.callback(2), turned)
        });
        assert_eq!((value, counted.live), (Some(2), 0), "a pending one");
        let (counted, ()) = count(|| {
            let (mut resolver, mut d) = Deferred::<u64>::new();
            resolver.on_cancel(|| ());
            let handle = d.cancel_handle();
            drop(d);
            if turned {
                drop(handle);
                assert_eq!(resolver.try_callback(3), Err(3));
            } else {
                resolver.callback(3);
                drop(handle);
            }
        });
        assert_eq!(counted.live, 0, "one that nobody sees");
    }
}

#[test]
fn subscribers_that_are_dropped_leave_nothing_behind() {
    const MANY: i64 = if cfg!(miri) { 1_000 } else { 10_000 };
    let (_resolver, d) = Deferred::<u64>::new();
    let shared = d.share();
    drop(shared.subscribe());
    let (count, ()) = count(|| (0..MANY).for_each(|_| drop(shared.subscribe())));
    assert!(count.live < MANY, "{count:?}");
}

/// The timers are taken out where they are: no task, no timer, no memory.
#[test]
fn timeouts_that_do_not_expire_leave_nothing_behind() {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let timed = |n: u64| {
        let (resolver, d) = Deferred::new();
        let d = d.add_timeout(std::time::Duration::from_secs(3600));
        resolver.callback(n);
        assert_eq!(value_of(d), Some(n));
    };
    (0..100).for_each(timed);
    let turns = if cfg!(miri) {
        100
    } else if cfg!(debug_assertions) {
        20_000
    } else {
        1_000_000
    };
    let (count, ()) = count(|| (0..turns).for_each(timed));
    println!(
        "{turns} timeouts that did not expire left {} bytes",
        count.live
    );
    assert!(count.live < 10_000, "{count:?}");
}
