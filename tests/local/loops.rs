//! Local coroutines on loops: what wakes them, and what the end of a loop does.

use crate::support::{Here, failure_of, value_of, wait_for_wake};
use futures::executor::LocalPool;
use futures::stream::{FuturesUnordered, StreamExt};
use std::rc::Rc;
use std::time::Duration;
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::LocalSet;
use tokio_deferred::local::{self, LocalDeferred};
use tokio_deferred::{DeferredError, Failure, NoRuntime};

fn on_local_set<T>(f: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("it is built");
    LocalSet::new().block_on(&runtime, f)
}

#[test]
fn timer_wakes_it_on_a_local_set() {
    on_local_set(async {
        let here = Here::new();
        let d = LocalDeferred::from_coroutine(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            here.check();
            Ok::<_, Failure>(Rc::new(1))
        });
        assert_eq!(*d.map(|n| n).await.unwrap(), 1);
    });
}

#[test]
fn timer_wakes_it_on_a_pool_of_futures_inside_of_a_runtime() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    let mut pool = LocalPool::new();
    local::set_spawner(pool.spawner());
    let (tx, rx) = futures::channel::oneshot::channel();
    let d = LocalDeferred::from_coroutine(rx);
    std::thread::spawn(move || tx.send(5))
        .join()
        .unwrap()
        .unwrap();
    assert_eq!(pool.run_until(d).unwrap(), 5);
}

#[test]
fn yield_wakes_it_while_it_is_polled() {
    on_local_set(async {
        let d = LocalDeferred::from_coroutine(async {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            Ok::<_, Failure>(3)
        });
        assert_eq!(d.await.unwrap(), 3);
    });
}

#[test]
fn set_of_futures_is_woken_by_the_loop() {
    on_local_set(async {
        let (resolvers, ds): (Vec<_>, Vec<_>) = (0..50).map(|_| LocalDeferred::new()).unzip();
        let sum = LocalDeferred::from_coroutine(async move {
            let mut ds: FuturesUnordered<_> = ds.into_iter().collect();
            let mut sum = 0;
            while let Some(n) = ds.next().await {
                sum += n?;
            }
            Ok::<i32, DeferredError>(sum)
        });
        for (n, resolver) in resolvers.into_iter().enumerate() {
            resolver.callback(n as i32);
        }
        assert_eq!(sum.await.unwrap(), 49 * 50 / 2);
    });
}

#[test]
fn shared_future_that_wakes_under_its_lock_does_not_hang() {
    use futures::FutureExt;
    on_local_set(async {
        let (resolver, d) = LocalDeferred::<i32>::new();
        let shared = async move { d.await.unwrap_or(0) }.boxed_local().shared();
        let ds = [shared.clone(), shared].map(|shared| LocalDeferred::from_infallible(shared));
        resolver.callback(4);
        for d in ds {
            assert_eq!(d.await.unwrap(), 4);
        }
    });
}

#[test]
fn end_of_a_local_set_drops_what_waits_on_it_here() {
    let held = Rc::new(());
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let set = LocalSet::new();
    let inside = held.clone();
    let d = set.block_on(&runtime, async move {
        let here = Here::new();
        LocalDeferred::<()>::from_coroutine(async move {
            let _held = (inside, here);
            tokio::time::sleep(Duration::from_secs(3600)).await;
            Ok::<_, Failure>(())
        })
    });
    assert_eq!(Rc::strong_count(&held), 2);
    drop(set);
    assert_eq!(Rc::strong_count(&held), 1);
    assert!(failure_of(d).is::<NoRuntime>());
}

#[test]
fn end_of_a_pool_drops_what_waits_on_it_and_later_wakes_do_nothing() {
    let pool = LocalPool::new();
    local::set_spawner(pool.spawner());
    let place = Rc::default();
    let waits = wait_for_wake(Rc::clone(&place));
    let d = LocalDeferred::<()>::from_coroutine(async move {
        waits.await;
        Ok::<_, Failure>(())
    });
    let waker = place.take().expect("it was polled");
    drop(pool);
    assert!(failure_of(d).is::<NoRuntime>());
    std::thread::spawn(move || waker.wake()).join().unwrap();

    // The spawner is still set, and takes nothing any more.
    let d = LocalDeferred::<()>::from_coroutine(wait_ok());
    assert!(failure_of(d).is::<NoRuntime>());
}

async fn wait_ok() -> Result<(), Failure> {
    wait_for_wake(Rc::default()).await;
    Ok(())
}

#[test]
fn coroutine_that_awaits_local_deferreds_survives_the_end_of_its_loop() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let set = LocalSet::new();
    let (resolver, d) = LocalDeferred::<i32>::new();
    let d = set.block_on(&runtime, async move { LocalDeferred::from_coroutine(d) });
    drop((set, runtime));
    resolver.callback(1);
    assert_eq!(value_of(d), 1);
}

#[test]
fn runtime_without_a_local_set_is_no_loop() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let d = runtime.block_on(async {
        LocalDeferred::<()>::from_coroutine(async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok::<_, Failure>(())
        })
    });
    assert!(failure_of(d).is::<NoRuntime>());
}

#[test]
fn spawner_is_given_back_by_the_next_one() {
    let first = LocalPool::new();
    assert!(local::set_spawner(first.spawner()).is_none());
    let mut second = LocalPool::new();
    let old = local::set_spawner(second.spawner());
    let old = old.expect("one was set");
    drop(local::set_spawner(old)); // the first again
    let d = LocalDeferred::<()>::from_coroutine(async {
        futures::future::pending::<()>().await;
        Ok::<_, Failure>(())
    });
    second.run_until_stalled();
    assert!(!d.is_fired());
    drop(first);
    assert!(failure_of(d).is::<NoRuntime>());
}

#[test]
fn timer_wakes_it_on_a_local_runtime() {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build_local(LocalOptions::default())
        .expect("it is built");
    let here = Here::new();
    let d = runtime.block_on(async {
        LocalDeferred::from_coroutine(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            here.check();
            Ok::<_, Failure>(Rc::new(1))
        })
        .await
    });
    assert_eq!(*d.unwrap(), 1);
}
