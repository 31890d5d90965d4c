//! Children that are fired by several threads.

use std::sync::Barrier;
use tokio_deferred::{Deferred, DeferredList, gather_results, testing};

const THREADS: usize = 4;
const EACH: usize = if cfg!(miri) { 20 } else { 5_000 };

#[test]
fn fire_from_threads_while_the_list_is_made() {
    let (resolvers, children): (Vec<_>, Vec<_>) =
        (0..THREADS * EACH).map(|_| Deferred::new()).unzip();
    let mut resolvers = resolvers.into_iter().enumerate();
    let start = Barrier::new(THREADS + 1);
    let all = std::thread::scope(|scope| {
        for _ in 0..THREADS {
            let mine: Vec<_> = resolvers.by_ref().take(EACH).collect();
            let start = &start;
            scope.spawn(move || {
                start.wait();
                for (n, resolver) in mine {
                    resolver.callback(n);
                }
            });
        }
        start.wait();
        gather_results(children)
    });
    let expected: Vec<_> = (0..THREADS * EACH).collect();
    assert_eq!(testing::success_of(all), expected);
}

#[test]
fn fire_and_cancel_from_threads_then_every_list_has_fired() {
    for round in 0..if cfg!(miri) { 10 } else { 2_000 } {
        let (resolvers, children): (Vec<_>, Vec<_>) = (0..3).map(|_| Deferred::new()).unzip();
        let mut list = DeferredList::new(children)
            .fire_on_one_errback(round % 2 == 0)
            .cancel_rest(round % 4 == 0)
            .consume_errors(true)
            .into_deferred();
        let handle = list.cancel_handle();
        let start = Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                for (n, resolver) in resolvers.into_iter().enumerate() {
                    if n == 1 {
                        resolver.errback("one");
                    } else {
                        resolver.callback(n);
                    }
                }
            });
            start.wait();
            handle.cancel();
        });
        match list.try_result() {
            Ok(Ok(results)) => {
                assert!(round % 2 != 0);
                assert_eq!(results.len(), 3);
            }
            Ok(Err(failure)) => {
                assert!(round % 2 == 0 && failure.is::<tokio_deferred::FirstError>());
            }
            Err(pending) => panic!("no result: {pending:?}"),
        }
    }
}
