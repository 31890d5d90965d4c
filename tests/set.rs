//! Sets: the order of the ends, cancels, drops, and what goes home.

use futures::StreamExt;
use futures::executor::block_on;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use test_support::Log;
use tokio_deferred::{Deferred, DeferredQueue, DeferredSet, Resolver, testing};

fn pending(n: usize) -> (Vec<Resolver<usize>>, DeferredSet<usize>) {
    let (resolvers, children): (Vec<_>, Vec<_>) = (0..n).map(|_| Deferred::new()).unzip();
    (resolvers, children.into_iter().collect())
}

#[test]
fn results_come_in_the_order_of_the_ends() {
    let (resolvers, mut set) = pending(3);
    set.insert(Deferred::succeed(9));
    for (n, resolver) in resolvers.into_iter().enumerate().rev() {
        resolver.callback(n);
    }
    assert_eq!(set.len(), 4);
    let ends: Vec<_> = std::iter::from_fn(|| set.try_next()).collect();
    let ends: Vec<_> = ends.into_iter().map(Result::unwrap).collect();
    assert_eq!(ends, [9, 2, 1, 0]);
    assert!(set.is_empty());
}

#[test]
fn next_of_none_is_none_and_the_set_goes_on() {
    let mut set = DeferredSet::new();
    assert!(block_on(set.next()).is_none());
    set.insert(Deferred::succeed(1));
    assert_eq!(block_on(set.next()).unwrap().unwrap(), 1);
    assert!(block_on(set.next()).is_none());
}

#[test]
fn polled_then_fired_from_another_thread_then_woken() {
    let (mut resolvers, mut set) = pending(1);
    let resolver = resolvers.remove(0);
    let firing = std::thread::spawn(move || resolver.callback(7));
    assert_eq!(block_on(set.next()).unwrap().unwrap(), 7);
    firing.join().unwrap();
}

#[test]
fn next_is_dropped_then_no_result_is_lost() {
    let (mut resolvers, mut set) = pending(2);
    let mut cx = Context::from_waker(Waker::noop());
    {
        let mut next = std::pin::pin!(set.next());
        assert!(next.as_mut().poll(&mut cx).is_pending());
        resolvers.remove(1).callback(1);
    }
    assert_eq!(set.try_next().unwrap().unwrap(), 1);
    resolvers.remove(0).callback(0);
    let mut next = std::pin::pin!(set.next());
    assert!(matches!(
        next.as_mut().poll(&mut cx),
        Poll::Ready(Some(Ok(0)))
    ));
}

#[test]
fn as_a_stream() {
    let (resolvers, mut set) = pending(3);
    for (n, resolver) in resolvers.into_iter().enumerate() {
        resolver.callback(n);
    }
    let sum =
        block_on(StreamExt::by_ref(&mut set).fold(0, |sum, n| async move { sum + n.unwrap() }));
    assert_eq!(sum, 3);
}

#[test]
fn cancel_all_in_order_then_the_failures_are_members() {
    let log = Log::default();
    let mut set = DeferredSet::new();
    let mut resolvers = Vec::new();
    for name in ["a", "b", "c"] {
        let log = log.clone();
        let (resolver, d) = Deferred::<()>::with_canceller(move || {
            log.add(name);
            None
        });
        set.insert(d);
        resolvers.push(resolver);
    }
    set.cancel_all_with("enough");
    assert_eq!(log.all(), ["a", "b", "c"]);
    assert_eq!(set.len(), 3);
    while let Some(result) = set.try_next() {
        let error = result.unwrap_err();
        assert!(error.is_cancelled());
    }
    assert!(set.is_empty());
}

#[test]
fn drop_cancels_in_order_and_reports_nothing() {
    let log = Log::default();
    let mut set = DeferredSet::new();
    let mut resolvers = Vec::new();
    for name in ["a", "b"] {
        let log = log.clone();
        let (resolver, d) = Deferred::<()>::with_canceller(move || {
            log.add(name);
            None
        });
        resolvers.push(resolver);
        set.insert(d);
    }
    let reports = testing::capture_unhandled(|| {
        drop(set);
        for resolver in resolvers {
            resolver.errback("too late");
        }
    });
    assert_eq!(log.all(), ["a", "b"]);
    assert!(reports.is_empty(), "{reports:?}");
}

#[test]
fn drop_reports_a_failure_that_nobody_took() {
    let reports = testing::capture_unhandled(|| {
        let mut set = DeferredSet::<()>::new();
        set.insert(Deferred::fail("lost"));
        set.insert(Deferred::succeed(()));
    });
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].failure().to_string(), "lost");
}

#[test]
fn detach_all_then_members_go_on_and_failures_are_reported() {
    let (resolvers, mut set) = pending(2);
    set.insert(Deferred::succeed(1));
    set.detach_all();
    assert!(set.is_empty());
    set.insert(Deferred::succeed(2));
    let reports = testing::capture_unhandled(|| {
        let mut resolvers = resolvers.into_iter();
        resolvers.next().unwrap().callback(5);
        resolvers.next().unwrap().errback("late");
    });
    assert_eq!(reports.len(), 1);
    assert_eq!(set.len(), 1);
    assert_eq!(set.try_next().unwrap().unwrap(), 2);
}

#[test]
fn items_that_nobody_took_go_home() {
    let queue = DeferredQueue::new();
    (1..=4).for_each(|n| queue.put(n).unwrap());
    let mut set = DeferredSet::new();
    set.extend((0..4).map(|_| queue.get()));
    set.insert(queue.get());
    assert_eq!(set.try_next().unwrap().unwrap(), 1);
    drop(set);
    let rest: Vec<_> = (0..queue.len())
        .map(|_| testing::success_of(queue.get()))
        .collect();
    assert_eq!(rest, [2, 3, 4]);
    // The cancelled get takes nothing.
    queue.put(5).unwrap();
    assert_eq!(testing::success_of(queue.get()), 5);
}

#[test]
fn a_detached_get_then_its_item_goes_home() {
    let queue = DeferredQueue::new();
    let mut set = DeferredSet::from_iter([queue.get()]);
    set.detach_all();
    queue.put(1).unwrap();
    assert_eq!(testing::success_of(queue.get()), 1);
}

#[test]
fn a_member_that_is_dropped_with_the_set_inside_its_own_callback() {
    let slot = Arc::new(std::sync::Mutex::new(None));
    let own = slot.clone();
    let (resolver, d) = Deferred::<()>::new();
    let (other, e) = Deferred::<()>::new();
    let d = d.map(move |()| drop(own.lock().unwrap().take()));
    *slot.lock().unwrap() = Some(DeferredSet::from_iter([d, e]));
    resolver.callback(());
    assert!(other.is_cancelled());
}

#[test]
fn a_canceller_adds_to_another_set() {
    let other = Arc::new(std::sync::Mutex::new(DeferredSet::new()));
    let kept = other.clone();
    let (_resolver, d) = Deferred::<i32>::with_canceller(move || {
        kept.lock().unwrap().insert(Deferred::succeed(1));
        Some(Ok(2))
    });
    let mut set = DeferredSet::from_iter([d]);
    set.cancel_all();
    assert_eq!(set.try_next().unwrap().unwrap(), 2);
    assert_eq!(other.lock().unwrap().try_next().unwrap().unwrap(), 1);
}

#[tokio::test]
async fn fired_from_many_threads() {
    let (resolvers, mut set) = pending(200);
    let chunks = resolvers.into_iter().enumerate();
    for (n, resolver) in chunks {
        std::thread::spawn(move || resolver.callback(n));
    }
    let mut seen = Vec::new();
    while let Some(result) = set.next().await {
        seen.push(result.unwrap());
    }
    seen.sort();
    assert_eq!(seen, (0..200).collect::<Vec<_>>());
}
