//! Chains on one thread: what the stages do, in which order, and where.

use crate::support::{Here, Log, failure_of, value_of};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use tokio_deferred::local::{self, LocalDeferred, LocalDeferredList};
use tokio_deferred::{Deferred, Failure, FirstError, debug, testing};

#[test]
fn stages_run_in_order_inside_of_the_fire() {
    let log = Log::default();
    let (resolver, d) = LocalDeferred::<Rc<str>>::new();
    let [a, b, c] = [(); 3].map(|()| log.clone());
    let d = d
        .add_callback(move |text| {
            a.add(format!("got {text}"));
            Ok(text.parse::<i32>()?)
        })
        .add_errback(move |failure| {
            b.add(format!("{failure}"));
            Ok(0)
        })
        .finally(move || c.add("done"));
    log.assert(&[]);
    resolver.callback(Rc::from("x"));
    log.assert(&["got x", "invalid digit found in string", "done"]);
    assert_eq!(value_of(d), 0);
}

#[test]
fn stage_that_is_passed_by_is_dropped_unrun() {
    let [unrun, run] = [(); 2].map(|()| Rc::new(Cell::new(false)));
    let d = LocalDeferred::succeed(1)
        .add_errback({
            let (unrun, here) = (unrun.clone(), Here::new());
            move |_| {
                unrun.set(true);
                here.check();
                Ok(2)
            }
        })
        .map({
            let run = run.clone();
            move |n| {
                run.set(true);
                n + 1
            }
        });
    assert_eq!(value_of(d), 2);
    assert!(run.get() && !unrun.get());
    assert_eq!(Rc::strong_count(&unrun), 1);
}

#[test]
fn callback_returns_a_pending_local_deferred() {
    let (resolver, d) = LocalDeferred::new();
    let (inner_resolver, inner) = LocalDeferred::<Rc<i32>>::new();
    let d = d.add_callback(move |()| inner).map(|n| *n + 1);
    resolver.callback(());
    assert!(!d.is_fired());
    inner_resolver.callback(Rc::new(1));
    assert_eq!(value_of(d), 2);
}

#[test]
fn callback_returns_a_fired_deferred_without_a_loop() {
    let d = LocalDeferred::succeed(1).add_callback(|n| Deferred::succeed(n + 1));
    assert_eq!(value_of(d), 2);
    let d = LocalDeferred::succeed(1).add_callback(|_| Deferred::<i32>::fail("no"));
    assert_eq!(failure_of(d).to_string(), "no");
}

#[test]
fn panic_in_a_stage_is_its_failure_and_drops_what_it_captured() {
    let held = Rc::new(());
    let d = LocalDeferred::succeed(1).map({
        let held = held.clone();
        move |_| -> i32 { panic!("broken: {}", Rc::strong_count(&held)) }
    });
    assert_eq!(failure_of(d).to_string(), "panicked: broken: 2");
    assert_eq!(Rc::strong_count(&held), 1);
}

#[test]
fn traces_name_the_callback_of_the_user_and_its_line() {
    fn halve(n: i32) -> Result<i32, Failure> {
        if n % 2 == 0 {
            return Ok(n / 2);
        }
        Err(Failure::new("odd"))
    }
    let line = line!() + 1;
    let failure = failure_of(LocalDeferred::succeed(3).add_callback(halve));
    let trace = failure.trace().to_string();
    assert!(trace.contains("halve"), "{trace}");
    assert!(!trace.contains("of_value"), "{trace}");
    assert!(trace.contains(&format!("chains.rs:{line}")), "{trace}");
}

#[test]
fn debugging_sees_local_chains_and_names_their_callbacks() {
    fn count(text: Rc<str>) -> usize {
        text.len()
    }
    debug::set_debugging(true);
    let (resolver, d) = LocalDeferred::<Rc<str>>::new();
    let d = d.label("the local poem").map(count);
    let report = debug::pending();
    debug::set_debugging(false);
    let entry = report
        .iter()
        .find(|entry| entry.label() == Some("the local poem"))
        .expect("it is pending");
    assert_eq!(entry.made_at().file(), file!());
    assert!(entry.stages()[0].name().ends_with("count"));
    // Another thread may look at the report while it is about this chain.
    std::thread::scope(|scope| {
        scope.spawn(|| assert!(debug::pending().to_string().contains("without a result")));
    });
    resolver.callback(Rc::from("abc"));
    assert_eq!(value_of(d), 3);
}

#[test]
fn failure_that_nobody_handles_is_reported_with_the_line_of_the_user() {
    let line = line!() + 2;
    let reports = testing::capture_unhandled(|| {
        LocalDeferred::<Rc<()>>::fail("lost").detach();
    });
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].made_at().file(), file!());
    assert_eq!(reports[0].made_at().line(), line);
}

#[test]
fn paused_in_a_stage_then_unpaused() {
    let (resolver, d) = LocalDeferred::<i32>::new();
    let pause = Rc::new(RefCell::new(None));
    let mut d = d.map(|n| n + 1);
    *pause.borrow_mut() = Some(d.pause());
    let d = d.map(|n| n * 10);
    resolver.callback(1);
    assert!(!d.is_fired());
    drop(pause.take());
    assert_eq!(value_of(d), 20);
}

#[test]
fn canceller_answers_with_a_value_that_is_not_send() {
    let answer = Rc::new(5);
    let (_resolver, d) = LocalDeferred::with_canceller({
        let answer = answer.clone();
        move || Some(Ok(answer))
    });
    let d = d.map(|n| *n + 1);
    d.cancel();
    assert_eq!(value_of(d), 6);
    assert_eq!(Rc::strong_count(&answer), 1);
}

#[test]
fn cancel_handle_reaches_what_a_stage_waits_for() {
    let (inner_resolver, inner) = LocalDeferred::<()>::new();
    let mut d = LocalDeferred::succeed(()).add_callback(move |()| inner);
    let handle = d.cancel_handle();
    handle.cancel_with("enough");
    assert!(inner_resolver.is_cancelled());
    assert!(failure_of(d).is_cancelled());
}

#[test]
fn hook_of_the_resolver_runs_before_the_canceller() {
    let log = Log::default();
    let [a, b] = [(); 2].map(|()| log.clone());
    let (mut resolver, d) = LocalDeferred::<()>::with_canceller(move || {
        b.add("canceller");
        None
    });
    resolver.on_cancel(move || a.add("hook"));
    d.cancel();
    log.assert(&["hook", "canceller"]);
    assert!(failure_of(d).is_cancelled());
}

#[test]
fn drop_of_a_cancel_on_drop_cancels_and_reports_nothing() {
    let (resolver, d) = LocalDeferred::<Rc<()>>::new();
    let reports = testing::capture_unhandled(|| drop(d.cancel_on_drop()));
    assert!(resolver.is_cancelled() && reports.is_empty());
}

#[test]
fn lists_races_and_joins_take_values_that_are_not_send() {
    let (resolvers, ds): (Vec<_>, Vec<_>) = (0..3).map(|_| LocalDeferred::new()).unzip();
    let all = local::gather_results(ds);
    for (n, resolver) in resolvers.into_iter().enumerate().rev() {
        resolver.callback(Rc::new(n));
    }
    assert_eq!(value_of(all), [0, 1, 2].map(Rc::new));

    let (_pending, child) = LocalDeferred::<Rc<i32>>::new();
    let broken = local::gather_results([child, LocalDeferred::fail("no")]);
    let failure = failure_of(broken);
    assert_eq!(failure.check::<FirstError>().expect("of a list").index, 1);

    let (slow, a) = LocalDeferred::new();
    let first = local::race([a, LocalDeferred::succeed(Rc::new(2))]);
    assert!(slow.is_cancelled());
    assert_eq!(value_of(first), (1, Rc::new(2)));

    let (resolver, d) = LocalDeferred::new();
    let joined = local::join((d, LocalDeferred::succeed("b")));
    resolver.callback(Rc::new("a"));
    assert_eq!(value_of(joined), (Rc::new("a"), "b"));
}

#[test]
fn list_has_the_options_of_its_namesake() {
    let reports = testing::capture_unhandled(|| {
        let (resolver, child) = LocalDeferred::<Rc<i32>>::new();
        let list = LocalDeferredList::new([child, LocalDeferred::fail("first")])
            .fire_on_one_errback(true)
            .consume_errors(true)
            .cancel_rest(true);
        assert!(failure_of(list.into_deferred()).is::<FirstError>());
        assert!(resolver.is_cancelled());
    });
    assert!(reports.is_empty());
}

#[test]
fn cancel_of_a_list_cancels_its_children_in_order() {
    let log = Log::default();
    let (_resolvers, children): (Vec<_>, Vec<_>) = ["a", "b"]
        .map(|name| {
            let log = log.clone();
            LocalDeferred::<()>::with_canceller(move || {
                log.add(name);
                None
            })
        })
        .into_iter()
        .unzip();
    let all = LocalDeferredList::new(children).into_deferred();
    all.cancel();
    log.assert(&["a", "b"]);
    assert_eq!(value_of(all).len(), 2);
}

#[test]
fn shared_result_is_cloned_for_each_subscriber() {
    let (resolver, d) = LocalDeferred::<Rc<i32>>::new();
    let shared = d.share();
    let early = shared.subscribe();
    let value = Rc::new(1);
    resolver.callback(value.clone());
    let late = shared.clone().subscribe();
    for d in [early, late] {
        assert!(Rc::ptr_eq(&value_of(d), &value));
    }
    drop(shared);
    assert_eq!(Rc::strong_count(&value), 1);
}

#[test]
fn million_links_need_no_stack() {
    let run = || {
        let (resolver, mut d) = LocalDeferred::<Rc<u32>>::new();
        for _ in 0..200_000 {
            let (next, end) = LocalDeferred::new();
            d.chain_deferred(next);
            d = end;
        }
        resolver.callback(Rc::new(7));
        assert_eq!(*value_of(d), 7);
    };
    let thread = std::thread::Builder::new().stack_size(256 * 1024);
    thread
        .spawn(run)
        .expect("it starts")
        .join()
        .expect("it ends");
}

#[test]
fn values_without_a_taker_are_dropped_here() {
    let (resolver, d) = LocalDeferred::<Here>::new();
    d.map(|here| {
        here.check();
        here
    })
    .detach();
    resolver.callback(Here::new());

    let (resolver, d) = LocalDeferred::<Here>::new();
    d.cancel();
    resolver.callback(Here::new()); // swallowed
    assert!(failure_of(d.map(|_| ())).is_cancelled());
}
