//! What lives long and is used a lot keeps nothing of what is over.

use test_support::counting::{Counting, count};
use tokio_deferred::{
    Deferred, DeferredQueue, DeferredSet, Event, ResolverMap, map_with_concurrency, testing,
};

#[global_allocator]
static COUNTING: Counting = Counting;

const TURNS: usize = if cfg!(miri) { 50 } else { 10_000 };

/// Does `turn` often, and checks that no more is kept than after the first
/// hundred.
fn keeps_nothing(name: &str, mut turn: impl FnMut(usize)) {
    (0..100).for_each(&mut turn);
    let (counted, ()) = count(|| (0..TURNS).for_each(&mut turn));
    println!("{name}: {} bytes more after {TURNS} turns", counted.live);
    assert!(counted.live < 1_024, "{name} keeps {} bytes", counted.live);
}

#[test]
fn a_share_whose_subscribers_come_and_go() {
    let (_resolver, d) = Deferred::<usize>::new();
    let shared = d.share();
    let _stays = shared.subscribe().map(|n| n);
    keeps_nothing("cancelled subscribers", |_| {
        let d = shared.subscribe();
        d.cancel();
        drop(testing::failure_of(d));
    });
    keeps_nothing("dropped subscribers", |_| drop(shared.subscribe()));
    let fired = Deferred::succeed("text".to_owned()).share();
    keeps_nothing("late subscribers", |_| {
        testing::success_of(fired.subscribe());
    });
}

#[test]
fn an_event_whose_waits_come_and_go() {
    let event = Event::<usize>::new();
    let _stays = Event::wait(&event).map(|n| n);
    keeps_nothing("cancelled waits", |_| {
        let d = event.wait();
        d.cancel();
        drop(testing::failure_of(d));
    });
    keeps_nothing("dropped waits", |_| drop(event.wait()));
    let event = Event::new();
    keeps_nothing("told waits", |n| {
        let d = event.wait();
        assert_eq!(event.notify_all(n), 1);
        testing::success_of(d);
    });
}

#[test]
fn a_map_whose_keys_come_and_go() {
    let replies = ResolverMap::new();
    let _stays = replies.insert(usize::MAX).map(|n: usize| n);
    keeps_nothing("answered keys", |n| {
        let d = replies.insert(n);
        assert!(replies.callback(&n, n));
        testing::success_of(d);
    });
    keeps_nothing("dropped keys", |n| drop(replies.insert(n)));
    keeps_nothing("cancelled keys", |n| {
        let d = replies.insert(n);
        d.cancel();
        drop(testing::failure_of(d));
    });
    assert_eq!(replies.len(), 1);
}

#[test]
fn a_set_whose_members_come_and_go() {
    let (_resolver, stays) = Deferred::new();
    let mut set = DeferredSet::from_iter([stays]);
    keeps_nothing("members", |n| {
        let (resolver, d) = Deferred::new();
        set.insert(d);
        resolver.callback(n);
        assert_eq!(set.try_next().unwrap().unwrap(), n);
    });
    let mut set = DeferredSet::new();
    keeps_nothing("detached members", |n| {
        let (resolver, d) = Deferred::new();
        set.insert(d);
        set.detach_all();
        resolver.callback(n);
    });
}

#[test]
fn a_queue_whose_gets_come_and_go() {
    let queue = DeferredQueue::<usize>::new();
    let _stays = queue.get().map(|n| n);
    keeps_nothing("dropped gets", |_| drop(queue.get()));
}

/// A list that fired keeps at most a word for each child that is pending.
#[test]
fn a_list_that_fired_keeps_nothing_for_its_children() {
    const CHILDREN: i64 = 1_000;
    // What a child costs by itself, with an end that keeps two words.
    let alone = || {
        let (resolver, d) = Deferred::<[u64; 16]>::new();
        let kept = (std::sync::Arc::new(()), 1_usize);
        d.map(move |_| drop(kept)).log_errors();
        resolver
    };
    let (by_itself, resolvers) = count(|| (0..CHILDREN).map(|_| alone()).collect::<Vec<_>>());
    drop(resolvers);
    let (counted, resolvers) = count(|| {
        let (mut resolvers, children): (Vec<_>, Vec<_>) =
            (0..CHILDREN).map(|_| Deferred::<[u64; 16]>::new()).unzip();
        let first = tokio_deferred::DeferredList::new(children).fire_on_one_callback();
        resolvers.pop().unwrap().callback([0; 16]);
        testing::success_of(first);
        resolvers
    });
    println!("{} bytes, {} by itself", counted.live, by_itself.live);
    assert!(counted.live <= by_itself.live + 8 * CHILDREN);
    for resolver in resolvers {
        resolver.callback([0; 16]);
    }
}

/// Items that were passed by long ago leave their results, and no more.
#[test]
fn a_bounded_map_keeps_its_results_only() {
    let (counted, all) = count(|| {
        let map = map_with_concurrency(0..TURNS, 1, |n| {
            let (resolver, d) = Deferred::new();
            resolver.callback(n);
            d
        });
        testing::success_of(map.gather())
    });
    assert_eq!(all.len(), TURNS);
    assert!(counted.live <= (TURNS * 64) as i64, "{}", counted.live);
}
