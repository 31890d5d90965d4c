//! What a group does not take goes back to where it came from.

use tokio_deferred::{
    Deferred, DeferredList, DeferredQueue, gather_results, join, map_with_concurrency, race,
    testing,
};

fn queue_of(items: impl IntoIterator<Item = u32>) -> DeferredQueue<u32> {
    let queue = DeferredQueue::new();
    for item in items {
        queue.put(item).unwrap();
    }
    queue
}

/// What is in the queue, taken out.
fn rest(queue: &DeferredQueue<u32>) -> Vec<u32> {
    let items = (0..queue.len()).map(|_| testing::success_of(queue.get()));
    items.collect()
}

#[test]
fn race_of_ready_gets_then_the_losers_items_are_in_their_queues() {
    let (first, second) = (queue_of([1]), queue_of([2]));
    let won = race([first.get(), second.get()]);
    assert_eq!(testing::success_of(won), (0, 1));
    assert_eq!((rest(&first), rest(&second)), (vec![], vec![2]));
}

#[test]
fn race_of_pending_gets_then_one_item_is_taken() {
    let (first, second) = (queue_of([]), queue_of([]));
    let won = race([first.get(), second.get()]);
    second.put(2).unwrap();
    first.put(1).unwrap();
    assert_eq!(testing::success_of(won), (1, 2));
    assert_eq!((rest(&first), rest(&second)), (vec![1], vec![]));
}

#[test]
fn ready_gets_then_the_list_fails() {
    let queue = queue_of([1]);
    let failed = gather_results([queue.get(), Deferred::fail("out")]);
    drop(testing::failure_of(failed));
    assert_eq!(rest(&queue), [1]);
}

#[test]
fn the_list_fails_then_an_item_comes() {
    let (taken, waited_for) = (queue_of([1]), queue_of([]));
    let (resolver, child) = Deferred::new();
    let failed = gather_results([taken.get(), waited_for.get(), child]);
    resolver.errback("out");
    drop(testing::failure_of(failed));
    assert_eq!(rest(&taken), [1]);
    waited_for.put(2).unwrap();
    assert_eq!(rest(&waited_for), [2]);
}

#[test]
fn first_callback_then_another_item_comes() {
    let queue = queue_of([]);
    let first = DeferredList::new([queue.get(), queue.get()]).fire_on_one_callback();
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    assert_eq!(testing::success_of(first), (0, 1));
    assert_eq!(rest(&queue), [2]);
}

#[test]
fn join_fails_then_the_items_of_both_types_go_home() {
    let (numbers, texts) = (queue_of([1]), DeferredQueue::new());
    texts.put("text").unwrap();
    let failed = join((numbers.get(), texts.get(), Deferred::<()>::fail("out")));
    drop(testing::failure_of(failed));
    assert_eq!(rest(&numbers), [1]);
    assert_eq!(testing::success_of(texts.get()), "text");
}

#[test]
fn dropped_before_the_items_come() {
    let queue = queue_of([]);
    drop(gather_results([queue.get(), queue.get()]));
    drop(race([queue.get()]));
    drop(join((queue.get(), Deferred::succeed(()))));
    (1..=4).for_each(|n| queue.put(n).unwrap());
    let mut back = rest(&queue);
    back.sort();
    assert_eq!(back, [1, 2, 3, 4]);
}

#[test]
fn dropped_with_the_items() {
    let queue = queue_of([1, 2, 3]);
    drop(gather_results([queue.get(), queue.get()]));
    drop(race([queue.get()]));
    drop(join((queue.get(), Deferred::succeed(()))));
    drop(DeferredList::new([queue.get()]).into_deferred());
    let mut back = rest(&queue);
    back.sort();
    assert_eq!(back, [1, 2, 3]);
}

#[test]
fn groups_in_groups_dropped_with_the_items() {
    let queue = queue_of([1, 2, 3]);
    let rows = [
        gather_results([queue.get(), queue.get()]),
        gather_results([queue.get()]),
    ];
    drop(race(rows));
    let mut back = rest(&queue);
    back.sort();
    assert_eq!(back, [1, 2, 3]);
}

#[test]
fn a_stage_took_the_items() {
    let queue = queue_of([1, 2]);
    // Each is the user's from the first stage on.
    drop(gather_results([queue.get()]).map(|items| items[0]));
    drop(race([queue.get().map(|n| n + 1)]));
    assert_eq!(rest(&queue), [0; 0]);
}

#[test]
fn awaited_then_nothing_goes_back() {
    let queue = queue_of([1, 2]);
    let all = futures::executor::block_on(gather_results([queue.get(), queue.get()]));
    assert_eq!(all.unwrap(), [1, 2]);
    assert!(queue.is_empty());
}

#[test]
fn cancelled_race_then_an_item_comes() {
    let queue = queue_of([]);
    let won = race([queue.get(), queue.get()]);
    won.cancel();
    assert!(testing::failure_of(won).is_cancelled());
    queue.put(1).unwrap();
    assert_eq!(rest(&queue), [1]);
}

#[test]
fn bounded_map_fails_then_the_items_of_its_gets_go_home() {
    let queue = queue_of([1]);
    let gets = queue.clone();
    let map = map_with_concurrency(0..3, 3, move |n| match n {
        2 => Deferred::fail("out"),
        _ => gets.get(),
    });
    drop(testing::failure_of(map.gather()));
    assert_eq!(rest(&queue), [1]);
    queue.put(2).unwrap();
    assert_eq!(rest(&queue), [2]);
}

#[test]
fn the_queue_is_gone_then_the_items_are_dropped() {
    let queue = queue_of([1]);
    let all = gather_results([queue.get(), Deferred::new().1]);
    drop(queue);
    drop(testing::failure_of(all));
}
