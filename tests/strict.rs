//! What a strict test finds, and what it does not. All tests of this binary are
//! strict, as they share the process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use tokio_deferred::testing::{self, Strict};
use tokio_deferred::{Deferred, debug};

/// What the drop of the guard says.
fn verdict(test: impl FnOnce()) -> Result<(), String> {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let _strict = Strict::new();
        test();
    }));
    outcome.map_err(|payload| *payload.downcast::<String>().expect("a message"))
}

#[test]
fn clean_test_passes() {
    let strict = Strict::new();
    let (resolver, d) = Deferred::new();
    let firing = thread::spawn(move || resolver.callback(1));
    firing.join().unwrap();
    assert_eq!(testing::success_of(d), 1);
    assert!(strict.losses().is_empty(), "{:?}", strict.losses());
}

#[test]
fn failure_that_is_lost_on_another_thread() {
    let message = verdict(|| {
        let losing = || drop(Deferred::<()>::fail("nobody saw this"));
        thread::spawn(losing).join().unwrap();
    });
    assert!(message.unwrap_err().contains("nobody saw this"));
}

#[test]
fn failure_that_is_captured_is_not_lost() {
    verdict(|| {
        let reports = testing::capture_unhandled(|| drop(Deferred::<()>::fail("expected")));
        assert_eq!(reports.len(), 1);
    })
    .unwrap();
}

#[test]
fn resolver_that_is_dropped_although_the_failure_is_handled() {
    let message = verdict(|| {
        let (resolver, d) = Deferred::<i32>::new();
        let d = d.label("a reply").add_errback(|_| Ok(0));
        drop(resolver);
        assert_eq!(testing::success_of(d), 0);
    });
    let message = message.unwrap_err();
    assert!(
        message.contains("(a reply) was dropped unfired"),
        "{message}"
    );
}

#[test]
fn deferred_that_is_pending_at_the_end() {
    let mut kept = None;
    let message = verdict(|| kept = Some(Deferred::<i32>::new()));
    assert!(message.unwrap_err().contains("1 without a result"));
    let (resolver, d) = kept.expect("made");
    resolver.callback(1);
    testing::success_of(d);
}

#[test]
fn pending_one_of_before_does_not_count() {
    let before = debug::set_debugging(true);
    let old = Deferred::<i32>::new();
    debug::set_debugging(before);
    verdict(|| ()).unwrap();
    old.0.callback(1);
    testing::success_of(old.1);
}

#[test]
fn panic_of_the_test_itself_is_what_is_said() {
    let outcome = catch_unwind(|| {
        let _strict = Strict::new();
        drop(Deferred::<()>::fail("lost"));
        panic!("the test's own");
    });
    let payload = outcome.unwrap_err();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"the test's own"));
}
