//! Tokio's tasks and channels, several Deferreds as one, other threads' work.

use test_support::{Later, Log, OnDrop};
use tokio::sync::oneshot;
use tokio_deferred::{Deferred, Failure, NoRuntime, join, testing};

#[tokio::test]
async fn a_task_becomes_a_deferred() {
    let d: Deferred<i32> = tokio::spawn(async { 1 }).into();
    assert_eq!(d.await.unwrap(), 1);
    let d: Deferred<()> = tokio::spawn(async { std::panic::panic_any("expected") }).into();
    assert!(d.await.unwrap_err().is_panic());
    let task = tokio::spawn(std::future::pending::<()>());
    let abort = task.abort_handle();
    let d = Deferred::from(task);
    abort.abort();
    let error = d.await.unwrap_err();
    assert!(error.is_cancelled() && error.is::<tokio::task::JoinError>());
}

#[tokio::test]
async fn cancelling_a_tasks_deferred_aborts_the_task() {
    let (tx, rx) = oneshot::channel::<()>();
    let d = Deferred::from(tokio::spawn(async move {
        let _tx = tx;
        std::future::pending::<()>().await;
    }));
    d.cancel();
    testing::assert_no_result(&d);
    assert!(d.await.unwrap_err().is_cancelled());
    rx.await.unwrap_err();
}

/// What the task owns is gone when its Deferred fails.
#[tokio::test]
async fn cancel_of_a_tasks_deferred_then_its_end() {
    let log = Log::default();
    let (one, two) = (log.clone(), log.clone());
    let task = tokio::spawn(async move {
        let _guard = OnDrop(move || one.add("dropped"));
        std::future::pending::<()>().await;
    });
    tokio::task::yield_now().await;
    let d = Deferred::from(task).inspect_failure(move |failure| {
        two.add(
            failure
                .source()
                .map_or("?".to_owned(), |reason| reason.to_string()),
        );
    });
    d.cancel_with("enough");
    d.cancel_with("too late");
    assert_eq!(log.all(), [""; 0]);
    assert!(d.await.unwrap_err().is_cancelled());
    assert_eq!(log.all(), ["dropped", "enough"]);
}

#[tokio::test]
async fn end_of_a_task_then_cancel_then_its_value() {
    let d = Deferred::from(tokio::spawn(async { 7 }));
    let d = d.map(|n| n + 1);
    tokio::task::yield_now().await;
    d.cancel();
    assert_eq!(d.await.unwrap(), 8);
}

#[tokio::test]
async fn spawn_then_cancel_drops_a_future_that_would_go_on() {
    let (resolver, inner) = Deferred::<i32>::new();
    let log = Log::default();
    let there = log.clone();
    let d = Deferred::<i32>::spawn(async move {
        let _guard = OnDrop(move || there.add("dropped"));
        let _ = inner.await;
        std::future::pending::<Result<i32, Failure>>().await
    });
    testing::assert_no_result(&d);
    tokio::task::yield_now().await;
    d.cancel();
    assert!(d.await.unwrap_err().is_cancelled());
    assert_eq!(log.all(), ["dropped"]);
    assert!(!resolver.is_cancelled());
}

#[test]
fn spawn_with_no_runtime_fails_at_the_line_of_the_call() {
    let d = Deferred::spawn(async { Ok::<_, Failure>(1) });
    let line = line!() - 1;
    let failure = testing::failure_of(d);
    assert!(failure.is::<tokio_deferred::NoRuntime>());
    assert_eq!(failure.trace().raised_at().line(), line);
    assert_eq!(failure.trace().raised_at().file(), file!());
}

#[tokio::test]
async fn dropping_a_tasks_deferred_leaves_it_running() {
    let (tx, rx) = oneshot::channel();
    drop(Deferred::from(tokio::spawn(async move { tx.send(1) })));
    assert_eq!(rx.await.unwrap(), 1);
}

#[test]
fn a_channel_becomes_a_deferred_that_runs_where_it_is_sent() {
    let (tx, rx) = oneshot::channel();
    let d = Deferred::from(rx).map(|n: i32| (n, std::thread::current().id()));
    let there = std::thread::spawn(move || {
        tx.send(1).unwrap();
        std::thread::current().id()
    });
    assert_eq!(
        there.join().unwrap(),
        futures::executor::block_on(d).unwrap().1
    );
    let (tx, rx) = oneshot::channel::<i32>();
    drop(tx);
    assert!(testing::failure_of(Deferred::from(rx)).is_resolver_dropped());
    let (tx, rx) = oneshot::channel::<i32>();
    let d = Deferred::from(rx);
    d.cancel();
    assert!(tx.is_closed());
    let failure = testing::failure_of(d);
    assert!(failure.is_cancelled(), "{failure:?}");
}

#[tokio::test]
async fn a_channel_is_read_whatever_the_budget_of_the_task_that_sends() {
    // More sends in one poll than a task has budget.
    let mut all = Vec::new();
    for n in 0..1000 {
        let (tx, rx) = oneshot::channel();
        all.push(Deferred::from(rx));
        tx.send(n).unwrap();
    }
    for (n, d) in all.into_iter().enumerate() {
        assert_eq!(testing::success_of(d), n);
    }
}

#[test]
fn join_gives_a_tuple_or_the_first_failure() {
    let (a, da) = Deferred::<i32>::new();
    let (b, db) = Deferred::<&str>::new();
    let d = join((da, db, Deferred::succeed(3.5)));
    b.callback("b");
    testing::assert_no_result(&d);
    a.callback(1);
    assert_eq!(testing::success_of(d), (1, "b", 3.5));

    let (a, da) = Deferred::<i32>::new();
    let (b, db) = Deferred::<&str>::new();
    let d = join((da, db));
    b.errback("out");
    let reports = testing::capture_unhandled(|| a.errback("later"));
    assert_eq!(reports.len(), 1, "nobody's failure is lost");
    assert_eq!(testing::failure_of(d).to_string(), "out");
}

#[test]
fn cancelling_a_join_cancels_each() {
    let (a, da) = Deferred::<i32>::new();
    let (b, db) = Deferred::<i32>::new();
    let d = join((da, db));
    let reports = testing::capture_unhandled(|| d.cancel_with("enough"));
    assert_eq!(reports.len(), 0, "the cancel was asked for");
    assert!(a.is_cancelled() && b.is_cancelled());
    assert!(testing::failure_of(d).is_cancelled());
}

#[test]
fn cancel_a_join_for_a_reason_then_each_part_finds_it_by_its_type() {
    let log = Log::default();
    let part = || {
        let there = log.clone();
        let (resolver, d) = Deferred::<i32>::new();
        let d = d.inspect_failure(move |failure| {
            let known = failure.is::<std::fmt::Error>();
            there.add(format!("{known}: {}", failure.source().unwrap()));
        });
        (resolver, d)
    };
    let ((_a, da), (_b, db)) = (part(), part());
    let d = join((da, db));
    d.cancel_with(std::fmt::Error);
    let text = format!("true: {}", std::fmt::Error);
    assert_eq!(log.all(), [text.as_str(), &text]);
    assert!(testing::failure_of(d).is::<std::fmt::Error>());
}

#[test]
fn two_callbacks_the_first_wins() {
    let (resolver, d) = Deferred::<i32>::new();
    let (ok, err) = resolver.into_callbacks();
    err("no");
    ok(1);
    assert_eq!(testing::failure_of(d).to_string(), "no");
    let (resolver, d) = Deferred::<i32>::new();
    drop(resolver.into_callbacks::<String>());
    assert!(testing::failure_of(d).is_resolver_dropped());
}

#[test]
fn resolve_and_maybe_take_what_there_is() {
    let (resolver, d) = Deferred::<i32>::new();
    resolver.resolve("7".parse::<i32>());
    assert_eq!(testing::success_of(d), 7);
    let (resolver, d) = Deferred::<i32>::new();
    resolver.resolve("x".parse::<i32>());
    assert!(testing::failure_of(d).is::<std::num::ParseIntError>());
    assert_eq!(
        testing::success_of(Deferred::maybe(|| Deferred::succeed(1))),
        1
    );
    testing::success_of(Deferred::maybe(|| ()));
    let d = Deferred::maybe(|| Err::<(), _>(Failure::new("no")));
    assert_eq!(testing::failure_of(d).to_string(), "no");
}

#[test]
fn observed_until_cancelled_or_dropped_bare() {
    let (resolver, d) = Deferred::<i32>::new();
    assert!(resolver.is_observed());
    let d = d.map(|n| n);
    drop(d);
    assert!(resolver.is_observed(), "a stage will see it");
    resolver.callback(1);
    let (resolver, d) = Deferred::<i32>::new();
    drop(d);
    assert!(!resolver.is_observed());
    assert_eq!(resolver.try_callback(4), Err(4));
}

#[test]
fn via_moves_later_stages_to_a_task_and_passes_cancels_back() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let place = Later::new();
    let there = place.clone();
    let (resolver, d) = Deferred::<i32>::new();
    let d = d
        .map(move |n| {
            there.put(std::thread::current().id());
            n
        })
        .via(runtime.handle())
        .map(|n| (n, std::thread::current().id()));
    resolver.callback(1);
    assert_eq!(place.take(), std::thread::current().id());
    let (n, thread) = futures::executor::block_on(d).unwrap();
    assert_eq!(n, 1);
    assert_ne!(thread, std::thread::current().id());

    let (resolver, d) = Deferred::<i32>::new();
    let d = d.via(runtime.handle());
    d.cancel();
    assert!(resolver.is_cancelled());
    assert!(futures::executor::block_on(d).unwrap_err().is_cancelled());
    let handle = runtime.handle().clone();
    drop(runtime);
    let d = Deferred::succeed(1).via(&handle);
    assert!(testing::failure_of(d).is::<NoRuntime>());
}
