//! Coroutines on one thread that await local Deferreds: no loop is needed.

use crate::support::{Here, Log, failure_of, value_of, wait_for_wake};
use futures::{FutureExt, future};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use tokio_deferred::local::LocalDeferred;
use tokio_deferred::{Deferred, DeferredError, Failure, NoRuntime};

#[test]
fn fire_resumes_it_before_it_returns() {
    let log = Log::default();
    let [(a, first), (b, second)] = [(); 2].map(|()| LocalDeferred::<Rc<i32>>::new());
    let inside = log.clone();
    let d = LocalDeferred::from_coroutine(async move {
        inside.add("begun");
        let one = first.await?;
        inside.add(format!("got {one}"));
        let two = second.await?;
        inside.add(format!("got {two}"));
        Ok::<_, DeferredError>(*one + *two)
    });
    log.assert(&["begun"]);
    a.callback(Rc::new(1));
    log.assert(&["got 1"]);
    b.callback(Rc::new(2));
    log.assert(&["got 2"]);
    assert_eq!(value_of(d), 3);
}

#[test]
fn fire_resumes_a_join_and_a_select() {
    let [(a, first), (b, second)] = [(); 2].map(|()| LocalDeferred::<i32>::new());
    let d = LocalDeferred::from_coroutine(async move {
        let (one, two) = future::try_join(first, second).await?;
        Ok::<_, DeferredError>(one + two)
    });
    b.callback(2);
    assert!(!d.is_fired());
    a.callback(1);
    assert_eq!(value_of(d), 3);

    let [(a, first), (_b, second)] = [(); 2].map(|()| LocalDeferred::<i32>::new());
    let d = LocalDeferred::from_coroutine(async move {
        match future::select(first, second).await {
            future::Either::Left((one, _)) => one,
            future::Either::Right((two, _)) => two,
        }
    });
    a.callback(1);
    assert_eq!(value_of(d), 1);
}

#[test]
fn million_awaits_in_one_coroutine_and_coroutines_in_a_row() {
    const MANY: usize = if cfg!(miri) { 100 } else { 100_000 };
    let run = || {
        let (resolvers, ds): (Vec<_>, Vec<_>) = (0..MANY).map(|_| LocalDeferred::new()).unzip();
        let sum = LocalDeferred::from_coroutine(async move {
            let mut sum = 0;
            for d in ds {
                sum += d.await?;
            }
            Ok::<_, DeferredError>(sum)
        });
        resolvers
            .into_iter()
            .for_each(|resolver| resolver.callback(1));
        assert_eq!(value_of(sum), MANY);

        // Each resumes the next one inside of its own poll.
        let (resolver, mut d) = LocalDeferred::<usize>::new();
        for _ in 0..MANY {
            d = LocalDeferred::from_coroutine(async move { Ok::<_, DeferredError>(d.await? + 1) });
        }
        resolver.callback(0);
        assert_eq!(value_of(d), MANY);
    };
    let thread = std::thread::Builder::new().stack_size(256 * 1024);
    thread
        .spawn(run)
        .expect("it starts")
        .join()
        .expect("it ends");
}

#[test]
fn cancel_arrives_at_the_await() {
    let (resolver, d) = LocalDeferred::<i32>::new();
    let d = LocalDeferred::from_coroutine(async move {
        match d.await {
            Err(error) if error.is_cancelled() => Ok(-1),
            other => other,
        }
    });
    d.cancel();
    assert!(resolver.is_cancelled());
    assert_eq!(value_of(d), -1);
}

#[test]
fn cancel_of_one_that_was_spawned_drops_it() {
    let held = Rc::new(());
    let (resolver, reply) = LocalDeferred::<i32>::new();
    let inside = held.clone();
    let d = LocalDeferred::spawn(async move {
        let _held = inside;
        reply.await.or(Ok::<_, DeferredError>(0))
    });
    d.cancel();
    assert_eq!(Rc::strong_count(&held), 1);
    assert!(failure_of(d).is_cancelled());
    assert!(!resolver.is_observed());
}

#[test]
fn cancel_inside_of_its_own_poll_is_kept_until_after_it() {
    let (_resolver, inner) = LocalDeferred::<i32>::new();
    let handle = Rc::new(RefCell::new(None));
    let (start, started) = LocalDeferred::<()>::new();
    let log = Log::default();
    let (inside, own) = (log.clone(), handle.clone());
    let mut d = LocalDeferred::from_coroutine(async move {
        started.await?;
        let own = own.take();
        let own: tokio_deferred::local::LocalCancelHandle = own.expect("it was put there");
        own.cancel();
        inside.add("still here");
        let result = inner.await;
        inside.add(format!("cancelled: {}", result.is_err()));
        Ok::<_, DeferredError>(7)
    });
    *handle.borrow_mut() = Some(d.cancel_handle());
    start.callback(());
    log.assert(&["still here", "cancelled: true"]);
    assert_eq!(value_of(d), 7);
}

#[test]
fn cancel_without_an_awaited_deferred_drops_the_future_first() {
    let log = Log::default();
    struct OnDrop(Log);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.add("dropped");
        }
    }
    let held = OnDrop(log.clone());
    let mut pool = futures::executor::LocalPool::new();
    tokio_deferred::local::set_spawner(pool.spawner());
    let d = LocalDeferred::<()>::from_coroutine(async move {
        let _held = held;
        future::pending::<Result<(), DeferredError>>().await
    });
    let seen = log.clone();
    let d = d.add_errback(move |failure| {
        seen.add(format!("cancelled: {}", failure.is_cancelled()));
        Ok(())
    });
    d.cancel();
    log.assert(&["dropped", "cancelled: true"]);
    value_of(d);
    pool.run();
}

#[test]
fn panic_in_it_is_its_failure() {
    let (resolver, d) = LocalDeferred::<i32>::new();
    let here = Here::new();
    let d = LocalDeferred::<i32>::from_coroutine(async move {
        here.check();
        let n = d.await?;
        assert_eq!(n, 0, "no zero");
        Ok::<_, DeferredError>(n)
    });
    resolver.callback(1);
    assert!(failure_of(d).is_panic());
}

#[test]
fn resolver_that_is_dropped_resumes_it_with_the_failure() {
    let (resolver, d) = LocalDeferred::<i32>::new();
    let d = LocalDeferred::from_coroutine(async move {
        let error = d.await.expect_err("nobody fires");
        Ok::<_, DeferredError>(error.is_resolver_dropped())
    });
    drop(resolver);
    assert!(value_of(d));
}

#[test]
fn fires_itself_while_it_runs_then_awaits() {
    let (resolver, d) = LocalDeferred::<i32>::new();
    let d = LocalDeferred::from_coroutine(async move {
        resolver.callback(3);
        d.await
    });
    assert_eq!(value_of(d), 3);
}

#[test]
fn two_coroutines_fire_each_other() {
    let [(a, first), (b, second)] = [(); 2].map(|()| LocalDeferred::<i32>::new());
    let one = LocalDeferred::from_coroutine(async move {
        let n = first.await?;
        b.callback(n + 1);
        Ok::<_, DeferredError>(n)
    });
    let two = LocalDeferred::from_coroutine(second);
    a.callback(1);
    assert_eq!((value_of(one), value_of(two)), (1, 2));
}

#[test]
fn without_a_loop_what_something_else_wakes_fails() {
    let place = Rc::default();
    let held = Rc::new(());
    let inside = held.clone();
    let waits = wait_for_wake(Rc::clone(&place));
    let d = LocalDeferred::<()>::from_coroutine(async move {
        let _held = inside;
        waits.await;
        Ok::<_, Failure>(())
    });
    assert!(failure_of(d).is::<NoRuntime>());
    assert_eq!(Rc::strong_count(&held), 1);
    let waker = place.take();
    waker.expect("it was polled").wake(); // of nobody any more
}

#[test]
fn without_a_loop_a_pending_deferred_of_any_thread_fails_and_is_cancelled() {
    let (resolver, d) = Deferred::<i32>::new();
    let d = d.into_local();
    assert!(failure_of(d).is::<NoRuntime>());
    assert!(resolver.is_cancelled());
}

#[test]
fn nobody_who_can_wake_it_is_left() {
    let (resolver, d) = LocalDeferred::<i32>::new();
    let dropped = Rc::new(Cell::new(false));
    struct OnDrop(Rc<Cell<bool>>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let place = Rc::new(RefCell::new(Some(d)));
    let (inside, held) = (place.clone(), OnDrop(dropped.clone()));
    let co = LocalDeferred::<i32>::from_coroutine(async move {
        let _held = held;
        std::future::poll_fn(|cx| match &mut *inside.borrow_mut() {
            Some(d) => d.poll_unpin(cx),
            None => std::task::Poll::Ready(Ok(0)),
        })
        .await
    });
    assert!(!dropped.get());
    // Another awaits the same Deferred: its waker takes the place.
    let mut taken = place.take().expect("it is there");
    assert!((&mut taken).now_or_never().is_none());
    assert!(dropped.get());
    assert!(failure_of(co).is_resolver_dropped());
    resolver.callback(1);
    assert_eq!(value_of(taken), 1);
}
