//! What is missing, or not allowed, is found out without a panic: this program
//! ends at the first one that is raised, caught or not.
//!
//! It has no test harness, so that it can be built to abort on a panic, too:
//! `cargo rustc --test no_panic -- -C panic=abort`, and then the program.

use std::cell::RefCell;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio_deferred::task::{LoopingCall, cooperate, defer_later};
use tokio_deferred::threads::{self, CannotBlock};
use tokio_deferred::{Deferred, Failure, NoRuntime, set_default_runtime, testing};

const HOUR: Duration = Duration::from_secs(3_600);

fn main() {
    std::panic::set_hook(Box::new(|info| {
        eprintln!("{info}");
        std::process::abort();
    }));
    nothing_there();
    runtime_that_is_gone();
    runtime_that_shuts_down();
    thread_that_may_not_block();
    thread_that_ends();
    println!("test result: ok. no panic was raised");
}

fn fails_with_no_runtime<T: Send + 'static>(d: Deferred<T>) {
    let failure = testing::failure_of(d);
    assert!(failure.is::<NoRuntime>(), "{failure:?}");
}

fn pending() -> Deferred<()> {
    Deferred::from_callback(std::mem::forget)
}

/// Everything that waits for a runtime.
fn start_all() {
    fails_with_no_runtime(defer_later(HOUR, || Ok(())));
    fails_with_no_runtime(pending().add_timeout(HOUR));
    fails_with_no_runtime(pending().add_timeout_with(HOUR, |result| result));
    fails_with_no_runtime(pending().cancel_when(std::future::pending()));
    fails_with_no_runtime(threads::defer_to_thread(|| Ok(())));
    fails_with_no_runtime(cooperate([()]).when_done());
}

fn nothing_there() {
    start_all();
    fails_with_no_runtime(LoopingCall::new(|| ()).start(HOUR));
}

/// A handle of a runtime that is gone.
fn gone() -> Handle {
    Runtime::new().unwrap().handle().clone()
}

fn runtime_that_is_gone() {
    let gone = gone();
    let entered = gone.enter();
    start_all();
    drop(entered);
    fails_with_no_runtime(Deferred::succeed(1).via(&gone));
    fails_with_no_runtime(threads::defer_to_thread_on(&gone, || Ok(1)));
    let refused = threads::blocking_call_from_thread(&gone, || Ok(1));
    assert!(refused.unwrap_err().is::<NoRuntime>());
}

/// Timers that are scheduled on other threads while their runtime shuts down.
fn runtime_that_shuts_down() {
    for _ in 0..50 {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_time()
            .build()
            .unwrap();
        let (ready, is_ready) = mpsc::channel();
        let schedulers = [runtime.handle().clone(), runtime.handle().clone()].map(|handle| {
            let ready = ready.clone();
            thread::spawn(move || {
                let _entered = handle.enter();
                let all: Vec<_> = (0..200).map(|_| defer_later(HOUR, || Ok(()))).collect();
                ready.send(()).unwrap();
                let more: Vec<_> = (0..200).map(|_| defer_later(HOUR, || Ok(()))).collect();
                for d in all.into_iter().chain(more) {
                    let ended = futures::executor::block_on(d);
                    assert!(ended.unwrap_err().is::<NoRuntime>());
                }
            })
        });
        is_ready.recv().unwrap();
        drop(runtime);
        for scheduler in schedulers {
            scheduler.join().unwrap();
        }
    }
}

fn thread_that_may_not_block() {
    let many = Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let one = Builder::new_current_thread().build().unwrap();
    let target = many.handle().clone();
    let is_refused = move || {
        let call = threads::blocking_call_from_thread(&target, || Ok(1));
        call.is_err_and(|error| error.is::<CannotBlock>())
    };
    for runtime in [&many, &one] {
        assert!(runtime.block_on(async { is_refused() }));
        let in_task = is_refused.clone();
        let task = runtime.spawn(async move { in_task() });
        assert!(runtime.block_on(task).unwrap());
        let in_coroutine = is_refused.clone();
        let task = runtime.spawn(async move {
            let d = Deferred::from_coroutine(async move { Ok::<_, Failure>(in_coroutine()) });
            d.await.unwrap()
        });
        assert!(runtime.block_on(task).unwrap());
        let _entered = runtime.enter();
        assert!(!is_refused());
    }
    let in_thread = is_refused.clone();
    let call = threads::defer_to_thread_on(one.handle(), move || Ok(in_thread()));
    assert!(!many.block_on(call).unwrap());
    let in_place = is_refused.clone();
    let task = many.spawn(async move { tokio::task::block_in_place(in_place) });
    assert!(!many.block_on(task).unwrap());
}

/// Runs its function when its thread's thread-locals are destroyed.
struct AtTheEnd(Option<Box<dyn FnOnce()>>);

impl Drop for AtTheEnd {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

thread_local! {
    static AT_THE_END: RefCell<AtTheEnd> = const { RefCell::new(AtTheEnd(None)) };
}

/// Everything on a thread that is ending, after Tokio's thread-locals went.
fn thread_that_ends() {
    let runtime = Runtime::new().unwrap();
    for handle in [gone(), runtime.handle().clone()] {
        set_default_runtime(&handle);
        let (tx, rx) = mpsc::channel();
        let is_gone = handle.id() != runtime.handle().id();
        let ends = thread::spawn(move || {
            // What is used first is destroyed last.
            AT_THE_END.with_borrow_mut(|end| {
                end.0 = Some(Box::new(move || {
                    let error = Handle::try_current().unwrap_err();
                    assert!(error.is_thread_local_destroyed());
                    if is_gone {
                        start_all();
                        return;
                    }
                    let call = LoopingCall::new(|| ());
                    drop(call.start(Duration::from_millis(1)));
                    let all = [
                        defer_later(Duration::from_millis(1), || Ok(())),
                        pending().add_timeout(Duration::from_millis(1)),
                        threads::defer_to_thread(|| Ok(())),
                        cooperate([()]).when_done(),
                        Deferred::succeed(()).via(&handle),
                    ];
                    tx.send((call, all)).unwrap();
                }));
            });
            let _ = Handle::try_current();
        });
        ends.join().unwrap();
        if let Ok((call, all)) = rx.recv() {
            for (n, d) in all.into_iter().enumerate() {
                let timed_out = runtime.block_on(d).is_err_and(|error| error.is_timed_out());
                assert_eq!(timed_out, n == 1);
            }
            call.stop();
        }
    }
}
