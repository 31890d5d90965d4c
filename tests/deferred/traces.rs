//! The path that a failure took, as `Debug` prints it.

use test_support::Later;
use tokio_deferred::{Deferred, DeferredError, Failure, PlaceKind, testing};

fn fails(s: &str) -> Result<i32, Failure> {
    Ok(s.parse::<i32>()?) // the place where it is raised
}

#[test]
fn debug_says_where_it_was_raised_which_callback_and_where_the_deferred_was_made() {
    let (resolver, d) = Deferred::<&str>::new();
    let d = d.label("the number").add_callback(fails);
    let added = line!() - 1;
    resolver.callback("seven");
    let failure = testing::failure_of(d);
    let trace = failure.trace();
    let places: Vec<_> = trace.places().collect();
    assert_eq!(places[0].kind(), PlaceKind::Raised);
    assert_eq!(places[0].at().line(), 7, "the line of the `?`");
    assert_eq!(places[1].kind(), PlaceKind::Left);
    assert_eq!(places[1].at().line(), added);
    assert!(places[1].name().unwrap().ends_with("traces::fails"));
    assert_eq!(places[1].made().unwrap().line(), added - 1);
    assert_eq!(places[1].label(), Some("the number"));
    let text = format!("{failure:?}");
    for part in [
        "invalid digit",
        "raised at",
        "traces.rs:7",
        "traces::fails",
        "the number",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn each_await_is_in_the_path() {
    async fn one() -> Result<i32, DeferredError> {
        Deferred::<i32>::fail("out").await
    }
    async fn two() -> Result<i32, Failure> {
        Ok(Deferred::from_coroutine(one()).await?)
    }
    let failure = testing::failure_of(Deferred::from_coroutine(two()));
    let awaited = failure
        .trace()
        .places()
        .filter(|p| p.kind() == PlaceKind::Awaited)
        .count();
    assert_eq!(awaited, 2);
}

#[test]
fn a_failure_raised_again_and_again_keeps_the_ends_of_its_path() {
    let mut d = Deferred::<i32>::fail("out");
    for _ in 0..100 {
        d = d.add_errback(Err);
    }
    let trace = testing::failure_of(d).trace();
    assert_eq!(trace.places().count(), 32);
    assert_eq!(trace.skipped(), 101 - 32);
}

#[test]
fn errback_fail_and_resolver_dropped_name_their_places() {
    let (resolver, d) = Deferred::<i32>::new();
    resolver.errback("out");
    let line = line!() - 1;
    assert_eq!(testing::failure_of(d).trace().raised_at().line(), line);

    let (resolver, d) = Deferred::<i32>::new();
    let made = line!() - 1;
    drop(resolver);
    let failure = testing::failure_of(d);
    assert!(
        failure.to_string().contains(&format!("traces.rs:{made}")),
        "{failure}"
    );
}

/// The lines of the callbacks that the failure left.
fn left(failure: &Failure) -> Vec<u32> {
    let trace = failure.trace();
    let places = trace.places().filter(|p| p.kind() == PlaceKind::Left);
    places.map(|p| p.at().line()).collect()
}

#[test]
fn a_callback_that_returns_a_failed_one_is_in_the_path() {
    for others_refer_to_it in [false, true] {
        let mut failed = Deferred::<()>::fail("out");
        let handle = others_refer_to_it.then(|| failed.cancel_handle());
        let (resolver, d) = Deferred::<()>::new();
        let d = d.add_callback(move |()| failed);
        resolver.callback(());
        assert_eq!(left(&testing::failure_of(d)), [line!() - 2]);
        drop(handle);
    }
}

#[test]
fn a_callback_that_panics_or_returns_its_own_one_is_in_the_path() {
    let (resolver, d) = Deferred::<()>::new();
    let d = d.map(|()| -> () { std::panic::resume_unwind(Box::new("out")) });
    let panicked = line!() - 1;
    resolver.callback(());
    assert_eq!(left(&testing::failure_of(d)), [panicked]);

    let own = Later::<Deferred<()>>::new();
    let (mine, failed) = (own.clone(), Later::new());
    let out = failed.clone();
    let (resolver, d) = Deferred::<()>::new();
    let d = d.add_callback(move |()| mine.take());
    let returned = line!() - 1;
    own.put(d.add_errback(move |failure| {
        out.put(failure);
        Ok(())
    }));
    resolver.callback(());
    assert_eq!(left(&failed.take()), [returned]);
}

/// One failure handed to several consumers: each goes its own way from there.
#[test]
fn share_then_stages_of_one_subscriber_are_not_in_the_others_trace() {
    let (resolver, d) = Deferred::<i32>::new();
    let shared = d.share();
    let one = shared.subscribe();
    let two = shared.subscribe();
    let line = line!() + 1;
    let one = one.add_errback(Err::<i32, _>);
    resolver.errback("no");
    let (one, two) = (testing::failure_of(one), testing::failure_of(two));
    let lines = |failure: &Failure| -> Vec<u32> {
        failure
            .trace()
            .places()
            .map(|place| place.at().line())
            .collect()
    };
    assert_eq!(lines(&one).last(), Some(&line));
    assert!(!lines(&two).contains(&line), "{two:?}");
    assert!(one.to_string() == "no" && two.to_string() == "no");
}

#[test]
fn clone_kept_then_the_failure_goes_on_leaves_the_clones_trace_alone() {
    let failure = Failure::new("no");
    let clone = failure.clone();
    let d = Deferred::<i32>::fail(failure).add_errback(Err::<i32, _>);
    let gone_on = testing::failure_of(d);
    assert_eq!(clone.trace().places().count(), 1);
    assert_eq!(gone_on.trace().places().count(), 2);
}
