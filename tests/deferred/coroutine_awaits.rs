//! What a coroutine awaits: how many at once, for how long, and whose it is.

use futures::future::join_all;
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use test_support::Later;
use test_support::runtime::current_thread;
use tokio::task::yield_now;
use tokio::time::timeout;
use tokio_deferred::{Deferred, Failure, NoRuntime, testing};

/// Polls `d` so that nothing is woken by it.
fn poll_unheard<T: Send + 'static>(d: &mut Deferred<T>) -> bool {
    Pin::new(d)
        .poll(&mut Context::from_waker(Waker::noop()))
        .is_ready()
}

#[tokio::test]
async fn given_away_after_a_poll_then_cancel_leaves_it_to_who_polls_it_now() {
    let (resolver, mut inner) = Deferred::<i32>::new();
    let given = Later::new();
    let place = given.clone();
    let d = Deferred::from_infallible(async move {
        assert!(futures::poll!(&mut inner).is_pending());
        place.put(inner);
        pending::<()>().await;
    });
    let mut taken = given.take();
    assert!(!poll_unheard(&mut taken));
    d.cancel();
    assert!(!resolver.is_cancelled());
    assert!(testing::failure_of(d).is_cancelled());
    resolver.callback(1);
    assert_eq!(taken.await.unwrap(), 1);
}

#[tokio::test]
async fn given_to_another_coroutine_after_a_poll_then_each_is_cancelled() {
    let (resolver, mut inner) = Deferred::<i32>::new();
    let given = Later::new();
    let place = given.clone();
    let first = Deferred::from_infallible(async move {
        assert!(futures::poll!(&mut inner).is_pending());
        place.put(inner);
        pending::<()>().await;
    });
    let second = Deferred::from_coroutine(given.take());
    first.cancel();
    assert!(testing::failure_of(first).is_cancelled());
    assert!(!resolver.is_cancelled());
    second.cancel();
    assert!(resolver.is_cancelled());
    assert!(second.await.unwrap_err().is_cancelled());
}

#[tokio::test]
async fn given_away_and_back_then_cancel_reaches_it_once() {
    let cancels = Arc::new(AtomicUsize::new(0));
    let counted = cancels.clone();
    let (_resolver, mut inner) = Deferred::<i32>::with_canceller(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        None
    });
    let d = Deferred::from_coroutine(async move {
        assert!(futures::poll!(&mut inner).is_pending());
        inner = std::thread::spawn(move || {
            assert!(!poll_unheard(&mut inner));
            inner
        })
        .join()
        .unwrap();
        inner.await
    });
    d.cancel();
    assert!(d.await.unwrap_err().is_cancelled());
    assert_eq!(cancels.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn many_awaited_at_once_are_cancelled_in_the_order_of_their_first_polls() {
    let order = test_support::Log::default();
    let log = order.clone();
    let d = Deferred::from_infallible(async move {
        let mut resolvers = Vec::new();
        let mut all = Vec::new();
        for n in 0..6 {
            let log = log.clone();
            let (resolver, mut d) = Deferred::<i32>::with_canceller(move || {
                log.add(n.to_string());
                None
            });
            assert!(!poll_unheard(&mut d));
            resolvers.push(resolver);
            all.push(d);
        }
        // Places become free, and are taken again.
        drop((all.remove(2), all.remove(0)));
        resolvers.remove(1).callback(1);
        assert!(all.remove(0).await.is_ok());
        all.push({
            let log = log.clone();
            let (resolver, mut d) = Deferred::<i32>::with_canceller(move || {
                log.add("last");
                None
            });
            assert!(!poll_unheard(&mut d));
            resolvers.push(resolver);
            d
        });
        for d in join_all(all).await {
            assert!(d.unwrap_err().is_cancelled());
        }
    });
    d.cancel();
    d.await.unwrap();
    assert_eq!(order.all(), ["3", "4", "5", "last"]);
}

/// Awaits so many at once, which are fired or cancelled; says how long it took.
fn await_at_once(number: usize, cancel: bool) -> Duration {
    let runtime = current_thread();
    let _entered = runtime.enter();
    let (resolvers, all): (Vec<_>, Vec<_>) = (0..number).map(|_| Deferred::<usize>::new()).unzip();
    let began = Instant::now();
    let d = Deferred::from_infallible(async move {
        let results = join_all(all).await;
        results.into_iter().filter(Result::is_ok).count()
    });
    if cancel {
        d.cancel();
    } else {
        for (n, resolver) in resolvers.into_iter().enumerate() {
            resolver.callback(n);
        }
    }
    let fired = runtime.block_on(d).unwrap();
    assert_eq!(fired, if cancel { 0 } else { number });
    began.elapsed()
}

#[test]
fn awaits_at_once_take_time_in_proportion_to_their_number() {
    const FEW: usize = 1_000;
    const TIMES: u32 = 32;
    for cancel in [false, true] {
        let best = |number| (0..5).map(|_| await_at_once(number, cancel)).min().unwrap();
        let (few, many) = (best(FEW), best(FEW * TIMES as usize));
        // In proportion it is 32 times as long; if each were searched for, 1,024.
        assert!(
            many < few * TIMES * 6,
            "{few:?} and {many:?}, cancelled: {cancel}"
        );
    }
}

/// Tokio's timers fire when a task lets others run.
#[test]
fn loop_over_ready_ones_under_a_timeout_ends() {
    async fn value() {
        loop {
            Deferred::succeed(1).await.unwrap();
        }
    }
    async fn chain() {
        loop {
            let (resolver, mut d) = Deferred::new();
            let _handle = d.cancel_handle();
            resolver.callback(String::new());
            d.await.unwrap();
        }
    }
    async fn failure() {
        loop {
            Deferred::<()>::fail("no").await.unwrap_err();
        }
    }
    let runtime = current_thread();
    let short = Duration::from_millis(5);
    runtime.block_on(async {
        assert!(timeout(short, value()).await.is_err());
        assert!(timeout(short, chain()).await.is_err());
        assert!(timeout(short, failure()).await.is_err());
        // A coroutine lets other tasks run as well.
        let endless = Deferred::from_infallible(async {
            yield_now().await;
            value().await;
        });
        assert!(timeout(short, endless.cancel_on_drop()).await.is_err());
    });
}

#[test]
fn out_of_turn_then_cancel_before_the_next_poll_is_kept_for_it() {
    let runtime = current_thread();
    let mut d = {
        let _entered = runtime.enter();
        Deferred::from_coroutine(async {
            yield_now().await;
            for _ in 0..1_000 {
                Deferred::succeed(1).await?;
            }
            pending::<()>().await;
            Ok::<_, Failure>(7)
        })
    };
    let handle = d.cancel_handle();
    // One turn: it has used up its budget, and is pending for that reason only.
    runtime.block_on(yield_now());
    handle.cancel();
    // It is kept for the next poll, after which there is nothing but to drop it.
    testing::assert_no_result(&d);
    assert!(runtime.block_on(d).unwrap_err().is_cancelled());
}

#[test]
fn pending_without_a_runtime_fails_at_the_line_of_the_call() {
    let d = Deferred::from_infallible(pending::<()>());
    let line = line!() - 1;
    let failure = testing::failure_of(d);
    assert!(failure.is::<NoRuntime>());
    assert_eq!(failure.trace().raised_at().file(), file!());
    assert_eq!(failure.trace().raised_at().line(), line);
}

/// Tokio's thread-locals are gone before this one is.
#[test]
fn started_on_a_runtime_while_its_thread_ends() {
    struct AtEnd(tokio::runtime::Handle, std::sync::mpsc::Sender<i32>);
    impl Drop for AtEnd {
        fn drop(&mut self) {
            let d = Deferred::from_coroutine_on(&self.0, async { Ok::<_, Failure>(7) });
            self.1.send(testing::success_of(d)).unwrap();
        }
    }
    thread_local! {
        static AT_END: std::cell::RefCell<Option<AtEnd>> = const { std::cell::RefCell::new(None) };
    }
    let runtime = current_thread();
    let handle = runtime.handle().clone();
    let (tx, rx) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        AT_END.with(|place| *place.borrow_mut() = Some(AtEnd(handle.clone(), tx)));
        let _entered = handle.enter();
    })
    .join()
    .unwrap();
    assert_eq!(rx.recv(), Ok(7));
}

#[tokio::test]
async fn poll_once_then_take_by_try_result_then_cancel_drops_the_future() {
    let d = Deferred::from_infallible(async {
        let (resolver, mut inner) = Deferred::new();
        assert!(!poll_unheard(&mut inner));
        resolver.callback(1);
        assert_eq!(inner.try_result().unwrap().unwrap(), 1);
        poll_fn(|_| Poll::<()>::Pending).await;
    });
    d.cancel();
    assert!(testing::failure_of(d).is_cancelled());
}
