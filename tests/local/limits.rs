//! Timeouts and signals of local chains.

use crate::support::{Here, failure_of, value_of};
use futures::FutureExt;
use futures::executor::LocalPool;
use std::rc::Rc;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::task::LocalSet;
use tokio_deferred::local::{self, LocalDeferred};
use tokio_deferred::{Deferred, NoRuntime, PanicError, threads};

const SOON: Duration = Duration::from_secs(5);

fn on_local_set<T>(f: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("it is built");
    LocalSet::new().block_on(&runtime, f)
}

#[test]
fn deadline_runs_the_stages_here_on_a_multi_thread_runtime() {
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    let here = Here::new();
    LocalSet::new().block_on(&runtime, async {
        let (resolver, d) = LocalDeferred::<Rc<()>>::with_canceller({
            let here = Here::new();
            move || {
                here.check();
                None
            }
        });
        let d = d
            .add_timeout(Duration::from_millis(1))
            .add_errback(move |failure| {
                here.check();
                assert!(failure.is_timed_out());
                Ok(Rc::new(()))
            });
        d.await.unwrap();
        assert!(resolver.is_cancelled());
    });
}

#[test]
fn result_before_the_deadline_drops_the_timer_at_once() {
    let mut pool = LocalPool::new();
    local::set_spawner(pool.spawner());
    let held = Rc::new(());
    let inside = held.clone();
    let (resolver, d) = LocalDeferred::new();
    let d = d.add_timeout_by(SOON, |after| async move {
        assert_eq!(after, SOON);
        let _held = inside;
        futures::future::pending().await
    });
    assert_eq!(Rc::strong_count(&held), 2);
    resolver.callback(1);
    assert_eq!(Rc::strong_count(&held), 1);
    assert_eq!(value_of(d), 1);
    pool.run(); // it has no task left
}

#[test]
fn deadline_does_not_reach_the_stages_behind_it() {
    on_local_set(async {
        let (resolver, later) = LocalDeferred::<i32>::new();
        let d = LocalDeferred::succeed(())
            .add_timeout(SOON)
            .add_callback(move |()| later);
        tokio::time::sleep(2 * SOON).await;
        assert!(!d.is_fired());
        resolver.callback(1);
        assert_eq!(value_of(d), 1);
    });
}

#[test]
fn deadline_of_a_thread_s_work_cancels_it_and_its_answer_is_dropped() {
    on_local_set(async {
        let (resolver, work) = Deferred::<i32>::new();
        let d = work.into_local().add_timeout(SOON);
        assert!(d.await.unwrap_err().is_timed_out());
        assert!(resolver.is_cancelled());
        resolver.callback(1);
        assert_eq!(
            threads::defer_to_thread(|| Ok(1))
                .into_local()
                .await
                .unwrap(),
            1
        );
    });
}

#[test]
fn without_a_loop_or_a_timer_the_failure_says_so() {
    let (resolver, d) = LocalDeferred::<()>::new();
    assert!(failure_of(d.add_timeout(SOON)).is::<NoRuntime>());
    assert!(resolver.is_cancelled());

    let (resolver, d) = LocalDeferred::<()>::new();
    let d = d.add_timeout_by(SOON, |_| futures::future::pending());
    assert!(failure_of(d).is::<NoRuntime>());
    assert!(resolver.is_cancelled());
    // One that has its result needs neither.
    assert_eq!(value_of(LocalDeferred::succeed(1).add_timeout(SOON)), 1);
}

#[test]
fn function_of_a_timeout_is_dropped_here_if_the_result_comes_first() {
    on_local_set(async {
        let held = Rc::new(());
        let inside = held.clone();
        let (resolver, d) = LocalDeferred::new();
        let d = d.add_timeout_with(SOON, move |_| Ok(Rc::strong_count(&inside)));
        resolver.callback(7);
        assert_eq!(Rc::strong_count(&held), 1);
        assert_eq!(d.await.unwrap(), 7);
    });
}

#[test]
fn signal_that_panics_is_the_reason() {
    let (_resolver, d) = LocalDeferred::<()>::new();
    let d = d.cancel_when(async { panic!("no signal") });
    let failure = failure_of(d);
    assert!(failure.is_cancelled());
    let reason = failure.check::<PanicError>().expect("it is the reason");
    assert_eq!(reason.to_string(), "panicked: no signal");
}

#[test]
fn signal_from_another_thread_cancels_here() {
    let mut pool = LocalPool::new();
    local::set_spawner(pool.spawner());
    let (close, closed) = Deferred::<()>::new();
    let here = Here::new();
    let (resolver, d) = LocalDeferred::<i32>::new();
    let d = d
        .cancel_when(FutureExt::map(closed, drop))
        .add_errback(move |_| {
            here.check();
            Ok(0)
        });
    std::thread::spawn(move || close.callback(()))
        .join()
        .unwrap();
    assert!(!resolver.is_cancelled());
    assert_eq!(pool.run_until(d).unwrap(), 0);
    assert!(resolver.is_cancelled());
}

#[test]
fn result_before_the_signal_drops_it_at_once() {
    let held = Rc::new(());
    let inside = held.clone();
    let (_never, closing) = LocalDeferred::<()>::new();
    let (resolver, d) = LocalDeferred::new();
    let d = d.cancel_when(async move {
        let _held = inside;
        closing.map(drop).await.unwrap_or_default();
    });
    resolver.callback(1);
    assert_eq!(Rc::strong_count(&held), 1);
    assert_eq!(value_of(d), 1);
}

#[test]
fn loop_that_ends_before_the_deadline_cancels() {
    let pool = LocalPool::new();
    local::set_spawner(pool.spawner());
    let (resolver, d) = LocalDeferred::<()>::new();
    let d = d.add_timeout_by(SOON, |_| futures::future::pending());
    assert!(!resolver.is_cancelled());
    drop(pool);
    assert!(resolver.is_cancelled());
    assert!(failure_of(d).is::<NoRuntime>());
}

#[test]
fn now_or_never_polls_leave_no_task_behind() {
    let (resolver, mut d) = LocalDeferred::<i32>::new();
    assert!((&mut d).now_or_never().is_none());
    resolver.callback(1);
    assert_eq!((&mut d).now_or_never().unwrap().unwrap(), 1);
}
