//! Lists of Tokio tasks.

use std::future::pending;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_deferred::{Deferred, DeferredList, FirstError, NoRuntime, testing};

#[tokio::test]
async fn spawned_tasks_end_in_reverse_then_results_in_input_order() {
    let (first, mut before) = oneshot::channel::<()>();
    let mut futures = Vec::new();
    for n in 0..5 {
        // Each waits for the one behind it.
        let (done, after) = oneshot::channel::<()>();
        let wait = std::mem::replace(&mut before, after);
        futures.push((n, wait, done));
    }
    drop(first);
    futures.reverse();
    let list = DeferredList::spawn(futures.into_iter().map(|(n, wait, done)| async move {
        let _ = wait.await;
        drop(done);
        n
    }));
    let values: Vec<_> = list
        .await
        .unwrap()
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(values, [4, 3, 2, 1, 0]);
}

#[tokio::test]
async fn panicked_and_aborted_tasks_fail_in_their_places() {
    let mut handles = Vec::new();
    for n in 0..3 {
        handles.push(tokio::spawn(async move {
            match n {
                0 => panic!("nought"),
                1 => pending().await,
                n => n,
            }
        }));
    }
    handles[1].abort();
    let results = DeferredList::new(handles.into_iter().map(Deferred::from))
        .await
        .unwrap();
    assert!(results[0].as_ref().unwrap_err().is_panic());
    assert!(results[1].as_ref().unwrap_err().is_cancelled());
    assert_eq!(*results[2].as_ref().unwrap(), 2);
}

#[tokio::test]
async fn cancel_aborts_every_spawned_task() {
    let alive = Arc::new(());
    let started = Arc::new(tokio::sync::Semaphore::new(0));
    let list = DeferredList::spawn((0..10).map(|_| {
        let (alive, started) = (alive.clone(), started.clone());
        async move {
            started.add_permits(1);
            pending::<()>().await;
            drop(alive);
        }
    }))
    .into_deferred();
    drop(started.acquire_many(10).await.unwrap());
    list.cancel();
    let results = list.await.unwrap();
    assert!(
        results
            .iter()
            .all(|r| r.as_ref().unwrap_err().is_cancelled())
    );
    while Arc::strong_count(&alive) > 1 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn cancel_aborts_what_is_left_of_a_join_set() {
    let alive = Arc::new(());
    let mut set = JoinSet::new();
    let (end, ended) = oneshot::channel();
    set.spawn(async {
        end.send(()).unwrap();
        1
    });
    for _ in 0..5 {
        let alive = alive.clone();
        set.spawn(async move {
            pending::<()>().await;
            drop(alive);
            2
        });
    }
    let list = DeferredList::from_join_set(set).into_deferred();
    ended.await.unwrap();
    // The task ends, and the list hears of it, before this one is polled again.
    tokio::task::yield_now().await;
    list.cancel();
    let results = list.await.unwrap();
    assert_eq!(results.len(), 6);
    assert_eq!(*results[0].as_ref().unwrap(), 1);
    assert!(
        results[1..]
            .iter()
            .all(|r| r.as_ref().unwrap_err().is_cancelled())
    );
    while Arc::strong_count(&alive) > 1 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn first_failure_of_a_join_set_cancels_the_rest() {
    let alive = Arc::new(());
    let mut set = JoinSet::new();
    let kept = alive.clone();
    set.spawn(async move {
        pending::<()>().await;
        drop(kept);
    });
    set.spawn(async { panic!("broken") });
    let failure = DeferredList::from_join_set(set)
        .fire_on_one_errback(true)
        .cancel_rest(true)
        .await
        .unwrap_err();
    assert!(failure.is::<FirstError>() && failure.is_panic());
    while Arc::strong_count(&alive) > 1 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousand_tasks_in_completion_order() {
    const TASKS: u64 = if cfg!(miri) { 20 } else { 1_000 };
    let mut set = JoinSet::new();
    for n in 0..TASKS {
        set.spawn(async move {
            tokio::task::yield_now().await;
            n
        });
    }
    let results = DeferredList::from_join_set(set).await.unwrap();
    let mut values: Vec<_> = results.into_iter().map(Result::unwrap).collect();
    values.sort_unstable();
    assert_eq!(values, (0..TASKS).collect::<Vec<_>>());
}

#[test]
fn empty_join_set() {
    let list = DeferredList::<()>::from_join_set(JoinSet::new()).into_deferred();
    assert!(testing::success_of(list).is_empty());
}

#[test]
fn spawn_without_a_runtime() {
    let results = testing::success_of(DeferredList::spawn([async { 1 }]).into_deferred());
    assert!(results[0].as_ref().unwrap_err().is::<NoRuntime>());
}

#[test]
fn runtime_gone_then_every_task_is_cancelled() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let entered = runtime.enter();
    let list = DeferredList::spawn((0..3).map(|_| pending::<()>())).into_deferred();
    drop(entered);
    drop(runtime);
    let results = testing::success_of(list);
    assert!(
        results
            .iter()
            .all(|r| r.as_ref().unwrap_err().is_cancelled())
    );
}
