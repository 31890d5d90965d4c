//! One resolver for several places: `shared`, `into_fn`, `into_fn_mut`,
//! `into_callbacks`, and as a raw pointer.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use test_support::OnDrop;
use tokio_deferred::{Deferred, Resolver, SharedResolver, testing};

#[test]
fn first_call_wins_and_says_so() {
    let (resolver, d) = Deferred::new();
    let shared = resolver.shared();
    let also = shared.clone();
    assert!(shared.is_observed());
    assert!(also.callback(1));
    assert!(!shared.callback(2));
    assert!(!shared.errback("late"));
    assert!(!shared.resolve(Err::<i32, _>("late")));
    assert_eq!(shared.try_callback(3), Err(3));
    assert!(shared.take().is_none());
    assert!(!shared.is_observed());
    assert_eq!(testing::success_of(d), 1);
}

#[test]
fn late_failures_are_not_reported() {
    let reports = testing::capture_unhandled(|| {
        let (resolver, d) = Deferred::new();
        let shared = resolver.shared();
        assert!(shared.callback(1));
        assert!(!shared.errback("late"));
        assert_eq!(testing::success_of(d), 1);
    });
    assert!(reports.is_empty(), "{reports:?}");
}

#[test]
fn cancel_then_call_says_that_it_did_not_fire() {
    let (resolver, d) = Deferred::new();
    let shared = resolver.shared();
    d.cancel();
    assert!(shared.is_cancelled());
    assert!(!shared.callback(1));
    assert!(testing::failure_of(d).is_cancelled());

    let (resolver, d) = Deferred::new();
    let shared = resolver.shared();
    d.cancel();
    assert_eq!(shared.try_callback(1), Err(1));
    assert!(testing::failure_of(d).is_cancelled());
}

#[test]
fn last_clone_dropped_uncalled_fails_the_deferred() {
    let (resolver, d) = Deferred::<i32>::new();
    let shared = resolver.shared();
    let also = shared.clone();
    drop(shared);
    testing::assert_no_result(&d);
    drop(also);
    assert!(testing::failure_of(d).is_resolver_dropped());
}

#[test]
fn stage_that_calls_the_same_resolver_finds_it_taken() {
    let (resolver, d) = Deferred::new();
    let shared = resolver.shared();
    let again = shared.clone();
    let d = d.map(move |n: i32| (n, again.callback(2), again.is_observed()));
    assert!(shared.callback(1));
    assert_eq!(testing::success_of(d), (1, false, false));
}

#[test]
fn calls_from_many_threads_have_one_winner() {
    for _ in 0..200 {
        let (resolver, d) = Deferred::new();
        let shared = resolver.shared();
        let winners = AtomicUsize::new(0);
        thread::scope(|scope| {
            for n in 0..4 {
                let shared: SharedResolver<usize> = shared.clone();
                let winners = &winners;
                scope.spawn(move || {
                    if shared.callback(n) {
                        winners.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(winners.into_inner(), 1);
        assert!(testing::success_of(d) < 4);
    }
}

#[test]
fn late_value_whose_drop_panics_harms_nobody() {
    let (resolver, d) = Deferred::new();
    let shared = resolver.shared();
    let guard = || Some(OnDrop(|| panic!("expected 1")));
    assert!(shared.callback(None));
    assert!(!shared.callback(guard()));
    assert!(testing::success_of(d).is_none());
}

#[test]
fn into_fn_takes_a_result_of_any_error() {
    let (resolver, d) = Deferred::new();
    resolver.into_fn()(Ok::<_, io::Error>(1));
    assert_eq!(testing::success_of(d), 1);

    let (resolver, d) = Deferred::<i32>::new();
    let line = line!() + 1;
    let on_done = resolver.into_fn();
    on_done(Err(io::Error::other("disk full")));
    let failure = testing::failure_of(d);
    assert!(failure.is::<io::Error>());
    assert_eq!(failure.trace().raised_at().line(), line);

    let (resolver, d) = Deferred::<i32>::new();
    drop(resolver.into_fn::<io::Error>());
    assert!(testing::failure_of(d).is_resolver_dropped());
}

#[test]
fn into_fn_is_one_pointer_and_its_line() {
    let (resolver, d) = Deferred::<i32>::new();
    let on_done = resolver.into_fn::<io::Error>();
    assert_eq!(size_of_val(&on_done), 2 * size_of::<usize>());
    on_done(Ok(1));
    assert_eq!(testing::success_of(d), 1);
}

#[test]
fn into_fn_mut_fires_at_its_first_call() {
    let (resolver, d) = Deferred::new();
    let mut on_event = resolver.into_fn_mut();
    assert!(on_event(Err("first")));
    assert!(!on_event(Ok(2)));
    assert!(!on_event(Err("third")));
    assert_eq!(testing::failure_of(d).to_string(), "first");

    let (resolver, d) = Deferred::<i32>::new();
    let mut on_event = resolver.into_fn_mut::<io::Error>();
    d.cancel();
    assert!(!on_event(Ok(1)));
    assert!(testing::failure_of(d).is_cancelled());

    let (resolver, d) = Deferred::<i32>::new();
    drop(resolver.into_fn_mut::<io::Error>());
    assert!(testing::failure_of(d).is_resolver_dropped());
}

#[test]
fn into_callbacks_takes_the_apis_own_error() {
    let (resolver, d) = Deferred::<i32>::new();
    let (ok, err) = resolver.into_callbacks();
    let line = line!() - 1;
    err(io::Error::other("disk full"));
    ok(1);
    let failure = testing::failure_of(d);
    assert!(failure.is::<io::Error>());
    assert_eq!(failure.trace().raised_at().line(), line);
}

/// Through a `void *`, to another thread, and back.
#[test]
#[allow(unsafe_code)]
fn raw_pointer_goes_to_other_thread_and_fires_there() {
    struct Data(*mut std::ffi::c_void);
    // SAFETY: `into_raw` allows any thread to turn it back.
    unsafe impl Send for Data {}
    impl Data {
        fn get(self) -> *mut std::ffi::c_void {
            self.0
        }
    }

    let (resolver, d) = Deferred::<String>::new();
    let data = Data(resolver.into_raw());
    thread::spawn(move || {
        let raw = data.get();
        // SAFETY: it comes from `into_raw` above, of the same type, and is used once.
        let resolver = unsafe { Resolver::<String>::from_raw(raw) };
        resolver.callback("fired".to_owned());
    })
    .join()
    .unwrap();
    assert_eq!(testing::success_of(d), "fired");
}

#[test]
#[allow(unsafe_code)]
fn raw_pointer_back_then_drop_fails_the_deferred() {
    let counted = Arc::new(());
    let (resolver, d) = Deferred::<Arc<()>>::new();
    let counter = counted.clone();
    let d = d.map(move |value| (value, counter));
    let raw = resolver.into_raw();
    // SAFETY: it comes from the line above, and is used once.
    drop(unsafe { Resolver::<Arc<()>>::from_raw(raw) });
    assert!(testing::failure_of(d).is_resolver_dropped());
    assert_eq!(Arc::strong_count(&counted), 1);
}
