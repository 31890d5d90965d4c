//! The queue: order, limits, and that no item is ever lost.

use futures::stream::FusedStream;
use futures::{FutureExt, StreamExt};
use std::collections::VecDeque;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use test_support::Random;
use tokio_deferred::{
    Deferred, DeferredQueue, Failure, QueueClosed, QueueOverflow, QueueUnderflow, testing,
};

#[test]
fn put_then_get_keeps_the_order() {
    let queue = DeferredQueue::new();
    for n in 0..3 {
        queue.put(n).unwrap();
    }
    assert_eq!(queue.len(), 3);
    let got: Vec<i32> = (0..3).map(|_| testing::success_of(queue.get())).collect();
    assert_eq!(got, [0, 1, 2]);
    assert!(queue.is_empty());
}

#[test]
fn get_then_put_serves_in_the_order_of_the_gets_inside_the_put() {
    let queue = DeferredQueue::new();
    let log = Arc::new(Mutex::new(Vec::new()));
    for consumer in 0..3 {
        let log = log.clone();
        queue
            .get()
            .map(move |item| log.lock().unwrap().push((consumer, item)))
            .detach();
    }
    assert_eq!(queue.waiting(), 3);
    for item in ["a", "b", "c"] {
        queue.put(item).unwrap();
    }
    assert_eq!(*log.lock().unwrap(), [(0, "a"), (1, "b"), (2, "c")]);
}

#[test]
fn put_past_the_size_gives_the_item_back() {
    let queue = DeferredQueue::with_limits(Some(1), None);
    queue.put(String::from("kept")).unwrap();
    let QueueOverflow(refused) = queue.put(String::from("refused")).unwrap_err();
    assert_eq!(refused, "refused");
    assert_eq!(testing::success_of(queue.get()), "kept");
    queue.put(refused).unwrap();
}

#[test]
fn put_with_size_zero_needs_a_get_that_waits() {
    let queue = DeferredQueue::with_limits(Some(0), None);
    assert!(queue.put(1).is_err());
    let waits = queue.get();
    queue.put(2).unwrap();
    assert_eq!(testing::success_of(waits), 2);
}

#[test]
fn get_past_the_backlog_fails_and_counts_none_that_is_gone() {
    let queue = DeferredQueue::<i32>::with_limits(None, Some(2));
    let (first, second) = (queue.get(), queue.get());
    assert!(testing::failure_of(queue.get()).is::<QueueUnderflow>());
    first.cancel();
    assert!(testing::failure_of(first).is_cancelled());
    let third = queue.get();
    assert!(testing::failure_of(queue.get()).is::<QueueUnderflow>());
    drop(second);
    let fourth = queue.get();
    queue.put(3).unwrap();
    queue.put(4).unwrap();
    assert_eq!(
        (testing::success_of(third), testing::success_of(fourth)),
        (3, 4)
    );
}

#[test]
fn drop_of_a_waiting_get_then_put_passes_it_over_without_a_report() {
    let queue = DeferredQueue::new();
    let dropped = queue.get();
    let next = queue.get();
    let reports = testing::capture_unhandled(|| drop(dropped));
    assert!(reports.is_empty(), "{reports:?}");
    queue.put(1).unwrap();
    assert_eq!(testing::success_of(next), 1);
}

#[test]
fn drop_of_a_waiting_get_with_a_callback_still_consumes() {
    let queue = DeferredQueue::new();
    let (tx, rx) = mpsc::channel();
    drop(queue.get().map(move |item| tx.send(item).unwrap()));
    queue.put(1).unwrap();
    assert_eq!(rx.try_recv(), Ok(1));
}

#[test]
fn deliver_then_drop_puts_the_item_back_to_the_front_past_the_size() {
    let queue = DeferredQueue::with_limits(Some(2), None);
    let fired = queue.get();
    for n in [1, 2, 3] {
        queue.put(n).unwrap();
    }
    assert!(fired.is_fired());
    drop(fired);
    assert_eq!(queue.len(), 3);
    let got: Vec<i32> = (0..3).map(|_| testing::success_of(queue.get())).collect();
    assert_eq!(got, [1, 2, 3]);
}

#[test]
fn get_of_a_kept_item_then_drop_puts_it_back() {
    let queue = DeferredQueue::new();
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    drop(queue.get());
    drop(queue.get().cancel_on_drop());
    assert_eq!(testing::success_of(queue.get()), 1);
}

#[test]
fn deliver_then_drop_serves_the_get_that_waits() {
    let queue = DeferredQueue::new();
    let fired = queue.get();
    let waits = queue.get();
    queue.put(1).unwrap();
    drop(fired);
    assert_eq!(testing::success_of(waits), 1);
    assert!(queue.is_empty());
}

#[test]
fn deliver_to_a_paused_get_then_drop_then_unpause_puts_it_back() {
    let queue = DeferredQueue::new();
    let mut get = queue.get();
    let pause = get.pause();
    queue.put(1).unwrap();
    drop(get);
    assert!(queue.is_empty());
    drop(pause);
    assert_eq!(testing::success_of(queue.get()), 1);
}

#[test]
fn value_of_a_stage_never_goes_into_the_queue() {
    let queue = DeferredQueue::new();
    queue.put(1).unwrap();
    drop(queue.get().map(|n| n + 1));
    // It waits, is delivered, and has handles, so that its chain is kept.
    let mut get = queue.get();
    let handle = get.cancel_handle();
    queue.put(5).unwrap();
    let get = get.map(|n| n + 1);
    drop(get);
    drop(handle);
    assert!(queue.is_empty());
}

#[test]
fn get_taken_by_hand_or_returned_by_a_stage_is_consumed() {
    let queue = DeferredQueue::new();
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    assert_eq!(queue.get().try_result().unwrap().unwrap(), 1);
    let inner = queue.clone();
    let d = Deferred::succeed(()).add_callback(move |()| inner.get());
    assert_eq!(testing::success_of(d), 2);
    let (resolver, d) = Deferred::new();
    let inner = queue.clone();
    let d = d.add_callback(move |()| inner.get()).map(|n| n * 2);
    resolver.callback(());
    queue.put(3).unwrap();
    assert_eq!(testing::success_of(d), 6);
    assert!(queue.is_empty());
}

#[test]
fn cancel_reaches_a_get_that_a_stage_returned() {
    let queue = DeferredQueue::<i32>::new();
    let inner = queue.clone();
    let d = Deferred::succeed(()).add_callback(move |()| inner.get());
    d.cancel();
    assert!(testing::failure_of(d).is_cancelled());
    assert_eq!(queue.waiting(), 0);
}

#[test]
fn drop_of_the_queue_fails_the_gets_that_wait() {
    let queue = DeferredQueue::<i32>::new();
    let get = queue.get();
    drop(queue);
    assert!(testing::failure_of(get).is_resolver_dropped());
}

#[test]
fn drop_of_the_queue_drops_an_item_that_comes_back_later() {
    let item = Arc::new(());
    let queue = DeferredQueue::new();
    queue.put(item.clone()).unwrap();
    let get = queue.get();
    drop(queue);
    drop(get);
    assert_eq!(Arc::strong_count(&item), 1);
}

#[test]
fn callback_that_uses_its_queue_does_not_deadlock() {
    let queue = DeferredQueue::new();
    let again = queue.clone();
    let d = queue.get().add_callback(move |n: i32| {
        again.put(n + 1).unwrap();
        drop(again.get());
        again.get().map(move |m| (n, m))
    });
    queue.put(1).unwrap();
    assert_eq!(testing::success_of(d), (1, 2));
}

#[test]
fn hundred_thousand_dropped_gets_do_not_recurse() {
    let queue = DeferredQueue::new();
    let mut gets: Vec<_> = (0..if cfg!(miri) { 500 } else { 100_000 })
        .map(|_| queue.get())
        .collect();
    let handles: Vec<_> = gets.iter_mut().map(Deferred::cancel_handle).collect();
    drop(gets);
    assert_eq!(queue.waiting(), 0);
    queue.put(1).unwrap();
    assert_eq!(queue.len(), 1);
    drop(handles);
}

#[tokio::test]
async fn await_that_is_given_up_loses_no_item() {
    let queue = DeferredQueue::new();
    for n in 0..100 {
        let waiting = queue.clone();
        let task = tokio::spawn(async move { waiting.get().await });
        tokio::task::yield_now().await;
        // It has the item, and is dropped before it is polled again.
        queue.put(n).unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(queue.get().await.unwrap(), n);
    }
    assert!(queue.is_empty());
}

/// Two threads: one puts, one drops or cancels the get, at the same moment.
/// The item comes out, once, whoever is first.
fn race(give_up: fn(Deferred<u32>)) {
    let queue = DeferredQueue::new();
    let barrier = std::sync::Barrier::new(2);
    let (gets, to_drop) = mpsc::sync_channel(0);
    std::thread::scope(|scope| {
        let (barrier, queue) = (&barrier, &queue);
        scope.spawn(move || {
            for get in to_drop {
                barrier.wait();
                give_up(get);
                barrier.wait();
            }
        });
        for n in 0..if cfg!(miri) { 20 } else { 10_000 } {
            gets.send(queue.get()).unwrap();
            barrier.wait();
            queue.put(n).unwrap();
            barrier.wait();
            assert_eq!(queue.len(), 1, "item {n} was lost");
            assert_eq!(testing::success_of(queue.get()), n);
            assert_eq!(queue.waiting(), 0);
        }
        drop(gets);
    });
}

#[test]
fn put_while_another_thread_drops_the_get() {
    race(drop);
}

#[test]
fn put_while_another_thread_cancels_the_get_and_drops_it() {
    race(|get| drop(get.cancel_on_drop()));
}

#[test]
fn items_of_several_producers_reach_several_consumers_once_each() {
    const PRODUCERS: u64 = 2;
    const EACH: u64 = if cfg!(miri) { 50 } else { 25_000 };
    let queue = DeferredQueue::with_limits(Some(64), None);
    let got = Arc::new(Mutex::new(Vec::new()));
    let produced = std::sync::atomic::AtomicU64::new(PRODUCERS);
    std::thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let (queue, produced) = (&queue, &produced);
            scope.spawn(move || {
                for n in 0..EACH {
                    let mut item = producer * EACH + n;
                    while let Err(QueueOverflow(refused)) = queue.put(item) {
                        item = refused;
                        std::thread::yield_now();
                    }
                }
                produced.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
            });
        }
        for consumer in 0..2 {
            let (queue, got, produced) = (&queue, &got, &produced);
            scope.spawn(move || {
                let mut random = Random::seeded(consumer);
                let mut waiting: VecDeque<Deferred<u64>> = VecDeque::new();
                // Until all was put, then until what is left was fetched.
                loop {
                    let all_put = produced.load(std::sync::atomic::Ordering::SeqCst) == 0;
                    if all_put && queue.is_empty() {
                        break;
                    }
                    if queue.waiting() > 100 {
                        std::thread::yield_now();
                        continue;
                    }
                    match random.below(6) {
                        0 => drop(queue.get()),
                        1 => waiting.push_back(queue.get()),
                        2 => drop(waiting.pop_front()),
                        3 => {
                            if let Some(get) = waiting.pop_back() {
                                get.cancel();
                                consume(get, got);
                            }
                        }
                        _ => consume(queue.get(), got),
                    }
                    if waiting.len() > 4 {
                        drop(waiting.pop_front());
                    }
                }
                // What they have goes back.
                drop(waiting);
            });
        }
    });
    while !queue.is_empty() {
        got.lock().unwrap().push(testing::success_of(queue.get()));
    }
    // A get of before that waits takes nothing any more.
    let mut got = std::mem::take(&mut *got.lock().unwrap());
    got.sort_unstable();
    assert_eq!(got, (0..PRODUCERS * EACH).collect::<Vec<_>>());
}

/// Logs the item when it comes; a cancel is no item.
fn consume(get: Deferred<u64>, got: &Arc<Mutex<Vec<u64>>>) {
    let got = got.clone();
    drop(get.add_callbacks(
        move |item| got.lock().unwrap().push(item),
        |failure: Failure| assert!(failure.is_cancelled() || failure.is_resolver_dropped()),
    ));
}

#[test]
fn get_awaited_in_place_then_paused_and_dropped_gives_nothing_back() {
    let queue = DeferredQueue::new();
    queue.put("item".to_owned()).unwrap();
    let mut d = queue.get();
    let handle = d.cancel_handle();
    assert_eq!(futures::executor::block_on(&mut d).unwrap(), "item");
    let pause = d.pause();
    drop(d);
    drop(pause);
    assert!(queue.is_empty());
    drop(handle);
}

/// Puts 0 to 4 into a queue and delivers the first four to gets.
fn delivered(at_once: bool) -> (DeferredQueue<i32>, Vec<Option<Deferred<i32>>>) {
    let queue = DeferredQueue::new();
    let put = |queue: &DeferredQueue<i32>| (0..5).for_each(|n| queue.put(n).unwrap());
    if at_once {
        put(&queue);
    }
    let gets = (0..4).map(|_| Some(queue.get())).collect();
    if !at_once {
        put(&queue);
    }
    (queue, gets)
}

fn drain(queue: &DeferredQueue<i32>) -> Vec<i32> {
    std::iter::from_fn(|| (!queue.is_empty()).then(|| testing::success_of(queue.get()))).collect()
}

#[test]
fn drop_of_delivered_gets_in_any_order_puts_the_items_back_in_their_order() {
    let orders: [[usize; 4]; 4] = [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2]];
    for at_once in [true, false] {
        for order in orders {
            let (queue, mut gets) = delivered(at_once);
            for index in order {
                drop(gets[index].take());
            }
            assert_eq!(drain(&queue), [0, 1, 2, 3, 4], "dropped as {order:?}");
        }
    }
}

#[test]
fn drop_then_get_then_drop_keeps_the_order() {
    let (queue, mut gets) = delivered(true);
    drop(gets[2].take());
    // The item is delivered a second time, and comes back once more.
    let again = queue.get();
    drop(gets[0].take());
    drop(again);
    drop(gets[1].take());
    assert_eq!(drain(&queue), [0, 1, 2, 4]);
    assert_eq!(testing::success_of(gets[3].take().unwrap()), 3);
}

#[test]
fn refused_item_that_no_get_takes_stands_before_what_was_put_meanwhile() {
    let queue = DeferredQueue::new();
    let (first, second) = (queue.get(), queue.get());
    queue.put(0).unwrap();
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    drop(second);
    let waits_for_one = queue.get();
    assert_eq!(testing::success_of(waits_for_one), 1);
    drop(first);
    assert_eq!(drain(&queue), [0, 2]);
}

#[test]
fn close_fails_the_gets_that_wait_in_their_order_and_gives_the_items_back() {
    let queue = DeferredQueue::<i32>::new();
    let log = Arc::new(Mutex::new(Vec::new()));
    for who in 0..3 {
        let log = log.clone();
        let get = queue.get().add_errback(move |failure| {
            assert!(failure.is::<QueueClosed>(), "{failure:?}");
            log.lock().unwrap().push(who);
            Ok(0)
        });
        get.detach();
    }
    queue.close();
    queue.close();
    assert_eq!(*log.lock().unwrap(), [0, 1, 2]);
    assert!(queue.is_closed());
    assert_eq!(queue.put(7).unwrap_err().into_inner(), 7);
    assert!(testing::failure_of(queue.get()).is::<QueueClosed>());
}

#[test]
fn close_keeps_what_is_there_and_takes_back_what_is_on_its_way() {
    let queue = DeferredQueue::new();
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    let on_its_way = queue.get();
    queue.close();
    drop(on_its_way);
    assert_eq!(drain(&queue), [1, 2]);
    assert!(testing::failure_of(queue.get()).is::<QueueClosed>());
}

#[test]
fn close_inside_a_callback_of_a_get_ends_the_others() {
    let queue = DeferredQueue::new();
    let closing = queue.clone();
    let first = queue.get().map(move |n: i32| {
        closing.close();
        n
    });
    let second = queue.get();
    queue.put(1).unwrap();
    assert_eq!(testing::success_of(first), 1);
    assert!(testing::failure_of(second).is::<QueueClosed>());
}

#[tokio::test]
async fn stream_gives_what_is_put_until_the_last_handle_goes() {
    let queue = DeferredQueue::new();
    queue.put(0).unwrap();
    let items = tokio::spawn(queue.clone().into_stream().collect::<Vec<i32>>());
    tokio::task::yield_now().await;
    assert_eq!(queue.waiting(), 1, "the stream has its place");
    for n in 1..100 {
        queue.put(n).unwrap();
    }
    drop(queue);
    assert_eq!(items.await.unwrap(), (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn stream_of_a_closed_queue_gives_the_rest_and_is_terminated() {
    let queue = DeferredQueue::with_limits(None, Some(0));
    queue.put(1).unwrap();
    let mut items = queue.clone().into_stream();
    assert_eq!(items.next().await, Some(1));
    // It waits, although the backlog lets no get wait.
    assert!(items.next().now_or_never().is_none());
    queue.put(2).unwrap();
    queue.put(3).unwrap();
    queue.close();
    assert_eq!(items.next().await, Some(2));
    assert!(!items.is_terminated());
    assert_eq!(items.next().await, Some(3));
    assert_eq!(items.next().await, None);
    assert!(items.is_terminated());
    assert_eq!(items.next().await, None);
}

#[tokio::test]
async fn drop_of_a_stream_with_an_item_on_its_way_gives_it_back() {
    let queue = DeferredQueue::new();
    let mut items = queue.clone().into_stream();
    assert!(items.next().now_or_never().is_none());
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    drop(items);
    assert_eq!(queue.waiting(), 0);
    assert_eq!(drain(&queue), [1, 2]);
}

#[tokio::test]
async fn streams_and_gets_share_the_items() {
    let queue = DeferredQueue::new();
    let (mut one, mut two) = (queue.clone().into_stream(), queue.clone().into_stream());
    assert!(one.next().now_or_never().is_none());
    let get = queue.get();
    assert!(two.next().now_or_never().is_none());
    for n in 0..4 {
        queue.put(n).unwrap();
    }
    assert_eq!(two.next().await, Some(2));
    assert_eq!(get.await.unwrap(), 1);
    assert_eq!(one.next().await, Some(0));
    assert_eq!(one.next().await, Some(3));
}

#[tokio::test]
async fn loop_over_a_stream_that_is_always_ready_lets_other_tasks_run() {
    const MANY: usize = 100_000;
    let queue = DeferredQueue::new();
    queue.put(()).unwrap();
    let mut items = queue.clone().into_stream();
    let closing = queue.clone();
    let other = tokio::spawn(async move { closing.close() });
    let mut taken = 0;
    while let Some(()) = items.next().await {
        taken += 1;
        assert!(taken < MANY, "no other task ran");
        // There is always an item, until the other task closes the queue.
        let _ = queue.put(());
    }
    other.await.unwrap();
}

/// What the library adds to a get that passes the item on.
type Add = fn(Deferred<i32>) -> Deferred<i32>;

fn passing() -> [(&'static str, Add); 4] {
    [
        ("add_timeout", |d| d.add_timeout(Duration::from_secs(60))),
        ("add_timeout_with", |d| {
            d.add_timeout_with(Duration::from_secs(60), |_| Ok(-1))
        }),
        ("cancel_when", |d| d.cancel_when(std::future::pending())),
        ("two of them", |d| {
            d.add_timeout(Duration::from_secs(60))
                .label("a get")
                .cancel_when(std::future::pending())
        }),
    ]
}

#[tokio::test(start_paused = true)]
async fn get_with_a_stage_of_the_librarys_then_drop_gives_the_item_back() {
    for (name, add) in passing() {
        let queue = DeferredQueue::new();
        // Delivered, then dropped.
        let get = add(queue.get());
        queue.put(1).unwrap();
        queue.put(2).unwrap();
        assert!(get.is_fired(), "{name}");
        drop(get);
        assert_eq!(drain(&queue), [1, 2], "{name}");
        // There at once, then dropped.
        queue.put(3).unwrap();
        drop(add(queue.get()));
        assert_eq!(drain(&queue), [3], "{name}");
        // Dropped before there is an item.
        drop(add(queue.get()));
        assert_eq!(queue.waiting(), 0, "{name} gives up its place");
        // On its way while it is dropped.
        let mut get = add(queue.get());
        let pause = get.pause();
        queue.put(4).unwrap();
        drop(get);
        drop(pause);
        assert_eq!(drain(&queue), [4], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn get_with_a_callback_behind_or_before_a_timeout_consumes_the_item() {
    let queue = DeferredQueue::new();
    for n in 0..4 {
        queue.put(n).unwrap();
    }
    let minute = Duration::from_secs(60);
    drop(queue.get().add_timeout(minute).map(|n| n + 1));
    drop(queue.get().map(|n| n + 1).add_timeout(minute));
    let mut failing = queue.get().add_timeout(minute).map(|n| n + 1);
    drop(failing.pause());
    drop(failing.add_timeout(minute));
    assert_eq!(drain(&queue), [3]);
}

#[tokio::test(start_paused = true)]
async fn get_that_timed_out_gives_up_its_place() {
    let queue = DeferredQueue::<i32>::new();
    let get = queue.get().add_timeout(Duration::from_millis(5));
    assert!(get.await.unwrap_err().is_timed_out());
    queue.put(1).unwrap();
    assert_eq!(drain(&queue), [1]);
}

#[test]
fn get_moved_to_a_runtime_then_drop_gives_the_item_back() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let queue = DeferredQueue::new();
    let get = queue.get().via(runtime.handle());
    queue.put(1).unwrap();
    drop(get);
    // Now the task brings the item, which nobody wants.
    runtime.block_on(tokio::task::yield_now());
    assert_eq!(drain(&queue), [1]);
}
