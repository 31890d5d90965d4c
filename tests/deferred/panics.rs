//! Panics of user code, wherever it is called: nothing is poisoned, nothing
//! hangs, and the payload arrives as a failure.

use std::panic::panic_any;
use test_support::OnDrop;
use tokio_deferred::{Deferred, Failure, testing};

fn quiet<R>(f: impl FnOnce() -> R) -> R {
    // The default hook would fill the output with expected messages; they are
    // told by a prefix of the payload.
    use std::sync::Once;
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let old = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let message = info.payload().downcast_ref::<&str>();
            if !message.is_some_and(|text| text.starts_with("expected")) {
                old(info);
            }
        }));
    });
    f()
}

fn message(failure: Failure) -> String {
    assert!(failure.is_panic(), "{failure:?}");
    let payload = failure.into_panic().expect("the payload is there");
    payload.downcast_ref::<&str>().expect("a str").to_string()
}

#[test]
fn in_callbacks_of_every_sort() {
    quiet(|| {
        let d =
            Deferred::succeed(1).add_callback(|_| -> Result<(), Failure> { panic!("expected 1") });
        assert_eq!(message(testing::failure_of(d)), "expected 1");
        let d = Deferred::<i32>::fail("x")
            .add_errback(|_| -> Result<i32, Failure> { panic!("expected 2") });
        assert_eq!(message(testing::failure_of(d)), "expected 2");
        let (r, d) = Deferred::<i32>::new();
        let d = d
            .map(|_| -> i32 { panic!("expected 3") })
            .add_both(|r| Ok(message(r.unwrap_err())));
        r.callback(1);
        assert_eq!(testing::success_of(d), "expected 3");
        let (r, d) = Deferred::<i32>::new();
        let d = d.finally(|| panic!("expected 4"));
        r.callback(1);
        assert_eq!(message(testing::failure_of(d)), "expected 4");
    });
}

#[test]
fn in_cancellers_and_on_cancel() {
    quiet(|| {
        let (_r, d) = Deferred::<i32>::with_canceller(|| panic!("expected 1"));
        d.cancel();
        assert_eq!(message(testing::failure_of(d)), "expected 1");
        let (mut r, d) = Deferred::<i32>::new();
        r.on_cancel(|| panic!("expected 2"));
        d.cancel();
        assert_eq!(message(testing::failure_of(d)), "expected 2");
    });
}

#[test]
fn in_the_drop_of_a_canceller_at_a_fire() {
    quiet(|| {
        let bomb = OnDrop(|| panic!("expected 1"));
        let (r, d) = Deferred::with_canceller(move || {
            let _bomb = &bomb;
            None
        });
        r.callback(5);
        assert_eq!(message(testing::failure_of(d)), "expected 1");
    });
}

#[test]
fn in_registrations_and_in_maybe() {
    quiet(|| {
        let d = Deferred::<i32>::from_callback(|_resolver| panic!("expected 1"));
        assert_eq!(message(testing::failure_of(d)), "expected 1");
        let d = Deferred::<i32>::from_callback(|resolver| {
            resolver.callback(3);
            panic!("expected 2");
        });
        assert_eq!(testing::success_of(d), 3);
        let d = Deferred::<i32>::maybe(|| -> Result<i32, Failure> { panic!("expected 3") });
        assert_eq!(message(testing::failure_of(d)), "expected 3");
    });
}

#[test]
fn in_the_drop_of_a_closure_that_is_passed_by() {
    quiet(|| {
        for pending in [false, true] {
            let bomb = OnDrop(|| panic!("expected 1"));
            let stage = move |_: Failure| {
                let _bomb = &bomb;
                Ok(0)
            };
            let d = if pending {
                let (r, d) = Deferred::new();
                let d = d.add_errback(stage);
                r.callback(1);
                d
            } else {
                Deferred::succeed(1).add_errback(stage)
            };
            assert_eq!(message(testing::failure_of(d)), "expected 1");
        }
    });
}

#[test]
fn in_the_drop_of_a_value_that_nobody_takes() {
    quiet(|| {
        for order in 0..4 {
            let bomb = || OnDrop(|| panic!("expected 1"));
            let reports = testing::capture_unhandled(|| match order {
                0 => drop(Deferred::succeed(bomb())),
                3 => drop(Deferred::succeed(bomb()).label("a bomb")),
                1 => {
                    let (r, d) = Deferred::new();
                    r.callback(bomb());
                    drop(d);
                }
                _ => {
                    let (r, d) = Deferred::new();
                    drop(d);
                    r.callback(bomb());
                }
            });
            assert_eq!(reports.len(), 1, "order {order}");
            assert!(reports[0].failure().is_panic());
            assert_eq!(reports[0].label(), (order == 3).then_some("a bomb"));
        }
    });
}

#[test]
fn in_the_drop_of_a_late_value() {
    quiet(|| {
        let (r, d) = Deferred::new();
        d.cancel();
        r.callback(OnDrop(|| panic!("expected: said through tracing")));
        assert!(testing::failure_of(d).is_cancelled());
    });
}

#[test]
fn the_first_asker_among_clones_gets_the_payload() {
    quiet(|| {
        let d = Deferred::succeed(()).add_callback(|()| -> Result<(), Failure> { panic_any(7_u8) });
        let failure = testing::failure_of(d);
        let clone = failure.clone();
        assert_eq!(*failure.into_panic().unwrap().downcast::<u8>().unwrap(), 7);
        assert!(clone.is_panic());
        assert!(clone.into_panic().unwrap_err().is_panic());
        assert!(
            !Failure::new("no panic")
                .into_panic()
                .unwrap_err()
                .is_panic()
        );
    });
}
