//! Records of what Deferreds do. Debugging is the process's, so these tests
//! have a process of their own, and look for their own labels.

use tokio_deferred::debug::{self, PendingDeferred, Side, WaitsFor};
use tokio_deferred::{Deferred, testing};

fn find(label: &str) -> Option<PendingDeferred> {
    debug::pending()
        .iter()
        .find(|entry| entry.label() == Some(label))
        .cloned()
}

fn double(n: i32) -> i32 {
    n * 2
}

#[test]
fn pending_says_where_it_was_made_its_stages_and_what_fires_it() {
    debug::set_debugging(true);
    let line = line!() + 1;
    let (resolver, d) = Deferred::<i32>::new();
    let d = d.label("a number").map(double);
    let entry = find("a number").expect("it is listed");
    assert_eq!(
        (entry.made_at().file(), entry.made_at().line()),
        (file!(), line)
    );
    assert_eq!(entry.waits_for(), WaitsFor::Source("a resolver"));
    assert_eq!(entry.stages().len(), 1);
    assert!(entry.stages()[0].name().ends_with("debug::double"));
    assert_eq!(entry.stages()[0].at().line(), line + 1);
    resolver.callback(1);
    assert!(find("a number").is_none(), "it has its result");
    assert_eq!(testing::success_of(d), 2);
}

#[test]
fn pending_says_who_waits_on_whom_as_a_tree() {
    debug::set_debugging(true);
    let (inner, returned) = Deferred::<i32>::new();
    let returned = returned.label("the inner");
    let (outer, d) = Deferred::<i32>::new();
    let d = d.label("the outer").add_callback(move |_| returned);
    outer.callback(0);
    let (outer_entry, inner_entry) = (find("the outer").unwrap(), find("the inner").unwrap());
    assert_eq!(
        outer_entry.waits_for(),
        WaitsFor::Deferred(inner_entry.id())
    );
    let text = debug::pending().to_string();
    let at = |what: &str| {
        text.find(what)
            .unwrap_or_else(|| panic!("{what} in {text}"))
    };
    assert!(at("(the outer)") < at("(the inner)"));
    inner.callback(1);
    assert_eq!(testing::success_of(d), 1);
    assert!(find("the outer").is_none());
}

#[test]
fn a_pause_is_seen_as_stages_to_run() {
    debug::set_debugging(true);
    let d = Deferred::succeed(1).label("held up");
    let pause = d.pause();
    let d = d.map(double);
    assert_eq!(find("held up").unwrap().waits_for(), WaitsFor::Stages);
    drop(pause);
    assert!(find("held up").is_none());
    assert_eq!(testing::success_of(d), 2);
}

#[tokio::test]
async fn a_coroutine_is_named_as_what_fires_it() {
    debug::set_debugging(true);
    let (resolver, awaited) = Deferred::<i32>::new();
    let d = Deferred::from_coroutine(awaited).label("a coroutine's");
    assert_eq!(
        find("a coroutine's").unwrap().waits_for(),
        WaitsFor::Source("a coroutine")
    );
    resolver.callback(3);
    assert_eq!(d.await.unwrap(), 3);
}

#[test]
fn a_deferred_that_is_gone_is_listed_no_more() {
    debug::set_debugging(true);
    let (resolver, d) = Deferred::<i32>::new();
    let d = d.label("gone");
    drop((resolver, d.add_errback(|_| Ok(0))));
    assert!(find("gone").is_none());
}

#[test]
fn the_diagram_shows_where_a_failure_was_raised_and_caught() {
    debug::set_debugging(true);
    for pending in [false, true] {
        let (resolver, d) = Deferred::<&str>::new();
        let d = if pending {
            d
        } else {
            Deferred::succeed("seven")
        };
        let d = d
            .add_callback(|s| Ok(s.parse::<i32>()?))
            .map(double)
            .add_errback(|_| Ok(7))
            .map(double);
        if pending {
            let steps = debug::diagram(&d).unwrap();
            assert!(steps.steps().iter().all(|step| step.came().is_none()));
        }
        resolver.callback("seven");
        let diagram = debug::diagram(&d).unwrap();
        let steps = diagram.steps();
        let seen: Vec<_> = steps
            .iter()
            .map(|s| (s.came(), s.went(), s.ran()))
            .collect();
        let (green, red) = (Some(Side::Callback), Some(Side::Errback));
        assert_eq!(
            seen,
            [
                (green, red, true),
                (red, red, false),
                (red, green, true),
                (green, green, true)
            ]
        );
        assert!(steps[0].raised() && steps[2].caught());
        let text = diagram.to_string();
        assert!(
            text.contains("raised a failure") && text.contains("caught the failure"),
            "{text}"
        );
        assert_eq!(testing::success_of(d), 14);
    }
}

#[test]
fn the_diagram_follows_a_returned_deferred() {
    debug::set_debugging(true);
    let (inner, returned) = Deferred::<i32>::new();
    let d = Deferred::succeed(1)
        .add_callback(move |_| returned)
        .add_errback(|_| Ok(3));
    let before = debug::diagram(&d).unwrap();
    assert_eq!(
        (before.steps()[0].came(), before.steps()[0].went()),
        (Some(Side::Callback), None)
    );
    inner.errback("out");
    let after = debug::diagram(&d).unwrap();
    assert_eq!(after.steps()[0].went(), Some(Side::Errback));
    assert!(after.steps()[1].caught());
    assert_eq!(testing::success_of(d), 3);
}
