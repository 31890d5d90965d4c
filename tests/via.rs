//! Stages that run elsewhere: on a runtime, or where a posted job is run.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio_deferred::{Deferred, Job, JobDropped, NoRuntime, testing};

/// A runtime that runs nothing as long as nothing blocks on it.
fn idle() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

#[test]
fn fire_then_cancel_while_the_hop_is_under_way() {
    let runtime = idle();
    let value = Arc::new(());
    let (resolver, d) = Deferred::new();
    let d = d.via(runtime.handle());
    resolver.callback(value.clone());
    testing::assert_no_result(&d);
    d.cancel_with("too slow");
    assert_eq!(Arc::strong_count(&value), 1, "the result was kept");
    let failure = testing::failure_of(d);
    assert!(failure.is_cancelled());
    assert_eq!(failure.source().unwrap().to_string(), "too slow");
    // The task comes too late, and does nothing.
    runtime.block_on(async { tokio::task::yield_now().await });
}

#[test]
fn timeout_while_the_hop_is_under_way_on_a_runtime_that_runs_nothing() {
    let stuck = idle();
    let timers = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let d = timers.block_on(async {
        let d = Deferred::succeed(1).via(stuck.handle());
        d.add_timeout(Duration::from_millis(5)).await
    });
    assert!(d.unwrap_err().is_timed_out());
}

#[test]
fn cancel_before_the_fire_reaches_the_stages_before() {
    let runtime = idle();
    let (resolver, d) = Deferred::<()>::new();
    let d = d.via(runtime.handle());
    d.cancel();
    assert!(resolver.is_cancelled());
    // Its failure hops as well.
    testing::assert_no_result(&d);
    assert!(runtime.block_on(d).unwrap_err().is_cancelled());
}

#[test]
fn cancel_twice_on_a_runtime_that_runs_nothing() {
    let runtime = idle();
    let (_resolver, d) = Deferred::<()>::new();
    let d = d.via(runtime.handle());
    d.cancel();
    d.cancel();
    assert!(testing::failure_of(d).is_cancelled());
}

#[test]
fn fire_to_a_runtime_that_is_gone_then_to_one_that_ends() {
    let gone = Runtime::new().unwrap().handle().clone();
    let d = Deferred::succeed(1).via(&gone);
    assert!(testing::failure_of(d).is::<NoRuntime>());
    let runtime = idle();
    let d = Deferred::succeed(1).via(runtime.handle());
    drop(runtime);
    assert!(testing::failure_of(d).is::<NoRuntime>());
}

/// A cancel and a hop that meet on two threads: each Deferred has one result.
#[test]
fn cancel_from_other_thread_while_the_result_arrives() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let (tx, rx) = mpsc::channel::<tokio_deferred::CancelHandle>();
    let cancelling = thread::spawn(move || rx.iter().filter(|handle| handle.cancel()).count());
    let mut cancelled = 0;
    for round in 0..if cfg!(miri) { 20 } else { 3_000 } {
        let (resolver, d) = Deferred::new();
        let mut d = d.via(runtime.handle()).map(|n: u32| n + 1);
        tx.send(d.cancel_handle()).unwrap();
        if round % 2 == 0 {
            thread::yield_now();
        }
        resolver.callback(round);
        match runtime.block_on(d) {
            Ok(n) => assert_eq!(n, round + 1),
            Err(error) => {
                assert!(error.is_cancelled());
                cancelled += 1;
            }
        }
    }
    drop(tx);
    cancelling.join().unwrap();
    assert!(cancelled > 0, "no cancel came in time");
}

/// A loop that is written by hand: it runs the jobs that are posted to it, on
/// one thread.
#[derive(Clone, Default)]
struct Loop(Arc<(Mutex<VecDeque<Option<Job>>>, Condvar)>);

impl Loop {
    fn post(&self, job: Option<Job>) {
        let (jobs, changed) = &*self.0;
        jobs.lock().unwrap().push_back(job);
        changed.notify_one();
    }

    fn run(&self) {
        let (jobs, changed) = &*self.0;
        loop {
            let waiting = jobs.lock().unwrap();
            let mut waiting = changed.wait_while(waiting, |jobs| jobs.is_empty()).unwrap();
            match waiting.pop_front().unwrap() {
                Some(job) => {
                    drop(waiting);
                    job.run();
                }
                None => return,
            }
        }
    }
}

#[test]
fn via_a_loop_that_is_written_by_hand() {
    let main_loop = Loop::default();
    let (resolver, d) = Deferred::new();
    let (post, quit) = (main_loop.clone(), main_loop.clone());
    let d = d
        .via_with(move |job| post.post(Some(job)))
        .map(|n: i32| (n * 2, thread::current().id()))
        .finally(move || quit.post(None));
    thread::spawn(move || resolver.callback(21)).join().unwrap();
    testing::assert_no_result(&d);
    main_loop.run();
    assert_eq!(testing::success_of(d), (42, thread::current().id()));
}

#[test]
fn via_rayon() {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    let worker = pool.install(|| thread::current().id());
    let (resolver, d) = Deferred::new();
    let d = d
        .via_with(move |job| pool.spawn(move || job.run()))
        .map(|n: i32| (n + 1, thread::current().id()));
    resolver.callback(1);
    assert_eq!(futures::executor::block_on(d).unwrap(), (2, worker));
}

#[test]
fn job_dropped_then_the_later_stages_fail() {
    let d = Deferred::succeed(1).via_with(drop);
    assert!(testing::failure_of(d).is::<JobDropped>());
    let d = Deferred::succeed(1).via_with(|_job| panic!("no such loop"));
    assert!(testing::failure_of(d).is::<JobDropped>());
    let (tx, rx) = mpsc::channel();
    let d = Deferred::<i32>::fail("lost").via_with(move |job| tx.send(job).unwrap());
    testing::assert_no_result(&d);
    drop(rx);
    assert!(testing::failure_of(d).is::<JobDropped>());
}

#[test]
fn cancel_before_the_fire_then_no_job_is_needed_twice() {
    let (tx, rx) = mpsc::channel();
    let (_resolver, d) = Deferred::<()>::new();
    let d = d.via_with(move |job| tx.send(job).unwrap());
    d.cancel();
    rx.recv().unwrap().run();
    assert!(testing::failure_of(d).is_cancelled());
    assert!(rx.recv().is_err());
}

#[test]
fn cancel_after_the_post_then_the_job_does_nothing() {
    let (tx, rx) = mpsc::channel();
    let d = Deferred::succeed(1).via_with(move |job| tx.send(job).unwrap());
    d.cancel();
    assert!(testing::failure_of(d).is_cancelled());
    rx.recv().unwrap().run();
}

#[test]
fn drop_then_the_later_stages_run_all_the_same() {
    let (tx, rx) = mpsc::channel();
    let (called, calls) = mpsc::channel();
    let d = Deferred::succeed(1).via_with(move |job| tx.send(job).unwrap());
    drop(d.map(move |n| called.send(n).unwrap()));
    rx.recv().unwrap().run();
    assert_eq!(calls.recv().unwrap(), 1);
}
