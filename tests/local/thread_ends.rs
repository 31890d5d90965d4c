//! Threads that end while local chains are alive.

use crate::support::Here;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use tokio_deferred::local::{self, LocalDeferred, LocalResolver};
use tokio_deferred::{Deferred, DeferredError, testing};

/// Anything, dropped with its thread.
type Anything = Box<dyn std::any::Any>;

thread_local! {
    static EARLY: RefCell<Vec<Anything>> = const { RefCell::new(Vec::new()) };
    static LATE: RefCell<Vec<Anything>> = const { RefCell::new(Vec::new()) };
}

/// Runs `f` on a thread whose thread-locals hold what it returns, first made
/// first dropped or the other way round.
fn on_a_thread_that_ends(f: impl Fn() -> [Anything; 2] + Send + Sync + 'static) {
    let f = std::sync::Arc::new(f);
    for swapped in [false, true] {
        let f = f.clone();
        thread::spawn(move || {
            // The destructors are registered in this order.
            EARLY.with_borrow_mut(Vec::clear);
            LATE.with_borrow_mut(Vec::clear);
            let [a, b] = f();
            let (a, b) = if swapped { (b, a) } else { (a, b) };
            EARLY.with_borrow_mut(|early| early.push(a));
            LATE.with_borrow_mut(|late| late.push(b));
        })
        .join()
        .expect("it ends without a panic");
    }
}

#[test]
fn halves_in_thread_locals_end_in_either_order() {
    let (seen, sees) = mpsc::channel();
    on_a_thread_that_ends(move || {
        let (resolver, d) = LocalDeferred::<Rc<i32>>::new();
        let (here, seen) = (Here::new(), seen.clone());
        let d = d.add_both(move |result| {
            here.check();
            seen.send(result.unwrap_err().is_resolver_dropped())
                .unwrap();
            Ok(Here::new())
        });
        [Box::new(resolver), Box::new(d)]
    });
    assert_eq!(sees.iter().collect::<Vec<_>>(), [true, true]);
}

#[test]
fn resolver_in_a_thread_local_resumes_a_coroutine_in_its_drop() {
    let (seen, sees) = mpsc::channel();
    on_a_thread_that_ends(move || {
        let (resolver, d) = LocalDeferred::<i32>::new();
        let (here, seen) = (Here::new(), seen.clone());
        let d = LocalDeferred::from_coroutine(async move {
            let error = d.await.unwrap_err();
            here.check();
            seen.send(error.is_resolver_dropped()).unwrap();
            Ok::<_, DeferredError>(here)
        });
        [Box::new(resolver), Box::new(d)]
    });
    assert_eq!(sees.iter().collect::<Vec<_>>(), [true, true]);
}

#[test]
fn fire_in_the_drop_of_a_thread_local() {
    struct FireOnDrop(Option<LocalResolver<Here>>);
    impl Drop for FireOnDrop {
        fn drop(&mut self) {
            if let Some(resolver) = self.0.take() {
                resolver.callback(Here::new());
            }
        }
    }
    let (seen, sees) = mpsc::channel();
    on_a_thread_that_ends(move || {
        let (resolver, d) = LocalDeferred::<Here>::new();
        let seen = seen.clone();
        let d = d.map(move |here| {
            here.check();
            seen.send(()).unwrap();
            here
        });
        [Box::new(FireOnDrop(Some(resolver))), Box::new(d)]
    });
    assert_eq!(sees.iter().count(), 2);
}

#[test]
fn thread_of_a_hop_has_ended_when_the_other_thread_fires() {
    let (give, given) = mpsc::channel();
    thread::spawn(move || {
        let pool = futures::executor::LocalPool::new();
        local::set_spawner(pool.spawner());
        let (resolver, d) = Deferred::<i32>::new();
        let here = Here::new();
        let d = d.into_local().add_both(move |result| {
            here.check();
            Ok(result.is_err())
        });
        give.send(resolver).unwrap();
        let keep: Anything = Box::new((pool, d));
        EARLY.with_borrow_mut(|early| early.push(keep));
    })
    .join()
    .unwrap();
    let resolver = given.recv().unwrap();
    assert!(resolver.is_cancelled());
    resolver.callback(1); // swallowed
}

#[test]
fn thread_of_a_hop_ends_while_the_other_thread_fires() {
    for _ in 0..if cfg!(miri) { 3 } else { 200 } {
        let (give, given) = mpsc::channel();
        let owner = thread::spawn(move || {
            let pool = futures::executor::LocalPool::new();
            local::set_spawner(pool.spawner());
            let (resolver, d) = Deferred::<i32>::new();
            let here = Here::new();
            let d = d.into_local().add_both(move |_| {
                here.check();
                Ok(here)
            });
            give.send(resolver).unwrap();
            drop(pool);
            drop(d);
        });
        given.recv().unwrap().callback(1);
        owner.join().unwrap();
    }
}

#[test]
fn spawner_and_coroutine_that_waits_for_another_thread_are_dropped_here() {
    let (keep, kept) = mpsc::channel();
    on_a_thread_that_ends(move || {
        let pool = futures::executor::LocalPool::new();
        local::set_spawner(pool.spawner());
        let (tx, rx) = futures::channel::oneshot::channel::<()>();
        keep.send(tx).unwrap();
        let here = Here::new();
        let d = LocalDeferred::from_coroutine(async move {
            let result = rx.await;
            here.check();
            result
        });
        [Box::new(pool), Box::new(d)]
    });
    for tx in kept {
        assert!(tx.is_canceled());
    }
}

#[test]
fn deep_drops_that_are_put_off_stay_on_the_thread_that_ends() {
    let owner = thread::spawn(|| {
        // Each callback that is dropped unrun owns the next resolver.
        let (first, mut d) = LocalDeferred::<Here>::new();
        let mut resolvers = vec![first];
        for _ in 0..200 {
            let (resolver, next) = LocalDeferred::<Here>::new();
            let before = resolvers.pop().expect("there is one");
            next.map(move |here| {
                here.check();
                before.callback(here);
            })
            .detach();
            resolvers.push(resolver);
        }
        d = d.add_errback(|_| Ok(Here::new()));
        let keep: Anything = Box::new(resolvers);
        EARLY.with_borrow_mut(|early| early.push(keep));
        LATE.with_borrow_mut(|late| late.push(Box::new(d)));
    });
    let reports = testing::capture_unhandled(|| owner.join().expect("it ends"));
    assert!(reports.is_empty());
}
