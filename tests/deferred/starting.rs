//! `from_callback`: what the start returns, and what happens before it does.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use test_support::{Log, OnDrop};
use tokio_deferred::{Deferred, Failure, OrFail, Resolver, testing};

type Kept<T> = Arc<Mutex<Option<Resolver<T>>>>;

fn kept<T>() -> (Kept<T>, Kept<T>) {
    let place = Arc::new(Mutex::new(None));
    (place.clone(), place)
}

#[test]
fn start_that_returns_nothing_then_fire() {
    let (place, keep) = kept();
    let d = Deferred::from_callback(move |resolver| *keep.lock().unwrap() = Some(resolver));
    testing::assert_no_result(&d);
    place.lock().unwrap().take().unwrap().callback(1);
    assert_eq!(testing::success_of(d), 1);
}

#[test]
fn canceller_then_cancel_calls_it_once() {
    let log = Log::default();
    let (place, keep) = kept::<i32>();
    let d = Deferred::from_callback(|resolver| {
        *keep.lock().unwrap() = Some(resolver);
        let log = log.clone();
        move || log.add("stopped")
    });
    d.cancel();
    d.cancel();
    assert_eq!(log.all(), ["stopped"]);
    let resolver = place.lock().unwrap().take().unwrap();
    assert!(resolver.is_cancelled());
    resolver.callback(1); // swallowed
    assert!(testing::failure_of(d).is_cancelled());
}

#[test]
fn canceller_runs_on_the_thread_that_cancels() {
    let (tx, rx) = mpsc::channel();
    let (_place, keep) = kept::<i32>();
    let mut d = Deferred::from_callback(|resolver| {
        *keep.lock().unwrap() = Some(resolver);
        move || tx.send(thread::current().id()).unwrap()
    });
    let handle = d.cancel_handle();
    let canceller = thread::spawn(move || {
        handle.cancel();
        thread::current().id()
    });
    assert_eq!(canceller.join().unwrap(), rx.recv().unwrap());
    assert!(testing::failure_of(d).is_cancelled());
}

#[test]
fn canceller_then_fire_drops_it_uncalled() {
    let log = Log::default();
    let (place, keep) = kept();
    let d = Deferred::from_callback(|resolver| {
        *keep.lock().unwrap() = Some(resolver);
        let (called, dropped) = (log.clone(), log.clone());
        let guard = OnDrop(move || dropped.add("dropped"));
        move || {
            let _guard = &guard;
            called.add("called");
        }
    });
    assert!(log.all().is_empty());
    place.lock().unwrap().take().unwrap().callback(1);
    assert_eq!(log.all(), ["dropped"]);
    d.cancel();
    assert_eq!(testing::success_of(d), 1);
    assert_eq!(log.all(), ["dropped"]);
}

#[test]
fn fire_inside_the_start_then_canceller_is_dropped() {
    let log = Log::default();
    let d = Deferred::from_callback(|resolver| {
        resolver.callback(1);
        let (called, dropped) = (log.clone(), log.clone());
        let guard = OnDrop(move || dropped.add("dropped"));
        move || {
            let _guard = &guard;
            called.add("called");
        }
    });
    assert_eq!(log.all(), ["dropped"]);
    assert_eq!(testing::success_of(d), 1);
}

#[test]
fn fire_from_other_thread_before_the_canceller_is_returned() {
    let log = Log::default();
    let d = Deferred::from_callback(|resolver| {
        thread::spawn(move || resolver.callback(1)).join().unwrap();
        let called = log.clone();
        move || called.add("called")
    });
    d.cancel();
    assert_eq!(testing::success_of(d), 1);
    assert!(log.all().is_empty());
}

#[test]
fn fire_from_other_thread_while_the_canceller_is_put_in_its_place() {
    for _ in 0..2_000 {
        let calls = Arc::new(());
        let (d, firing) = {
            let mut firing = None;
            let calls = calls.clone();
            let d = Deferred::from_callback(|resolver| {
                firing = Some(thread::spawn(move || resolver.callback(1)));
                move || drop(calls)
            });
            (d, firing.unwrap())
        };
        firing.join().unwrap();
        assert_eq!(testing::success_of(d), 1);
        assert_eq!(Arc::strong_count(&calls), 1, "the canceller is gone");
    }
}

#[test]
fn resolver_dropped_inside_the_start_then_canceller_is_dropped() {
    let d = Deferred::<i32>::from_callback(|resolver| {
        drop(resolver);
        || panic!("called")
    });
    assert!(testing::failure_of(d).is_resolver_dropped());
}

#[test]
fn cancel_then_library_calls_back_from_its_own_cancel_and_wins() {
    let (place, keep) = kept();
    let d = Deferred::<i32>::from_callback(|resolver| {
        *keep.lock().unwrap() = Some(resolver);
        move || {
            let resolver = place.lock().unwrap().take().unwrap();
            resolver.errback("the library's own word for cancelled");
        }
    });
    d.cancel();
    let failure = testing::failure_of(d);
    assert_eq!(failure.to_string(), "the library's own word for cancelled");
}

#[test]
fn cancel_calls_the_resolvers_hooks_before_the_canceller() {
    let log = Log::default();
    let (_place, keep) = kept::<i32>();
    let d = Deferred::<i32>::from_callback(|mut resolver| {
        let (hook, canceller) = (log.clone(), log.clone());
        resolver.on_cancel(move || hook.add("hook"));
        *keep.lock().unwrap() = Some(resolver);
        move || canceller.add("canceller")
    });
    d.cancel();
    assert_eq!(log.all(), ["hook", "canceller"]);
    assert!(testing::failure_of(d).is_cancelled());
}

#[test]
fn canceller_that_panics_is_the_failure() {
    let (_place, keep) = kept::<i32>();
    let d = Deferred::from_callback(|resolver| {
        *keep.lock().unwrap() = Some(resolver);
        || panic!("expected 1")
    });
    d.cancel();
    assert!(testing::failure_of(d).is_panic());
}

#[test]
fn late_canceller_whose_drop_panics_harms_nobody() {
    let d = Deferred::from_callback(|resolver| {
        resolver.callback(1);
        let guard = OnDrop(|| panic!("expected 2"));
        move || drop(guard)
    });
    assert_eq!(testing::success_of(d), 1);
}

fn start(status: i32) -> Result<(), std::fmt::Error> {
    if status == 0 {
        Ok(())
    } else {
        Err(std::fmt::Error)
    }
}

/// Nothing is reported of what a start that returned an error left behind.
fn fails_with_the_error(d: impl FnOnce() -> Deferred<i32>) {
    let reports = testing::capture_unhandled(|| {
        let failure = testing::failure_of(d());
        assert!(failure.is::<std::fmt::Error>(), "{failure:?}");
    });
    assert!(reports.is_empty(), "{reports:?}");
}

#[test]
fn start_that_fails_drops_the_resolver_and_its_error_is_the_result() {
    fails_with_the_error(|| {
        Deferred::from_callback(|_resolver| {
            start(1)?;
            Ok(())
        })
    });
    fails_with_the_error(|| {
        Deferred::from_callback(|_resolver| {
            start(1)?;
            Ok(|| panic!("called"))
        })
    });
    fails_with_the_error(|| Deferred::from_callback(|_resolver| start(1).or_fail()));
}

#[test]
fn start_that_fires_then_fails_fails_with_the_error() {
    fails_with_the_error(|| {
        Deferred::from_callback(|resolver| {
            resolver.callback(1);
            Ok(start(1)?)
        })
    });
    fails_with_the_error(|| {
        Deferred::from_callback(|resolver| {
            resolver.errback("not this");
            Ok(start(1)?)
        })
    });
}

#[test]
fn start_that_gives_the_resolver_away_then_fails_swallows_what_it_brings() {
    for late in [Ok(1), Err("not this")] {
        let (place, keep) = kept();
        let reports = testing::capture_unhandled(|| {
            fails_with_the_error(|| {
                Deferred::from_callback(|resolver| {
                    *keep.lock().unwrap() = Some(resolver);
                    Ok(start(1)?)
                })
            });
            let resolver = place.lock().unwrap().take().unwrap();
            assert!(!resolver.is_observed());
            resolver.resolve(late);
        });
        assert!(reports.is_empty(), "{reports:?}");
    }
}

#[test]
fn start_that_fails_does_not_run_the_hooks_that_stop_the_operation() {
    let log = Log::default();
    fails_with_the_error(|| {
        Deferred::from_callback(|mut resolver| {
            let hook = log.clone();
            resolver.on_cancel(move || hook.add("called"));
            Ok(start(1)?)
        })
    });
    assert!(log.all().is_empty());
}

#[test]
fn start_that_succeeds_with_a_canceller_inside_ok() {
    let log = Log::default();
    let (_place, keep) = kept::<i32>();
    let d = Deferred::from_callback(|resolver| {
        start(0)?;
        *keep.lock().unwrap() = Some(resolver);
        let log = log.clone();
        Ok(move || log.add("stopped"))
    });
    d.cancel();
    assert_eq!(log.all(), ["stopped"]);
    assert!(testing::failure_of(d).is_cancelled());
}

#[test]
fn start_that_gives_the_resolver_away_then_panics_swallows_what_it_brings() {
    let (place, keep) = kept::<i32>();
    let reports = testing::capture_unhandled(|| {
        let d = Deferred::<i32>::from_callback(|resolver| {
            *keep.lock().unwrap() = Some(resolver);
            panic!("expected 3");
        });
        assert!(testing::failure_of(d).is_panic());
        place.lock().unwrap().take().unwrap().errback("too late");
    });
    assert!(reports.is_empty(), "{reports:?}");
}

#[test]
fn start_error_is_raised_at_its_own_line() {
    let line = line!() + 1;
    let d = Deferred::<i32>::from_callback(|_| Err::<(), _>(Failure::new("no")));
    assert_eq!(testing::failure_of(d).trace().raised_at().line(), line);
}
