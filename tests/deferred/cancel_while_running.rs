//! A cancel that finds a stage running: on another thread, or its own.
//!
//! Where a cancel that was lost would be waited for, the wait has a limit, so
//! that the test fails instead of hanging.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use tokio_deferred::{Deferred, DeferredError, DeferredList, Failure, Resolver, race, testing};

/// Far longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(20);

/// A chain whose stage runs on a thread of its own and, once it is let go,
/// returns a Deferred that only a cancel ends.
struct Running {
    d: Deferred<u32>,
    let_go: mpsc::Sender<()>,
    thread: thread::JoinHandle<()>,
    /// Kept, so that the Deferred that the stage returns is not fired.
    _inner: mpsc::Receiver<Resolver<u32>>,
}

fn running() -> Running {
    let (started, has_started) = mpsc::channel();
    let (let_go, may_go) = mpsc::channel::<()>();
    let (kept, _inner) = mpsc::channel();
    let (resolver, d) = Deferred::new();
    let d = d.add_callback(move |()| {
        started.send(()).unwrap();
        may_go.recv().unwrap();
        let (inner, pending) = Deferred::new();
        kept.send(inner).unwrap();
        pending
    });
    let thread = thread::spawn(move || resolver.callback(()));
    has_started.recv().unwrap();
    Running {
        d,
        let_go,
        thread,
        _inner,
    }
}

/// Waits for a result on this thread.
fn result_of<T: Send + 'static>(d: Deferred<T>) -> Result<T, Failure> {
    let (done, result) = mpsc::channel();
    drop(d.add_both(move |result| done.send(result).unwrap()));
    result.recv_timeout(LIMIT).expect("the cancel was lost")
}

#[test]
fn cancel_while_a_stage_runs_then_the_stage_returns_a_pending_one() {
    let stage = running();
    stage.d.cancel();
    stage.let_go.send(()).unwrap();
    assert!(result_of(stage.d).unwrap_err().is_cancelled());
    stage.thread.join().unwrap();
}

#[test]
fn cancel_while_a_stage_runs_then_the_stage_returns_a_value() {
    let (started, has_started) = mpsc::channel();
    let (let_go, may_go) = mpsc::channel::<()>();
    let (resolver, d) = Deferred::new();
    let d = d.add_callback(move |n: u32| {
        started.send(()).unwrap();
        may_go.recv().unwrap();
        Ok(n)
    });
    let firing = thread::spawn(move || resolver.callback(1));
    has_started.recv().unwrap();
    d.cancel();
    let_go.send(()).unwrap();
    firing.join().unwrap();
    // The chain was at rest: the cancel is over, and strikes nothing later.
    let (late, pending) = Deferred::new();
    let d = d.add_callback(move |n| pending.map(move |m: u32| n + m));
    late.callback(2);
    assert_eq!(testing::success_of(d), 3);
}

#[test]
fn cancel_from_two_threads_while_a_stage_runs() {
    let mut stage = running();
    let handle = stage.d.cancel_handle();
    thread::spawn(move || handle.cancel()).join().unwrap();
    stage.d.cancel_with("twice");
    stage.let_go.send(()).unwrap();
    assert!(result_of(stage.d).unwrap_err().is_cancelled());
    stage.thread.join().unwrap();
}

#[test]
fn cancel_of_a_waiting_chain_while_a_stage_of_the_awaited_one_runs() {
    let stage = running();
    let (resolver, outer) = Deferred::new();
    let inner = stage.d;
    let outer = outer.add_callback(move |()| inner);
    resolver.callback(());
    outer.cancel();
    stage.let_go.send(()).unwrap();
    assert!(result_of(outer).unwrap_err().is_cancelled());
    stage.thread.join().unwrap();
}

#[test]
fn cancel_while_the_awaited_chains_last_stage_runs_then_the_waiting_one_waits_again() {
    let (started, has_started) = mpsc::channel();
    let (let_go, may_go) = mpsc::channel::<()>();
    let (source, inner) = Deferred::new();
    let inner = inner.add_callback(move |n: u32| {
        started.send(()).unwrap();
        may_go.recv().unwrap();
        Ok(n)
    });
    let (_kept, pending) = Deferred::<u32>::new();
    let outer = Deferred::succeed(()).add_callback(move |()| inner);
    let outer = outer.add_callback(move |_| pending);
    let firing = thread::spawn(move || source.callback(1));
    has_started.recv().unwrap();
    outer.cancel();
    let_go.send(()).unwrap();
    // It came too late for the stage, and in time for what is behind it.
    assert!(result_of(outer).unwrap_err().is_cancelled());
    firing.join().unwrap();
}

#[test]
fn race_is_lost_while_a_stage_of_the_loser_runs() {
    let stage = running();
    let (winner, first) = Deferred::new();
    let (mut loser_ended, has_ended) = (Some(()), mpsc::channel());
    let (tx, rx) = has_ended;
    let loser = stage.d.add_errback(move |failure| {
        loser_ended.take();
        tx.send(failure.is_cancelled()).unwrap();
        Err(failure)
    });
    let won = race([first, loser]);
    winner.callback(7);
    assert_eq!(testing::success_of(won), (0, 7));
    stage.let_go.send(()).unwrap();
    assert_eq!(rx.recv_timeout(LIMIT), Ok(true), "the loser awaits on");
    stage.thread.join().unwrap();
}

#[test]
fn list_cancels_the_rest_while_a_stage_of_a_child_runs() {
    let stage = running();
    let (failing, first) = Deferred::<u32>::new();
    let (tx, rx) = mpsc::channel();
    let child = stage.d.add_errback(move |failure| {
        tx.send(failure.is_cancelled()).unwrap();
        Err(failure)
    });
    let list = DeferredList::new([first, child])
        .fire_on_one_errback(true)
        .cancel_rest(true)
        .into_deferred();
    failing.errback("out");
    testing::failure_of(list);
    stage.let_go.send(()).unwrap();
    assert_eq!(rx.recv_timeout(LIMIT), Ok(true), "the child awaits on");
    stage.thread.join().unwrap();
}

#[test]
fn deferred_is_dropped_while_a_stage_runs_and_a_drop_cancels() {
    let stage = running();
    let (tx, rx) = mpsc::channel();
    let d = stage.d.add_errback(move |failure| {
        tx.send(failure.is_cancelled()).unwrap();
        Ok(0)
    });
    drop(d.cancel_on_drop());
    stage.let_go.send(()).unwrap();
    assert_eq!(rx.recv_timeout(LIMIT), Ok(true), "the cancel was lost");
    stage.thread.join().unwrap();
}

/// A coroutine that awaits a chain whose stage runs on another thread, and
/// that is cancelled from inside a callback of an unrelated Deferred.
#[test]
fn coroutine_is_cancelled_inside_a_callback_while_what_it_awaits_runs_elsewhere() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    for _ in 0..1_500 {
        let stage = running();
        let awaited = stage.d;
        let mut co = Deferred::from_coroutine_on(runtime.handle(), awaited);
        let handle = co.cancel_handle();
        let (other, unrelated) = Deferred::new();
        let unrelated = unrelated.add_callback(move |()| {
            handle.cancel();
        });
        let firing = thread::spawn(move || other.callback(()));
        stage.let_go.send(()).unwrap();
        assert!(result_of(co).unwrap_err().is_cancelled());
        firing.join().unwrap();
        testing::success_of(unrelated);
        stage.thread.join().unwrap();
    }
}

#[test]
fn coroutine_is_cancelled_while_a_stage_runs_that_gives_a_value() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let (started, has_started) = mpsc::channel();
    let (let_go, may_go) = mpsc::channel::<()>();
    let (resolver, first) = Deferred::new();
    let first = first.add_callback(move |()| {
        started.send(()).unwrap();
        may_go.recv().unwrap();
        Ok(1)
    });
    let (_kept, second) = Deferred::<u32>::new();
    let co = Deferred::from_coroutine_on(runtime.handle(), async move {
        let one: u32 = first.await?;
        Ok::<_, DeferredError>(one + second.await?)
    });
    let firing = thread::spawn(move || resolver.callback(()));
    has_started.recv().unwrap();
    co.cancel();
    let_go.send(()).unwrap();
    assert!(result_of(co).unwrap_err().is_cancelled());
    firing.join().unwrap();
}

/// Lets the tasks of a runtime that this thread drives come to rest.
fn settle(runtime: &tokio::runtime::Runtime) {
    runtime.block_on(test_support::clock::settle());
}

#[test]
fn signal_comes_while_a_stage_runs_on_another_thread() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    for _ in 0..1_500 {
        let stage = running();
        let (signal, signalled) = tokio::sync::oneshot::channel();
        let entered = runtime.enter();
        let d = stage.d.cancel_when(async move {
            let _ = signalled.await;
        });
        drop(entered);
        signal.send(()).unwrap();
        settle(&runtime);
        stage.let_go.send(()).unwrap();
        assert!(result_of(d).unwrap_err().is_cancelled());
        stage.thread.join().unwrap();
    }
}

#[test]
fn deadline_strikes_while_a_stage_runs_on_another_thread() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    for _ in 0..100 {
        let stage = running();
        let entered = runtime.enter();
        let d = stage.d.add_timeout(Duration::from_millis(50));
        drop(entered);
        // Time is virtual: this passes it, and lets the deadline strike.
        runtime.block_on(async { tokio::time::sleep(Duration::from_millis(60)).await });
        settle(&runtime);
        stage.let_go.send(()).unwrap();
        assert!(result_of(d).unwrap_err().is_timed_out());
        stage.thread.join().unwrap();
    }
}

#[test]
fn deadline_strikes_a_stage_that_gives_a_value_and_not_what_is_behind_it() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let (started, has_started) = mpsc::channel();
    let (let_go, may_go) = mpsc::channel::<()>();
    let (resolver, d) = Deferred::new();
    let d = d.add_callback(move |n: u32| {
        started.send(()).unwrap();
        may_go.recv().unwrap();
        Ok(n)
    });
    let entered = runtime.enter();
    let (late, pending) = Deferred::<u32>::new();
    let d = d
        .add_timeout(Duration::from_millis(50))
        .add_callback(move |n| pending.map(move |m| n + m));
    drop(entered);
    let firing = thread::spawn(move || resolver.callback(1));
    has_started.recv().unwrap();
    runtime.block_on(async { tokio::time::sleep(Duration::from_millis(60)).await });
    settle(&runtime);
    let_go.send(()).unwrap();
    firing.join().unwrap();
    settle(&runtime);
    assert!(!d.is_fired());
    late.callback(2);
    assert_eq!(result_of(d).unwrap(), 3);
}

#[test]
fn signal_is_given_by_the_stage_itself() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let (signal, signalled) = tokio::sync::oneshot::channel::<()>();
    let (resolver, d) = Deferred::new();
    let (_kept, pending) = Deferred::<u32>::new();
    let d = d.add_callback(move |()| {
        signal.send(()).unwrap();
        pending
    });
    let entered = runtime.enter();
    let d = d.cancel_when(async move {
        let _ = signalled.await;
    });
    drop(entered);
    resolver.callback(());
    settle(&runtime);
    assert!(testing::failure_of(d).is_cancelled());
}

#[test]
fn stage_cancels_its_own_chain_and_returns_a_pending_one() {
    // As in Twisted, that does nothing.
    let (resolver, mut d) = Deferred::new();
    let handle = d.cancel_handle();
    let (late, pending) = Deferred::new();
    let d = d.add_callback(move |()| {
        handle.cancel();
        pending
    });
    resolver.callback(());
    late.callback(1);
    assert_eq!(testing::success_of(d), 1);
}
