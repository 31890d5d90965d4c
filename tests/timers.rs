//! Timers on runtimes with busy workers, on threads that end, and in a process
//! that was forked; and what n timers cost.

#![cfg(not(miri))] // Real time, and `fork`.

use std::cell::RefCell;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio_deferred::task::{LoopingCall, defer_later};
use tokio_deferred::{Deferred, NoRuntime, set_default_runtime, testing};

const LONG: Duration = Duration::from_secs(3_600);

fn workers(n: usize) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(n)
        .enable_all()
        .build()
        .unwrap()
}

/// A task schedules a timeout, and then blocks its worker until the timeout of
/// another task, which was scheduled later, has come.
fn blocked_worker_then_another_timeout(rounds: u32, after: Duration) {
    let runtime = workers(4);
    for _ in 0..rounds {
        let (blocks, is_blocking) = mpsc::channel();
        let (came, let_go) = mpsc::channel::<()>();
        let (_never, waits) = Deferred::<()>::new();
        let blocker = runtime.spawn(async move {
            let waits = waits.add_timeout(LONG);
            blocks.send(()).unwrap();
            let in_time = let_go.recv_timeout(Duration::from_secs(20)).is_ok();
            drop(waits.add_errback(|_| Ok(())));
            in_time
        });
        is_blocking.recv().unwrap();
        let (_never, d) = Deferred::<()>::new();
        let other = runtime.spawn(async move { d.add_timeout(after).await });
        let result = runtime.block_on(other).unwrap();
        assert!(result.unwrap_err().is_timed_out());
        came.send(()).unwrap();
        let in_time = runtime.block_on(blocker).unwrap();
        assert!(in_time, "the other timeout waited for the blocked worker");
    }
}

#[test]
fn schedule_then_block_a_worker_then_another_timeout_comes() {
    blocked_worker_then_another_timeout(5, Duration::from_millis(50));
}

#[test]
#[ignore = "1,500 rounds: for --release"]
fn schedule_then_block_a_worker_then_another_timeout_comes_each_time() {
    blocked_worker_then_another_timeout(1_500, Duration::from_millis(2));
}

/// The timeout that the blocked task itself has scheduled comes as well.
#[test]
fn schedule_then_block_a_worker_then_its_own_timeout_comes() {
    let runtime = workers(4);
    let (mut resolver, d) = Deferred::<()>::new();
    let (tx, cancelled) = mpsc::channel();
    resolver.on_cancel(move || tx.send(()).unwrap());
    let blocker = runtime.spawn(async move {
        let d = d.add_timeout(Duration::from_millis(20));
        let came = cancelled.recv_timeout(Duration::from_secs(20));
        (came.is_ok(), d.await)
    });
    let (came, result) = runtime.block_on(blocker).unwrap();
    assert!(came, "the timeout waited for the worker that scheduled it");
    assert!(result.unwrap_err().is_timed_out());
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

/// Runs `f` on a thread that is ending, after Tokio's thread-locals went.
fn without_thread_locals<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> R {
    let (tx, rx) = mpsc::channel();
    thread::spawn(move || {
        // What is used first is destroyed last.
        AT_THE_END.with_borrow_mut(|end| {
            end.0 = Some(Box::new(move || {
                let gone = tokio::runtime::Handle::try_current().unwrap_err();
                assert!(gone.is_thread_local_destroyed());
                tx.send(f()).unwrap();
            }));
        });
        let _ = tokio::runtime::Handle::try_current();
    })
    .join()
    .unwrap();
    rx.recv().unwrap()
}

#[test]
fn timers_of_a_thread_without_thread_locals() {
    let runtime = workers(2);
    set_default_runtime(runtime.handle());
    let (resolver, limited, later) = without_thread_locals(|| {
        let (resolver, d) = Deferred::<()>::new();
        let limited = d.add_timeout(Duration::from_millis(5));
        let later = defer_later(Duration::from_millis(5), || Ok("later"));
        (resolver, limited, later)
    });
    assert!(runtime.block_on(limited).unwrap_err().is_timed_out());
    assert!(resolver.is_cancelled());
    assert_eq!(runtime.block_on(later).unwrap(), "later");

    // It spoils the timers of no other thread.
    let (_never, d) = Deferred::<()>::new();
    let d = runtime.block_on(async { d.add_timeout(Duration::from_millis(5)).await });
    assert!(d.unwrap_err().is_timed_out());

    let (tx, calls) = mpsc::channel();
    let call = LoopingCall::new(move || Ok(tx.send(())?));
    let looping = call.clone();
    let ended = without_thread_locals(move || looping.start(Duration::from_millis(5)));
    calls.iter().take(3).for_each(drop);
    call.stop();
    runtime.block_on(ended).unwrap();

    let (_never, d) = Deferred::<()>::new();
    let signal = without_thread_locals(move || {
        d.cancel_when(async { tokio::time::sleep(Duration::from_millis(5)).await })
    });
    // The signal's first poll cannot make a timer there, and panics.
    assert!(runtime.block_on(signal).unwrap_err().is_cancelled());

    // A runtime that is gone.
    let gone = Runtime::new().unwrap().handle().clone();
    set_default_runtime(&gone);
    let d = without_thread_locals(|| defer_later(LONG, || Ok(())));
    assert!(testing::failure_of(d).is::<NoRuntime>());
    set_default_runtime(runtime.handle());
}

/// Timers that are scheduled on many threads while the runtime shuts down are
/// each called once, and none of it panics.
#[test]
fn schedule_from_other_threads_while_the_runtime_shuts_down() {
    for _ in 0..50 {
        let runtime = workers(2);
        let handle = runtime.handle().clone();
        let (ready, is_ready) = mpsc::channel();
        let schedulers: Vec<_> = (0..3)
            .map(|_| {
                let (handle, ready) = (handle.clone(), ready.clone());
                thread::spawn(move || {
                    let _entered = handle.enter();
                    let all: Vec<_> = (0..200)
                        .map(|n| {
                            if n == 50 {
                                ready.send(()).unwrap();
                            }
                            defer_later(LONG, || Ok(()))
                        })
                        .collect();
                    for d in all {
                        let ended = futures::executor::block_on(d);
                        assert!(ended.unwrap_err().is::<NoRuntime>());
                    }
                })
            })
            .collect();
        is_ready.recv().unwrap();
        drop(runtime);
        for scheduler in schedulers {
            scheduler.join().unwrap();
        }
    }
}

#[cfg(unix)]
mod forked {
    #![allow(unsafe_code)] // `fork` and what belongs to it.

    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Forks; the child runs `f` and ends. Returns the child.
    fn fork(f: impl FnOnce()) -> libc::pid_t {
        // SAFETY: the child uses nothing that another thread may have locked
        // but the allocator, which glibc keeps usable, and ends by `_exit`.
        match unsafe { libc::fork() } {
            0 => {
                f();
                // SAFETY: it only ends the process.
                unsafe { libc::_exit(0) }
            }
            child => {
                assert!(child > 0);
                child
            }
        }
    }

    /// Whether the child ends by itself.
    fn ends(child: libc::pid_t) -> bool {
        let patience = Instant::now() + Duration::from_secs(10);
        loop {
            let mut status = 0;
            // SAFETY: `child` is ours and was not waited for yet.
            let ended = unsafe { libc::waitpid(child, &mut status, libc::WNOHANG) };
            if ended == child {
                return libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0;
            }
            if Instant::now() > patience {
                // SAFETY: as above.
                unsafe {
                    libc::kill(child, libc::SIGKILL);
                    libc::waitpid(child, &mut status, 0);
                }
                return false;
            }
            thread::yield_now();
        }
    }

    /// Forks while other threads schedule timers; each child makes a runtime
    /// and uses its timers.
    #[test]
    fn fork_while_other_threads_schedule_then_timers_in_the_child() {
        let runtime = workers(2);
        let over = Arc::new(AtomicBool::new(false));
        let schedulers: Vec<_> = (0..3)
            .map(|_| {
                let (handle, over) = (runtime.handle().clone(), over.clone());
                thread::spawn(move || {
                    let _entered = handle.enter();
                    // ORDERING: only the flag itself matters.
                    while !over.load(Ordering::Relaxed) {
                        let (resolver, d) = Deferred::new();
                        let d = d.add_timeout(LONG);
                        resolver.callback(1);
                        assert_eq!(testing::success_of(d), 1);
                    }
                })
            })
            .collect();
        let stuck = (0..40)
            .filter(|_| {
                let child = fork(|| {
                    let runtime = Builder::new_current_thread().enable_time().build();
                    let ended = runtime.unwrap().block_on(async {
                        let (_never, d) = Deferred::<()>::new();
                        d.add_timeout(Duration::from_millis(1)).await
                    });
                    assert!(ended.unwrap_err().is_timed_out());
                });
                !ends(child)
            })
            .count();
        // ORDERING: as above.
        over.store(true, Ordering::Relaxed);
        for scheduler in schedulers {
            scheduler.join().unwrap();
        }
        assert_eq!(stuck, 0, "children hang");
    }
}
