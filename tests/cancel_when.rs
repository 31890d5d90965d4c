//! Cancels by a signal.

use test_support::clock::{live_tasks, paused, settle};
use tokio_deferred::{Deferred, NoRuntime, PanicError, testing};
use tokio_util::sync::CancellationToken;

#[tokio::test(start_paused = true)]
async fn signal_then_cancelled() {
    let token = CancellationToken::new();
    let (resolver, d) = Deferred::<()>::new();
    let d = d.cancel_when(token.clone().cancelled_owned());
    settle().await;
    testing::assert_no_result(&d);
    token.cancel();
    let error = d.await.unwrap_err();
    assert!(error.is_cancelled());
    assert!(resolver.is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn fire_then_the_signals_task_ends() {
    let token = CancellationToken::new();
    let (resolver, d) = Deferred::new();
    let d = d.cancel_when(token.clone().cancelled_owned());
    settle().await;
    assert_eq!(live_tasks(), 1);
    resolver.callback(1);
    settle().await;
    assert_eq!(live_tasks(), 0);
    token.cancel();
    assert_eq!(testing::success_of(d), 1);
}

#[test]
fn signal_that_is_ready_needs_no_runtime() {
    let token = CancellationToken::new();
    token.cancel();
    let (_resolver, d) = Deferred::<()>::new();
    let d = d.cancel_when(token.cancelled_owned());
    let failure = testing::failure_of(d);
    assert!(failure.is_cancelled() && !failure.is::<NoRuntime>());
}

#[test]
fn signal_that_waits_without_a_runtime() {
    let (resolver, d) = Deferred::<()>::new();
    let d = d.cancel_when(std::future::pending());
    assert!(resolver.is_cancelled());
    assert!(testing::failure_of(d).is::<NoRuntime>());
    let fired = Deferred::succeed(1).cancel_when(std::future::pending());
    assert_eq!(testing::success_of(fired), 1);
}

#[test]
fn signal_whose_runtime_is_gone() {
    let runtime = paused();
    let (_resolver, d) = Deferred::<()>::new();
    let d = {
        let _entered = runtime.enter();
        d.cancel_when(std::future::pending())
    };
    drop(runtime);
    assert!(testing::failure_of(d).is::<NoRuntime>());
}

#[tokio::test(start_paused = true)]
async fn signal_that_panics() {
    let (_resolver, d) = Deferred::<()>::new();
    let d = d.cancel_when(async {
        tokio::task::yield_now().await;
        panic!("bad signal");
    });
    let error = d.await.unwrap_err();
    assert!(error.is_cancelled());
    assert!(error.downcast_ref::<PanicError>().is_some());
}

#[tokio::test(start_paused = true)]
async fn signal_cancels_nothing_behind_it() {
    let token = CancellationToken::new();
    let (inner, waits) = Deferred::new();
    let (resolver, d) = Deferred::<()>::new();
    let d = d
        .cancel_when(token.clone().cancelled_owned())
        .add_callback(|()| waits);
    resolver.callback(());
    token.cancel();
    settle().await;
    inner.callback(4);
    assert_eq!(testing::success_of(d), 4);
}
