//! Work on other threads, and calls from them.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio_deferred::{
    Deferred, DeferredLock, DeferredSemaphore, Failure, NoRuntime, testing, threads,
};

/// A runtime with one thread for blocking code.
fn one_thread() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(1)
        .build()
        .unwrap()
}

/// A handle of a runtime that is gone.
fn gone() -> Handle {
    Runtime::new().unwrap().handle().clone()
}

#[tokio::test]
async fn defer_then_value_from_another_thread() {
    let here = thread::current().id();
    let d = threads::defer_to_thread(|| Ok(thread::current().id()));
    assert_ne!(d.await.unwrap(), here);
}

#[tokio::test]
async fn defer_then_question_mark() {
    let d = threads::defer_to_thread(|| Ok("seven".parse::<i32>()?));
    assert!(d.await.unwrap_err().is::<std::num::ParseIntError>());
}

#[tokio::test]
async fn defer_then_panic() {
    let d = threads::defer_to_thread(|| -> Result<(), Failure> { panic!("no such sheep") });
    let error = d.await.unwrap_err();
    assert!(error.is_panic());
    assert!(error.error().to_string().contains("no such sheep"));
}

#[tokio::test]
async fn defer_then_a_deferred_is_waited_for() {
    let (resolver, inner) = Deferred::new();
    let d = threads::defer_to_thread(move || {
        resolver.callback(5);
        inner
    });
    assert_eq!(d.await.unwrap(), 5);
}

#[test]
fn cancel_before_the_call_begins() {
    let runtime = one_thread();
    let (let_go, wait) = mpsc::channel::<()>();
    let first = threads::defer_to_thread_on(runtime.handle(), move || Ok(wait.recv()?));
    let called = Arc::new(Mutex::new(false));
    let flag = called.clone();
    let second = threads::defer_to_thread_on(runtime.handle(), move || {
        *flag.lock().unwrap() = true;
    });
    let third = threads::defer_to_thread_on(runtime.handle(), || Ok(3));
    second.cancel();
    assert!(testing::failure_of(second).is_cancelled());
    let_go.send(()).unwrap();
    runtime.block_on(first).unwrap();
    // The third is behind the second in the queue.
    assert_eq!(runtime.block_on(third).unwrap(), 3);
    assert!(!*called.lock().unwrap());
}

#[test]
fn cancel_after_the_call_began_then_its_value_is_dropped() {
    let runtime = one_thread();
    let (began, has_begun) = mpsc::channel();
    let (let_go, wait) = mpsc::channel::<()>();
    let value = Arc::new(());
    let inside = value.clone();
    let d = threads::defer_to_thread_on(runtime.handle(), move || {
        began.send(())?;
        wait.recv()?;
        Ok(inside)
    });
    has_begun.recv().unwrap();
    d.cancel();
    assert!(testing::failure_of(d).is_cancelled());
    let_go.send(()).unwrap();
    let next = threads::defer_to_thread_on(runtime.handle(), || Ok(()));
    runtime.block_on(next).unwrap();
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn cancel_before_the_call_begins_drops_it_at_once() {
    let runtime = one_thread();
    let (let_go, wait) = mpsc::channel::<()>();
    let first = threads::defer_to_thread_on(runtime.handle(), move || Ok(wait.recv()?));
    let value = Arc::new(());
    let inside = value.clone();
    let second = threads::defer_to_thread_on(runtime.handle(), move || Ok(inside));
    second.cancel();
    assert_eq!(Arc::strong_count(&value), 1, "the queue keeps it");
    assert!(testing::failure_of(second).is_cancelled());
    let_go.send(()).unwrap();
    runtime.block_on(first).unwrap();
}

/// What a cancelled call on a thread was given comes back when it is over.
#[test]
fn cancel_a_call_under_a_permit_then_the_permit_comes_back_after_it() {
    let runtime = Runtime::new().unwrap();
    let _entered = runtime.enter();
    let semaphore = DeferredSemaphore::new(1);
    let lock = DeferredLock::new();
    let (began, has_begun) = mpsc::channel();
    let (let_go, wait) = mpsc::channel::<()>();
    let (done, is_done) = mpsc::channel::<()>();
    let (inner, outer) = (lock.clone(), semaphore.clone());
    let d = outer.run(move || {
        inner.run(move || {
            threads::defer_to_thread(move || {
                began.send(()).unwrap();
                let result = wait.recv();
                drop(done);
                Ok(result?)
            })
        })
    });
    has_begun.recv().unwrap();
    d.cancel();
    assert!(testing::failure_of(d).is_cancelled());
    assert!(semaphore.tokens() == 0 && lock.is_locked());
    let waiting = semaphore.run(|| Ok(2));
    testing::assert_no_result(&waiting);
    let_go.send(()).unwrap();
    assert!(is_done.recv().is_err());
    assert_eq!(runtime.block_on(waiting).unwrap(), 2);
    runtime.block_on(lock.run(|| Ok(()))).unwrap();
}

#[test]
fn cancel_a_call_under_a_permit_before_it_begins_then_the_permit_comes_back() {
    let runtime = one_thread();
    let _entered = runtime.enter();
    let (let_go, wait) = mpsc::channel::<()>();
    let first = threads::defer_to_thread(move || Ok(wait.recv()?));
    let semaphore = DeferredSemaphore::new(1);
    let d = semaphore.run(|| threads::defer_to_thread(|| Ok(())));
    d.cancel();
    assert!(testing::failure_of(d).is_cancelled());
    assert_eq!(semaphore.tokens(), 1);
    let_go.send(()).unwrap();
    runtime.block_on(first).unwrap();
}

#[test]
fn a_job_that_panics_after_it_started_a_call_keeps_the_permit_for_that() {
    let runtime = Runtime::new().unwrap();
    let _entered = runtime.enter();
    let semaphore = DeferredSemaphore::new(1);
    let (let_go, wait) = mpsc::channel::<()>();
    let d = semaphore.run(move || -> Result<(), Failure> {
        threads::defer_to_thread(move || Ok(wait.recv()?)).log_errors();
        panic!("no more")
    });
    assert!(testing::failure_of(d).is_panic());
    // The panic went through the permit: only an outcome is waited for.
    assert_eq!(semaphore.tokens(), 1);
    let_go.send(()).unwrap();
}

#[test]
fn defer_without_a_runtime() {
    let d = threads::defer_to_thread(|| Ok(1));
    assert!(testing::failure_of(d).is::<NoRuntime>());
}

#[test]
fn defer_to_a_runtime_that_is_gone() {
    let d = threads::defer_to_thread_on(&gone(), || Ok(1));
    assert!(testing::failure_of(d).is::<NoRuntime>());
}

#[tokio::test]
async fn call_in_thread_is_called() {
    let (resolver, d) = Deferred::new();
    threads::call_in_thread(move || resolver.callback(thread::current().id()));
    assert_ne!(d.await.unwrap(), thread::current().id());
}

#[test]
fn call_in_thread_without_a_runtime_is_reported() {
    let reports = testing::capture_unhandled(|| threads::call_in_thread(|| Ok(())));
    assert_eq!(reports.len(), 1);
    assert!(reports[0].failure().is::<NoRuntime>());
}

#[tokio::test]
async fn call_multiple_in_order_on_one_thread() {
    let (tx, rx) = mpsc::channel();
    let (resolver, done) = Deferred::new();
    let mut resolver = Some(resolver);
    threads::call_multiple_in_thread((0..100).map(|n| {
        let tx = tx.clone();
        let last = if n == 99 { resolver.take() } else { None };
        move || {
            tx.send((n, thread::current().id()))?;
            if let Some(resolver) = last {
                resolver.callback(());
            }
            Ok(())
        }
    }));
    done.await.unwrap();
    let calls: Vec<_> = rx.try_iter().collect();
    assert!(calls.iter().map(|call| call.0).eq(0..100));
    assert!(calls.iter().all(|call| call.1 == calls[0].1));
    assert_ne!(calls[0].1, thread::current().id());
}

#[test]
fn call_multiple_ends_with_the_first_that_fails() {
    let runtime = one_thread();
    let (tx, rx) = mpsc::channel();
    let _entered = runtime.enter();
    threads::call_multiple_in_thread((0..5).map(|n| {
        let tx = tx.clone();
        move || {
            tx.send(n)?;
            if n == 2 {
                return Err(Failure::new("a bad one"));
            }
            Ok(())
        }
    }));
    drop(tx);
    assert_eq!(rx.iter().collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn call_from_thread_runs_in_a_task() {
    let runtime = one_thread();
    let (tx, rx) = mpsc::channel();
    threads::call_from_thread(
        runtime.handle(),
        move || Ok(tx.send(tokio::task::try_id())?),
    );
    assert!(rx.recv().unwrap().is_some());
}

#[test]
fn call_from_thread_of_a_runtime_that_is_gone_is_reported() {
    let handle = gone();
    let reports = testing::capture_unhandled(|| threads::call_from_thread(&handle, || Ok(())));
    assert_eq!(reports.len(), 1);
    assert!(reports[0].failure().is::<NoRuntime>());
}

#[test]
fn blocking_call_then_value_then_failure_then_panic() {
    let runtime = one_thread();
    let handle = runtime.handle();
    let call = || threads::blocking_call_from_thread(handle, || Ok(tokio::task::try_id()));
    assert!(call().unwrap().is_some());
    let failed = threads::blocking_call_from_thread(handle, || Deferred::<()>::fail("no"));
    assert_eq!(failed.unwrap_err().error().to_string(), "no");
    let panicked =
        threads::blocking_call_from_thread(handle, || -> Result<(), Failure> { panic!("oh") });
    assert!(panicked.unwrap_err().is_panic());
}

#[test]
fn blocking_call_waits_for_the_deferred() {
    let runtime = one_thread();
    let (resolver, d) = Deferred::new();
    let caller = {
        let handle = runtime.handle().clone();
        let (called, has_called) = mpsc::channel();
        let caller = thread::spawn(move || {
            threads::blocking_call_from_thread(&handle, move || {
                called.send(()).unwrap();
                d
            })
        });
        has_called.recv().unwrap();
        caller
    };
    resolver.callback(9);
    assert_eq!(caller.join().unwrap().unwrap(), 9);
}

#[test]
fn blocking_call_from_a_thread_for_blocking_code() {
    let runtime = one_thread();
    let handle = runtime.handle().clone();
    let d = threads::defer_to_thread_on(runtime.handle(), move || {
        Ok(threads::blocking_call_from_thread(&handle, || Ok(4))?)
    });
    assert_eq!(runtime.block_on(d).unwrap(), 4);
}

#[test]
fn blocking_call_from_a_runtimes_own_thread_is_refused() {
    let is_refused = |handle: &Handle| {
        let called = Arc::new(Mutex::new(false));
        let flag = called.clone();
        let refused = threads::blocking_call_from_thread(handle, move || {
            *flag.lock().unwrap() = true;
        });
        let error = refused.unwrap_err();
        assert!(!*called.lock().unwrap());
        error.is::<threads::CannotBlock>()
    };
    let many = one_thread();
    let one = Builder::new_current_thread().build().unwrap();
    for runtime in [&many, &one] {
        // In the future given to block_on, in a task, and for another runtime.
        assert!(runtime.block_on(async { is_refused(runtime.handle()) }));
        let handle = runtime.handle().clone();
        assert!(
            runtime
                .block_on(runtime.spawn(async move { is_refused(&handle) }))
                .unwrap()
        );
        assert!(runtime.block_on(async { is_refused(many.handle()) }));
    }
    // Where Tokio allows to block, so does this.
    let handle = many.handle().clone();
    let allowed = many.spawn(async move {
        tokio::task::block_in_place(|| threads::blocking_call_from_thread(&handle, || Ok(1)))
    });
    assert_eq!(many.block_on(allowed).unwrap().unwrap(), 1);
}

/// Whether blocking is allowed is found out without a panic, of which a hook
/// would hear, and takes nothing from a task's budget.
#[test]
fn blocking_call_is_refused_without_a_panic() {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static COUNTS: Cell<bool> = const { Cell::new(false) };
    }
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if COUNTS.get() {
            // ORDERING: it is read after the threads that add to it.
            PANICS.fetch_add(1, Ordering::Relaxed);
        }
        hook(info);
    }));
    let many = one_thread();
    let one = Builder::new_current_thread().build().unwrap();
    let target = many.handle().clone();
    let is_refused = move || {
        COUNTS.set(true);
        let call = threads::blocking_call_from_thread(&target, || Ok(1));
        COUNTS.set(false);
        call.is_err_and(|error| error.is::<threads::CannotBlock>())
    };
    for runtime in [&many, &one] {
        assert!(runtime.block_on(async { is_refused() }));
        let in_task = is_refused.clone();
        let task = runtime.spawn(async move {
            let refused = (in_task(), in_task());
            assert!(tokio::task::coop::has_budget_remaining());
            refused == (true, true)
        });
        assert!(runtime.block_on(task).unwrap());
        // A coroutine's first poll has no budget.
        let in_coroutine = is_refused.clone();
        let task = runtime.spawn(async move {
            let d = Deferred::from_coroutine(async move { Ok::<_, Failure>(in_coroutine()) });
            d.await.unwrap()
        });
        assert!(runtime.block_on(task).unwrap());
        let entered = runtime.enter();
        assert!(!is_refused());
        drop(entered);
        let in_thread = is_refused.clone();
        let call = threads::defer_to_thread_on(runtime.handle(), move || Ok(in_thread()));
        assert!(!many.block_on(call).unwrap());
    }
    let in_place = is_refused.clone();
    let task = many.spawn(async move { tokio::task::block_in_place(in_place) });
    assert!(!many.block_on(task).unwrap());
    assert!(!is_refused());
    // ORDERING: as above.
    assert_eq!(PANICS.load(Ordering::Relaxed), 0);
}

#[test]
fn blocking_call_to_a_runtime_that_is_gone() {
    let refused = threads::blocking_call_from_thread(&gone(), || Ok(1));
    assert!(refused.unwrap_err().is::<NoRuntime>());
}

/// The pool drops an aborted job while the canceller still runs.
#[test]
fn cancel_while_the_pool_takes_the_job_is_a_cancel() {
    let runtime = one_thread();
    let _entered = runtime.enter();
    for _ in 0..if cfg!(miri) { 10 } else { 10_000 } {
        let d = threads::defer_to_thread(|| Ok(()));
        d.cancel();
        if let Err(error) = futures::executor::block_on(d) {
            assert!(error.is_cancelled(), "{error:?}");
        }
    }
}
