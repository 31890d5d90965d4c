//! The order of things: who runs what, when.

use std::sync::{Arc, Mutex};
use tokio_deferred::{Deferred, testing};

#[test]
fn fire_runs_stages_in_order_before_it_returns() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let (resolver, mut d) = Deferred::new();
    for n in 0..20 {
        let log = log.clone();
        d = d.map(move |sum: i32| {
            log.lock().unwrap().push(n);
            sum + n
        });
    }
    testing::assert_no_result(&d);
    resolver.callback(1);
    assert_eq!(*log.lock().unwrap(), (0..20).collect::<Vec<_>>());
    assert_eq!(testing::success_of(d), 191);
}

#[test]
fn returned_pending_then_fired() {
    let (r1, d1) = Deferred::<i32>::new();
    let (r2, d2) = Deferred::<i32>::new();
    let d = d1.add_callback(move |n| d2.map(move |m| n + m)).map(|n| n * 10);
    r1.callback(1);
    testing::assert_no_result(&d);
    r2.callback(2);
    assert_eq!(testing::success_of(d), 30);
}

#[test]
fn a_million_turns() {
    fn turn(n: u32, to: Arc<Mutex<Option<tokio_deferred::Resolver<()>>>>) -> Deferred<u32> {
        let (r, d) = Deferred::<()>::new();
        *to.lock().unwrap() = Some(r);
        d.add_callback(move |()| if n == 0 { Deferred::succeed(7) } else { turn(n - 1, to) })
    }
    let to = Arc::new(Mutex::new(None));
    let d = turn(1_000_000, to.clone());
    loop {
        let r = to.lock().unwrap().take();
        match r {
            Some(r) => r.callback(()),
            None => break,
        }
    }
    assert_eq!(testing::success_of(d), 7);
}

#[tokio::test]
async fn coroutine() {
    let (r, d) = Deferred::<i32>::new();
    let c = Deferred::from_coroutine(async move { let x = d.await?; Ok::<_, tokio_deferred::DeferredError>(x + 1) });
    let t = tokio::spawn(c);
    tokio::task::yield_now().await;
    r.callback(1);
    assert_eq!(t.await.unwrap().unwrap(), 2);
}
