//! Operations that cannot even be started, and errbacks that start them again:
//! that takes no stack, and code that never stops it does not hang.
//!
//! Every test runs on a thread of 256 KiB, and so fails, by overflowing it, if
//! anything takes stack for each start.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio_deferred::task::{LoopingCall, defer_later};
use tokio_deferred::{
    Deferred, DeferredQueue, DeferredSemaphore, NoRuntime, debug, testing, threads,
};

const STARTS: u32 = if cfg!(miri) {
    200
} else if cfg!(debug_assertions) {
    20_000
} else {
    200_000
};
const HOUR: Duration = Duration::from_secs(3_600);

fn on_small_stack(test: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(256 * 1024);
    thread.spawn(test).unwrap().join().expect("no panic");
}

/// A handle of a runtime that is gone.
fn gone() -> Handle {
    Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .handle()
        .clone()
}

type Start = fn(&Handle) -> Deferred<()>;

/// Starts again in an errback as long as it fails.
fn again(start: Start, handle: Handle, left: u32) -> Deferred<()> {
    let d = start(&handle);
    d.add_errback(move |failure| match left {
        0 => Deferred::fail(failure),
        left => again(start, handle, left - 1),
    })
}

const STARTERS: &[(&str, Start)] = &[
    ("defer_later", |_| defer_later(HOUR, || Ok(()))),
    ("defer_later on a runtime that is gone", |gone| {
        let _entered = gone.enter();
        defer_later(HOUR, || Ok(()))
    }),
    ("add_timeout", |_| {
        let (resolver, d) = Deferred::new();
        let d = d.add_timeout(HOUR);
        drop(resolver);
        d
    }),
    ("add_timeout on a runtime that is gone", |gone| {
        let _entered = gone.enter();
        let (resolver, d) = Deferred::new();
        let d = d.add_timeout(HOUR);
        drop(resolver);
        d
    }),
    ("cancel_when", |_| {
        let (resolver, d) = Deferred::new();
        let d = d.cancel_when(std::future::pending());
        drop(resolver);
        d
    }),
    ("LoopingCall", |_| LoopingCall::new(|| ()).start(HOUR)),
    ("defer_to_thread", |_| threads::defer_to_thread(|| Ok(()))),
    ("defer_to_thread_on", |gone| {
        threads::defer_to_thread_on(gone, || Ok(()))
    }),
    ("via", |gone| Deferred::succeed(()).via(gone)),
    ("via_with", |_| Deferred::succeed(()).via_with(drop)),
    ("acquire", |_| DeferredSemaphore::new(0).run(|| Ok(()))),
    ("get", |_| DeferredQueue::with_limits(None, Some(0)).get()),
    ("cooperate", |_| {
        tokio_deferred::task::cooperate([()]).when_done()
    }),
    ("from_coroutine", |_| {
        Deferred::from_coroutine(async {
            std::future::pending::<()>().await;
            Ok::<_, tokio_deferred::Failure>(())
        })
    }),
    ("from_coroutine_on", |gone| {
        Deferred::from_coroutine_on(gone, async {
            std::future::pending::<()>().await;
            Ok::<_, tokio_deferred::Failure>(())
        })
    }),
];

#[test]
fn fail_then_start_again_in_an_errback_takes_no_stack() {
    on_small_stack(|| {
        let gone = gone();
        for (name, start) in STARTERS {
            println!("{name}");
            let d = again(*start, gone.clone(), STARTS);
            assert!(d.try_result().unwrap().is_err(), "{name}");
        }
    });
}

#[test]
fn runtime_dropped_then_start_again_in_an_errback_takes_no_stack() {
    on_small_stack(|| {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let entered = runtime.enter();
        let start: Start = |_| defer_later(HOUR, || Ok(()));
        let d = again(start, runtime.handle().clone(), STARTS);
        drop(entered);
        testing::assert_no_result(&d);
        drop(runtime);
        assert!(testing::failure_of(d).is::<NoRuntime>());
    });
}

/// As code that reconnects for ever does, whatever the failure is.
#[test]
#[cfg_attr(
    any(debug_assertions, miri),
    ignore = "a million starts: for --release"
)]
fn runtime_dropped_then_start_again_for_ever_ends_and_is_reported() {
    fn reconnect() -> Deferred<()> {
        defer_later(HOUR, || Ok(())).add_errback(|_| reconnect())
    }
    on_small_stack(|| {
        let (tx, reports) = mpsc::channel();
        debug::set_unhandled_hook(move |report| {
            let _ = tx.send(report.failure().to_string());
        });
        for runtime in [
            Builder::new_current_thread().enable_time().build().unwrap(),
            Runtime::new().unwrap(),
        ] {
            let d = runtime.block_on(async { reconnect() });
            drop(runtime);
            testing::assert_no_result(&d);
            let text = reports.recv().unwrap();
            assert!(text.contains("started again a million times in a row"));
            assert!(reports.try_recv().is_err());
        }
    });
}

/// What is put off comes when the outermost stage is over, and in order.
#[test]
fn few_starts_fail_before_they_return() {
    let d = again(|_| defer_later(HOUR, || Ok(())), gone(), 20);
    assert!(testing::failure_of(d).is::<NoRuntime>());
    let inside = Deferred::<()>::fail("outer").add_errback(|_| {
        let failed = defer_later(HOUR, || Ok(()));
        assert!(testing::failure_of(failed).is::<NoRuntime>());
        Ok(())
    });
    testing::success_of(inside);
}
