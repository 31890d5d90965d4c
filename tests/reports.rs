//! How many failures are reported as unhandled: for every kind of Deferred,
//! every way in which it can end, and every handle that may be kept the while.
//!
//! The table is the cross product, and what each cell must report follows from
//! one rule: a failure that nobody handled is reported once, by the one who
//! lost it; what comes of a cancel is news only to the one who asked for it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use test_support::clock::settle;
use tokio::sync::oneshot;
use tokio_deferred::task::defer_later;
use tokio_deferred::{
    Deferred, DeferredList, DeferredLock, DeferredQueue, DeferredSemaphore, Resolver,
    gather_results, join, map_with_concurrency, race, testing,
};

/// Makes a Deferred; what it needs for as long as the test goes into the list.
type Make<R> = fn(&mut Vec<Box<dyn Any>>) -> R;

/// What will fire a Deferred, in order.
type Sources = Vec<Resolver<i32>>;

/// As [`Make`], of what may capture something.
type MakeWithSources<'a> = dyn Fn(&mut Vec<Box<dyn Any>>) -> (Sources, Deferred<i32>) + 'a;

/// A way to make a Deferred that has no result yet.
struct Kind {
    name: &'static str,
    make: Make<(Sources, Deferred<i32>)>,
    /// How many failures are lost where all sources fail and the result is
    /// handled.
    lost: usize,
    /// The same, where the Deferred was dropped before.
    lost_unseen: usize,
}

fn one() -> (Resolver<i32>, Deferred<i32>) {
    Deferred::new()
}

fn two() -> (Sources, [Deferred<i32>; 2]) {
    let ((a, first), (b, second)) = (one(), one());
    (vec![a, b], [first, second])
}

fn waiting_for(inner: Deferred<i32>) -> Deferred<i32> {
    Deferred::succeed(()).add_callback(move |()| inner)
}

fn sum(values: Vec<i32>) -> i32 {
    values.into_iter().sum()
}

type Results = Vec<Result<i32, tokio_deferred::DeferredError>>;

/// The first value, or the first failure.
fn first_of(results: Results) -> Result<i32, tokio_deferred::Failure> {
    let mut failure = None;
    for result in results {
        match result {
            Ok(value) => return Ok(value),
            Err(error) => failure = failure.or(Some(error.into_failure())),
        }
    }
    Err(failure.expect("a list of some"))
}

const KINDS: &[Kind] = &[
    Kind {
        name: "pair",
        make: |_| {
            let (resolver, d) = one();
            (vec![resolver], d)
        },
        lost: 0,
        lost_unseen: 1,
    },
    Kind {
        name: "with a canceller",
        make: |_| {
            let (resolver, d) = Deferred::with_canceller(|| None);
            (vec![resolver], d)
        },
        lost: 0,
        lost_unseen: 1,
    },
    Kind {
        name: "with stages",
        make: |_| {
            let (resolver, d) = one();
            (vec![resolver], d.map(|n| n + 1).add_errback(Err))
        },
        lost: 0,
        lost_unseen: 1,
    },
    Kind {
        name: "waiting",
        make: |_| {
            let (resolver, d) = one();
            (vec![resolver], waiting_for(d))
        },
        lost: 0,
        lost_unseen: 1,
    },
    Kind {
        name: "waiting for a waiting one",
        make: |_| {
            let (resolver, d) = one();
            (vec![resolver], waiting_for(waiting_for(d)).map(|n| n))
        },
        lost: 0,
        lost_unseen: 1,
    },
    Kind {
        name: "timed",
        make: |_| {
            let (resolver, d) = one();
            (vec![resolver], d.add_timeout(Duration::from_secs(3600)))
        },
        lost: 0,
        lost_unseen: 1,
    },
    Kind {
        name: "cancel_when",
        make: |kept| {
            let (resolver, d) = one();
            let (tx, rx) = oneshot::channel::<()>();
            kept.push(Box::new(tx));
            let d = d.cancel_when(async {
                let _ = rx.await;
            });
            (vec![resolver], d)
        },
        lost: 0,
        lost_unseen: 1,
    },
    Kind {
        name: "gather",
        make: |_| {
            let (sources, children) = two();
            (sources, gather_results(children).map(sum))
        },
        lost: 1,
        lost_unseen: 2,
    },
    Kind {
        name: "gather of gathers",
        make: |_| {
            let (mut sources, children) = two();
            let (more, others) = two();
            sources.extend(more);
            let rows = [gather_results(children), gather_results(others)];
            let rows = rows.map(|row| row.map(sum));
            (sources, gather_results(rows).map(sum))
        },
        lost: 3,
        lost_unseen: 4,
    },
    Kind {
        name: "list",
        make: |_| {
            let (sources, children) = two();
            let list = DeferredList::new(children).into_deferred();
            (sources, list.add_callback(first_of))
        },
        lost: 0,
        lost_unseen: 1,
    },
    Kind {
        name: "list, first failure",
        make: |_| {
            let (sources, children) = two();
            let list = DeferredList::new(children).fire_on_one_errback(true);
            (sources, list.into_deferred().add_callback(first_of))
        },
        lost: 1,
        lost_unseen: 2,
    },
    Kind {
        name: "list, first failure, cancels the rest",
        make: |_| {
            let (sources, children) = two();
            let list = DeferredList::new(children)
                .fire_on_one_errback(true)
                .cancel_rest(true);
            (sources, list.into_deferred().add_callback(first_of))
        },
        lost: 0,
        lost_unseen: 1,
    },
    Kind {
        name: "list, consumes",
        make: |_| {
            let (sources, children) = two();
            let list = DeferredList::new(children)
                .fire_on_one_errback(true)
                .consume_errors(true);
            (sources, list.into_deferred().add_callback(first_of))
        },
        lost: 0,
        lost_unseen: 1,
    },
    Kind {
        name: "list, first value",
        make: |_| {
            let (sources, children) = two();
            let first = DeferredList::new(children).fire_on_one_callback();
            (sources, first.map(|(_, n)| n))
        },
        lost: 0,
        lost_unseen: 1,
    },
    Kind {
        name: "race",
        make: |_| {
            let (sources, children) = two();
            (sources, race(children).map(|(_, n)| n))
        },
        lost: 0,
        lost_unseen: 1,
    },
    Kind {
        name: "race in a list",
        make: |_| {
            let (sources, children) = two();
            let inner = race(children).map(|(_, n)| n);
            let list = DeferredList::new([inner]).into_deferred();
            (sources, list.add_callback(first_of))
        },
        lost: 0,
        lost_unseen: 1,
    },
    Kind {
        name: "races in a gather",
        make: |_| {
            let (mut sources, children) = two();
            let (more, others) = two();
            sources.extend(more);
            let races = [race(children), race(others)].map(|d| d.map(|(_, n)| n));
            (sources, gather_results(races).map(sum))
        },
        lost: 1,
        lost_unseen: 2,
    },
    Kind {
        name: "gathers in a race",
        make: |_| {
            let (mut sources, children) = two();
            let (more, others) = two();
            sources.extend(more);
            let rows = [gather_results(children), gather_results(others)];
            (sources, race(rows.map(|row| row.map(sum))).map(|(_, n)| n))
        },
        lost: 2,
        lost_unseen: 3,
    },
    Kind {
        name: "join",
        make: |_| {
            let (sources, [a, b]) = two();
            (sources, join((a, b)).map(|(a, b)| a + b))
        },
        lost: 1,
        lost_unseen: 2,
    },
    Kind {
        name: "join of joins",
        make: |_| {
            let (mut sources, [a, b]) = two();
            let (more, [c, d]) = two();
            sources.extend(more);
            let all = join((join((a, b)), join((c, d))));
            (sources, all.map(|((a, b), (c, d))| a + b + c + d))
        },
        lost: 3,
        lost_unseen: 4,
    },
    Kind {
        name: "only subscriber",
        make: |kept| {
            let (resolver, d) = one();
            let shared = d.share();
            let d = shared.subscribe();
            kept.push(Box::new(shared));
            (vec![resolver], d)
        },
        lost: 0,
        lost_unseen: 1,
    },
    Kind {
        name: "bounded map",
        make: |_| {
            let (sources, children) = two();
            let map = map_with_concurrency(children, 2, |d| d);
            (sources, map.gather().map(sum))
        },
        lost: 1,
        lost_unseen: 2,
    },
    Kind {
        name: "coroutine",
        make: |_| {
            let (resolver, d) = one();
            (vec![resolver], Deferred::from_coroutine(d))
        },
        lost: 0,
        lost_unseen: 1,
    },
    Kind {
        name: "coroutine that adds a context",
        make: |_| {
            let (resolver, d) = one();
            let wrapped = async {
                let result: anyhow::Result<i32> = anyhow::Context::context(d.await, "no page");
                result
            };
            (vec![resolver], Deferred::from_coroutine(wrapped))
        },
        lost: 0,
        lost_unseen: 1,
    },
    Kind {
        name: "chained",
        make: |_| {
            let (resolver, source) = one();
            let (target, d) = one();
            source.chain_deferred(target);
            (vec![resolver], d)
        },
        lost: 0,
        lost_unseen: 1,
    },
];

/// Kinds that wait for something else than a resolver: they can only be
/// cancelled, timed out and dropped.
const WAITERS: &[(&str, Make<Deferred<i32>>)] = &[
    ("defer_later", |_| {
        defer_later(Duration::from_secs(3600), || Ok(1))
    }),
    ("queue", |kept| {
        let queue = DeferredQueue::new();
        // Without a stage nobody would wait, and the get would leave.
        let d = queue.get().map(|n: i32| n);
        kept.push(Box::new(queue));
        d
    }),
    ("semaphore", |kept| {
        let semaphore = DeferredSemaphore::new(1);
        kept.push(Box::new(testing::success_of(semaphore.acquire())));
        semaphore.acquire().map(|_| 1)
    }),
    ("semaphore's job", |kept| {
        let semaphore = DeferredSemaphore::new(1);
        kept.push(Box::new(testing::success_of(semaphore.acquire())));
        semaphore.run(|| Ok(1))
    }),
    ("lock", |kept| {
        let lock = DeferredLock::new();
        kept.push(Box::new(testing::success_of(lock.acquire())));
        lock.acquire().map(|_| 1)
    }),
    ("task", |_| {
        Deferred::from(tokio::spawn(std::future::pending::<i32>()))
    }),
    ("channel", |kept| {
        let (tx, rx) = oneshot::channel::<i32>();
        kept.push(Box::new(tx));
        Deferred::from(rx)
    }),
    ("tasks in a list", |_| {
        let tasks = (0..2).map(|_| std::future::pending::<i32>());
        DeferredList::spawn(tasks)
            .into_deferred()
            .add_callback(first_of)
    }),
    ("gather of gets", |kept| {
        let queue = DeferredQueue::new();
        let d = gather_results([queue.get(), queue.get()]).map(sum);
        kept.push(Box::new(queue));
        d
    }),
];

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Values,
    Failures,
    ResolversDropped,
    DroppedThenFailures,
    Cancelled,
    CancelledThenLateFailures,
    DroppedAfterCancel,
    TimedOut,
    DroppedAfterTimeout,
    CancelOnDrop,
    CancelOnDropThenLateFailures,
    LoserOfARace,
    RestOfAList,
}

const ENDS: [End; 13] = [
    End::Values,
    End::Failures,
    End::ResolversDropped,
    End::DroppedThenFailures,
    End::Cancelled,
    End::CancelledThenLateFailures,
    End::DroppedAfterCancel,
    End::TimedOut,
    End::DroppedAfterTimeout,
    End::CancelOnDrop,
    End::CancelOnDropThenLateFailures,
    End::LoserOfARace,
    End::RestOfAList,
];

/// What is kept beside the Deferred until the very end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kept {
    Nothing,
    Handle,
    TwoHandles,
    Label,
}

const KEPT: [Kept; 4] = [Kept::Nothing, Kept::Handle, Kept::TwoHandles, Kept::Label];

/// Ends `d`, and returns how many reports that must make.
async fn end(
    end: End,
    sources: Sources,
    mut d: Deferred<i32>,
    kept: Kept,
    rest: &mut Vec<Box<dyn Any>>,
    (lost, lost_unseen): (usize, usize),
) -> usize {
    match kept {
        Kept::Nothing => {}
        Kept::Handle => rest.push(Box::new(d.cancel_handle())),
        Kept::TwoHandles => {
            let handle = d.cancel_handle();
            rest.push(Box::new((handle.clone(), handle)));
        }
        Kept::Label => d = d.label("kept"),
    }
    let fail = |sources: Sources| {
        for (n, source) in sources.into_iter().enumerate() {
            source.errback(format!("failure {n}"));
        }
    };
    match end {
        End::Values => {
            for source in sources {
                source.callback(1);
            }
            assert!(d.await.is_ok());
            0
        }
        End::Failures => {
            fail(sources);
            assert!(d.await.is_err());
            lost
        }
        End::ResolversDropped => {
            drop(sources);
            assert!(d.await.is_err());
            lost
        }
        End::DroppedThenFailures => {
            drop(d);
            fail(sources);
            settle().await;
            lost_unseen
        }
        End::Cancelled | End::CancelledThenLateFailures => {
            d.cancel();
            let error = d.await.unwrap_err();
            assert!(error.is_cancelled(), "{error:?}");
            if end == End::Cancelled {
                rest.push(Box::new(sources));
            } else {
                fail(sources);
            }
            0
        }
        End::DroppedAfterCancel => {
            d.cancel();
            settle().await;
            drop(d);
            rest.push(Box::new(sources));
            1
        }
        End::TimedOut => {
            let error = d.add_timeout(Duration::from_secs(1)).await.unwrap_err();
            assert!(error.is_timed_out(), "{error:?}");
            rest.push(Box::new(sources));
            0
        }
        End::DroppedAfterTimeout => {
            drop(d.add_timeout(Duration::from_secs(1)));
            tokio::time::sleep(Duration::from_secs(2)).await;
            rest.push(Box::new(sources));
            1
        }
        End::CancelOnDrop => {
            drop(d.cancel_on_drop());
            settle().await;
            rest.push(Box::new(sources));
            0
        }
        End::CancelOnDropThenLateFailures => {
            drop(d.cancel_on_drop());
            fail(sources);
            settle().await;
            0
        }
        End::LoserOfARace => {
            let (winner, other) = one();
            let won = race([d, other]);
            winner.callback(7);
            assert_eq!(won.await.unwrap(), (1, 7));
            settle().await;
            rest.push(Box::new(sources));
            0
        }
        End::RestOfAList => {
            let (failing, other) = one();
            let list = DeferredList::new([d, other])
                .fire_on_one_errback(true)
                .cancel_rest(true)
                .into_deferred();
            failing.errback("out");
            assert!(list.await.is_err());
            settle().await;
            rest.push(Box::new(sources));
            0
        }
    }
}

/// Runs one cell on a runtime of its own; returns what went wrong, if anything
/// did.
fn cell(
    name: &str,
    make: &MakeWithSources<'_>,
    how: End,
    kept: Kept,
    lost: (usize, usize),
) -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let run = AssertUnwindSafe(|| {
        runtime.block_on(async {
            let mut rest = Vec::new();
            let (sources, d) = make(&mut rest);
            let expected = end(how, sources, d, kept, &mut rest, lost).await;
            settle().await;
            drop(rest);
            settle().await;
            expected
        })
    });
    let mut expected = None;
    let reports = testing::capture_unhandled(|| expected = catch_unwind(run).ok());
    (Some(reports.len()) != expected).then(|| {
        let texts: Vec<_> = reports.iter().map(|r| r.failure().to_string()).collect();
        format!("{name}, {how:?}, kept: {kept:?}: {expected:?} expected, not {texts:?}")
    })
}

#[test]
fn every_kind_by_every_end_with_every_handle() {
    let (mut cells, mut wrong) = (0, Vec::new());
    for how in ENDS {
        for kept in KEPT {
            for kind in KINDS {
                cells += 1;
                let lost = (kind.lost, kind.lost_unseen);
                wrong.extend(cell(kind.name, &kind.make, how, kept, lost));
            }
            let needs_sources = matches!(
                how,
                End::Values | End::Failures | End::ResolversDropped | End::DroppedThenFailures
            );
            if needs_sources {
                continue;
            }
            for (name, make) in WAITERS {
                cells += 1;
                let make = |rest: &mut Vec<Box<dyn Any>>| (Vec::new(), make(rest));
                wrong.extend(cell(name, &make, how, kept, (0, 0)));
            }
        }
    }
    println!(
        "{cells} cells: {} kinds, {} ends, {} handles",
        KINDS.len() + WAITERS.len(),
        ENDS.len(),
        KEPT.len()
    );
    assert!(
        wrong.is_empty(),
        "{} of {cells}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
