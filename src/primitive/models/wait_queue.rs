//! Waits for a permit: acquired, cancelled, dropped, released, closed, and the
//! end of the runtime. The semaphore is one of the model checker's locks, so
//! that its steps are interleaved as well; it wakes under its lock, as Tokio's
//! does when it is closed.
//!
//! | model | preemptions | interleavings |
//! |---|---|---|
//! | `released_while_the_wait_begins` | any | 34 |
//! | `released_while_cancelled` | 3 | 12,712 |
//! | `released_while_dropped` | 3 | 7,820 |
//! | `the_first_of_two_is_cancelled_while_released` | any | 209 |
//! | `a_wait_begins_while_the_runner_ends` | any | 1,781 |
//! | `closed_while_cancelled` | 3 | 12,712 |
//! | `the_runtime_ends_while_released` | any | 11 |
//! | `the_runtime_ends_while_cancelled` | any | 4,246 |

use super::super::runner::{Host, Runner};
use super::super::wait_queue::Lanes;
use crate::failure::Failure;
use crate::models::harness::{block_on, bounded, model};
use crate::{Deferred, NoRuntime};
use loom::sync::Mutex;
use loom::thread::{self, JoinHandle};
use std::collections::VecDeque;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};
use tokio::runtime::{Builder, Id, Runtime};

/// A fair semaphore.
struct Semaphore(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    permits: usize,
    closed: bool,
    next: u64,
    waiters: VecDeque<(u64, Waker)>,
    /// Those that were given a permit, and have not been polled since.
    given: Vec<u64>,
}

struct Permit(Arc<Semaphore>);

struct Acquire {
    semaphore: Arc<Semaphore>,
    number: Option<u64>,
}

impl Semaphore {
    fn new(permits: usize) -> Arc<Self> {
        Arc::new(Semaphore(Mutex::new(Inner {
            permits,
            ..Inner::default()
        })))
    }

    fn acquire(self: &Arc<Self>) -> Acquire {
        Acquire {
            semaphore: self.clone(),
            number: None,
        }
    }

    fn release(&self) {
        let mut inner = self.0.lock().unwrap();
        match inner.waiters.pop_front() {
            Some((number, waker)) => {
                inner.given.push(number);
                waker.wake();
            }
            None => inner.permits += 1,
        }
    }

    fn close(&self) {
        let mut inner = self.0.lock().unwrap();
        inner.closed = true;
        while let Some((_, waker)) = inner.waiters.pop_front() {
            waker.wake();
        }
    }

    fn permits(&self) -> usize {
        self.0.lock().unwrap().permits
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl Future for Acquire {
    type Output = Result<Permit, Closed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let semaphore = self.semaphore.clone();
        let mut inner = semaphore.0.lock().unwrap();
        let number = match self.number {
            Some(number) => number,
            None if inner.permits > 0 => {
                inner.permits -= 1;
                drop(inner);
                return Poll::Ready(Ok(Permit(semaphore)));
            }
            None => {
                inner.next += 1;
                inner.next
            }
        };
        if let Some(place) = inner.given.iter().position(|given| *given == number) {
            inner.given.swap_remove(place);
            drop(inner);
            self.number = None;
            return Poll::Ready(Ok(Permit(semaphore)));
        }
        if inner.closed {
            return Poll::Ready(Err(Closed));
        }
        inner.waiters.retain(|(other, _)| *other != number);
        inner.waiters.push_back((number, cx.waker().clone()));
        drop(inner);
        self.number = Some(number);
        Poll::Pending
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let mut inner = self.semaphore.0.lock().unwrap();
        inner.waiters.retain(|(other, _)| *other != number);
        let given = inner.given.iter().position(|given| *given == number);
        given.map(|place| inner.given.swap_remove(place));
        drop(inner);
        if given.is_some() {
            self.semaphore.release();
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("closed")]
struct Closed;

/// A runtime of which nothing runs, for its number.
fn runtime() -> Id {
    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| Builder::new_current_thread().build().unwrap());
    RUNTIME.handle().id()
}

/// A semaphore with its lanes, and the runners that were made for them.
struct Waits {
    semaphore: Arc<Semaphore>,
    lanes: Lanes<Permit>,
    /// Not one of the model checker's: it stands for the runtime's own queue.
    runners: Arc<std::sync::Mutex<Vec<Runner<Permit>>>>,
    /// How many runners come by one thread's doing.
    most: usize,
}

impl Waits {
    fn new(permits: usize) -> Self {
        Waits::with(permits, 1)
    }

    fn with(permits: usize, most: usize) -> Self {
        Waits {
            semaphore: Semaphore::new(permits),
            lanes: Lanes::new(),
            runners: Arc::default(),
            most,
        }
    }

    fn acquire(&self) -> Deferred<Permit> {
        let host = || {
            let runners = self.runners.clone();
            Host::with(
                move |runner| runners.lock().unwrap().push(runner),
                self.most,
            )
        };
        let convert = |result: Result<_, Closed>, made: &'static Location<'static>| {
            result.map_err(|closed| Failure::from_error(closed, made))
        };
        let acquired = self.semaphore.acquire();
        let made = Location::caller();
        self.lanes
            .wait_on(runtime(), host, acquired, convert, "a model", made)
    }

    /// Takes the runners that were made and not taken.
    fn made(&self) -> Vec<Runner<Permit>> {
        std::mem::take(&mut *self.runners.lock().unwrap())
    }

    /// Runs a runner on a thread of its own.
    fn pump(&self) -> JoinHandle<()> {
        let runner = self.runners.lock().unwrap().remove(0);
        thread::spawn(move || block_on(runner))
    }

    /// Runs the runners that were made meanwhile to their ends.
    fn finish(&self) {
        for runner in self.made() {
            block_on(runner);
        }
    }
}

/// What a wait came to.
#[derive(Debug, PartialEq)]
enum Came {
    Permit,
    Cancelled,
    Closed,
    NoRuntime,
    Nothing,
}

/// Looks at what came, and gives a permit back.
fn came(d: Deferred<Permit>) -> Came {
    match d.try_result() {
        Ok(Ok(_)) => Came::Permit,
        Ok(Err(failure)) if failure.is_cancelled() => Came::Cancelled,
        Ok(Err(failure)) if failure.is::<Closed>() => Came::Closed,
        Ok(Err(failure)) if failure.is::<NoRuntime>() => Came::NoRuntime,
        Ok(Err(failure)) => panic!("{failure:?}"),
        Err(_) => Came::Nothing,
    }
}

#[test]
fn released_while_the_wait_begins() {
    model(|| {
        let waits = Waits::new(0);
        let semaphore = waits.semaphore.clone();
        let releasing = thread::spawn(move || semaphore.release());
        let d = waits.acquire();
        let pump = waits.pump();
        releasing.join().unwrap();
        pump.join().unwrap();
        waits.finish();
        assert_eq!(came(d), Came::Permit);
        assert_eq!(waits.semaphore.permits(), 1);
    });
}

#[test]
fn released_while_cancelled() {
    bounded(3, || {
        let waits = Waits::new(0);
        let d = waits.acquire();
        let pump = waits.pump();
        let semaphore = waits.semaphore.clone();
        let releasing = thread::spawn(move || semaphore.release());
        d.cancel();
        releasing.join().unwrap();
        pump.join().unwrap();
        waits.finish();
        assert!(matches!(came(d), Came::Permit | Came::Cancelled));
        assert_eq!(waits.semaphore.permits(), 1, "no permit is lost");
    });
}

#[test]
fn released_while_dropped() {
    bounded(3, || {
        let waits = Waits::new(0);
        let d = waits.acquire();
        let pump = waits.pump();
        let semaphore = waits.semaphore.clone();
        let releasing = thread::spawn(move || semaphore.release());
        drop(d);
        releasing.join().unwrap();
        pump.join().unwrap();
        waits.finish();
        assert_eq!(waits.semaphore.permits(), 1, "no permit is lost");
    });
}

#[test]
fn the_first_of_two_is_cancelled_while_released() {
    model(|| {
        let waits = Waits::new(0);
        let (first, mut second) = (waits.acquire(), waits.acquire());
        let semaphore = waits.semaphore.clone();
        let releasing = thread::spawn(move || semaphore.release());
        first.cancel();
        releasing.join().unwrap();
        let pump = waits.pump();
        let cancelled = second.cancel_handle();
        // The second has its turn when the first is through, or is cancelled.
        if came(first) == Came::Permit {
            cancelled.cancel();
        }
        pump.join().unwrap();
        waits.finish();
        assert!(matches!(came(second), Came::Permit | Came::Cancelled));
        assert_eq!(waits.semaphore.permits(), 1, "no permit is lost");
    });
}

#[test]
fn a_wait_begins_while_the_runner_ends() {
    model(|| {
        let waits = Waits::new(0);
        let first = waits.acquire();
        let pump = waits.pump();
        first.cancel();
        // With the runner that is about to end, or with a new one.
        let second = waits.acquire();
        waits.semaphore.release();
        waits.finish();
        pump.join().unwrap();
        assert_eq!(came(first), Came::Cancelled);
        assert_eq!(came(second), Came::Permit);
        assert_eq!(waits.semaphore.permits(), 1);
    });
}

#[test]
fn closed_while_cancelled() {
    bounded(3, || {
        let waits = Waits::new(0);
        let d = waits.acquire();
        let pump = waits.pump();
        let semaphore = waits.semaphore.clone();
        let closing = thread::spawn(move || semaphore.close());
        d.cancel();
        closing.join().unwrap();
        pump.join().unwrap();
        waits.finish();
        assert!(matches!(came(d), Came::Closed | Came::Cancelled));
    });
}

#[test]
fn the_runtime_ends_while_released() {
    model(|| {
        let waits = Waits::new(0);
        let d = waits.acquire();
        let runner = waits.made();
        let semaphore = waits.semaphore.clone();
        let releasing = thread::spawn(move || semaphore.release());
        drop(runner);
        releasing.join().unwrap();
        drop(waits.made());
        assert_eq!(came(d), Came::NoRuntime);
        assert_eq!(waits.semaphore.permits(), 1, "no permit is lost");
    });
}

#[test]
fn the_runtime_ends_while_cancelled() {
    bounded(3, || {
        let waits = Waits::new(0);
        let d = waits.acquire();
        let runner = waits.made();
        let ending = thread::spawn(move || drop(runner));
        d.cancel();
        ending.join().unwrap();
        assert!(matches!(came(d), Came::NoRuntime | Came::Cancelled));
        waits.semaphore.release();
        assert_eq!(
            waits.semaphore.permits(),
            1,
            "it left the semaphore's queue"
        );
    });
}

/// Each permit is released on a thread of its own; two runners look.
#[test]
fn two_are_released_on_two_threads_while_two_runners_look() {
    bounded(2, || {
        let waits = Waits::with(0, 2);
        let (first, second) = (waits.acquire(), waits.acquire());
        let pump = waits.pump();
        let semaphore = waits.semaphore.clone();
        let releasing = thread::spawn(move || semaphore.release());
        waits.semaphore.release();
        waits.finish();
        releasing.join().unwrap();
        waits.finish();
        pump.join().unwrap();
        waits.finish();
        assert_eq!((came(first), came(second)), (Came::Permit, Came::Permit));
        assert_eq!(waits.semaphore.permits(), 2, "no permit is lost");
    });
}
