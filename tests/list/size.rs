//! Time a child does not depend on the number of children.

use std::time::{Duration, Instant};
use tokio_deferred::{Deferred, DeferredList, gather_results, race, testing};

const FEW: usize = 1_000;
const MANY: usize = 100_000;

fn pending(n: usize) -> (Vec<tokio_deferred::Resolver<usize>>, Vec<Deferred<usize>>) {
    (0..n).map(|_| Deferred::new()).unzip()
}

/// Compares `work` on many children with the same number in small lots: what
/// is quadratic takes a hundred times as long. The best of three each, since
/// other tests run beside it.
fn assert_linear(work: impl Fn(usize)) {
    if cfg!(miri) {
        // Its time says nothing.
        return work(100);
    }
    let best = |f: &dyn Fn()| {
        let time = |_| {
            let start = Instant::now();
            f();
            start.elapsed()
        };
        (0..3).map(time).min().unwrap_or(Duration::MAX)
    };
    let in_lots = best(&|| (0..MANY / FEW).for_each(|_| work(FEW)));
    let at_once = best(&|| work(MANY));
    assert!(
        at_once < in_lots * 12,
        "{MANY} at once took {at_once:?}, in lots {in_lots:?}"
    );
}

#[test]
fn gather_of_100_000_is_linear() {
    assert_linear(|n| {
        let (resolvers, children) = pending(n);
        let all = gather_results(children);
        for (n, resolver) in resolvers.into_iter().enumerate().rev() {
            resolver.callback(n);
        }
        assert_eq!(testing::success_of(all)[n / 2], n / 2);
    });
}

#[test]
fn list_of_100_000_ready_children_is_linear() {
    assert_linear(|n| {
        let list = DeferredList::new((0..n).map(Deferred::succeed)).into_deferred();
        assert_eq!(testing::success_of(list).len(), n);
    });
}

#[test]
fn cancel_of_100_000_children_is_linear() {
    assert_linear(|n| {
        let (resolvers, children) = pending(n);
        let list = DeferredList::new(children).into_deferred();
        list.cancel();
        assert!(resolvers.iter().all(|resolver| resolver.is_cancelled()));
        assert!(testing::success_of(list).iter().all(Result::is_err));
    });
}

#[test]
fn late_failures_of_100_000_children_are_linear() {
    assert_linear(|n| {
        let (resolvers, children) = pending(n);
        let all = DeferredList::new(children)
            .fire_on_one_errback(true)
            .consume_errors(true)
            .into_deferred();
        for resolver in resolvers {
            resolver.errback("broken");
        }
        assert!(format!("{:#}", testing::failure_of(all)).ends_with("0 failed: broken"));
    });
}

#[test]
fn race_of_100_000_is_linear() {
    assert_linear(|n| {
        let (mut resolvers, children) = pending(n);
        let first = race(children);
        resolvers.remove(n / 2).callback(7);
        assert!(resolvers.iter().all(|resolver| resolver.is_cancelled()));
        assert_eq!(testing::success_of(first), (n / 2, 7));
    });
}
