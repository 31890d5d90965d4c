//! Deferreds that stages return.

use test_support::{Later, Log, fire_elsewhere};
use tokio_deferred::{CancelHandle, Deferred, Pause, Resolver, ReturnedItself, testing};

#[test]
fn a_fired_one_is_taken_and_the_chain_goes_on() {
    let d = Deferred::succeed(1)
        .add_callback(|n| Deferred::succeed(n + 1))
        .map(|n| n * 10);
    assert_eq!(testing::success_of(d), 20);
}

#[test]
fn a_pending_one_makes_the_chain_wait_then_delivers_on_its_thread() {
    let (outer, d) = Deferred::<i32>::new();
    let (inner, returned) = Deferred::<i32>::new();
    let d = d
        .add_callback(move |n| returned.map(move |m| n + m))
        .map(|n| (n, std::thread::current().id()));
    outer.callback(1);
    testing::assert_no_result(&d);
    let there = fire_elsewhere(inner, 2);
    assert_eq!(testing::success_of(d), (3, there));
}

#[test]
fn a_failed_one_is_the_stages_failure() {
    let (outer, d) = Deferred::<i32>::new();
    let (inner, returned) = Deferred::<i32>::new();
    let d = d
        .add_callback(move |_| returned)
        .add_errback(|f| Ok(f.to_string().len() as i32));
    outer.callback(1);
    inner.errback("four");
    assert_eq!(testing::success_of(d), 4);
}

#[test]
fn a_paused_one_delivers_after_its_unpause() {
    let mut returned = Deferred::succeed(5);
    let pause = returned.pause();
    let d = Deferred::succeed(1).add_callback(move |_| returned);
    testing::assert_no_result(&d);
    drop(pause);
    assert_eq!(testing::success_of(d), 5);
}

#[test]
fn a_cancelled_one_delivers_its_failure() {
    let (_resolver, mut returned) = Deferred::<i32>::new();
    let inner = returned.cancel_handle();
    let d = Deferred::succeed(1).add_callback(move |_| returned);
    inner.cancel();
    assert!(testing::failure_of(d).is_cancelled());
}

#[test]
fn inner_stages_run_before_the_outer_goes_on() {
    let log = Log::default();
    let (one, two) = (log.clone(), log.clone());
    let (outer, d) = Deferred::<()>::new();
    let (inner, returned) = Deferred::<()>::new();
    let returned = returned.map(move |()| one.add("inner"));
    let d = d
        .add_callback(move |()| returned)
        .map(move |()| two.add("outer"));
    outer.callback(());
    inner.callback(());
    assert_eq!(log.all(), ["inner", "outer"]);
    testing::success_of(d);
}

#[test]
fn flatten_waits_for_the_inner_one() {
    let (inner, returned) = Deferred::<i32>::new();
    let d = Deferred::succeed(returned).flatten();
    testing::assert_no_result(&d);
    inner.callback(3);
    assert_eq!(testing::success_of(d), 3);
}

#[test]
fn chain_deferred_passes_values_failures_and_swallows_after_a_cancel() {
    let (source, s) = Deferred::<i32>::new();
    let (target, d) = Deferred::<i32>::new();
    s.chain_deferred(target);
    source.callback(3);
    assert_eq!(testing::success_of(d), 3);

    let (source, s) = Deferred::<i32>::new();
    let (target, d) = Deferred::<i32>::new();
    target.fire_from(s);
    source.errback("out");
    assert_eq!(testing::failure_of(d).to_string(), "out");

    let (source, s) = Deferred::<i32>::new();
    let (target, d) = Deferred::<i32>::new();
    s.chain_deferred(target);
    d.cancel();
    assert!(!source.is_cancelled(), "the source is not touched");
    let reports = testing::capture_unhandled(|| source.errback("late"));
    assert!(reports.is_empty(), "what comes after a cancel is swallowed");
    assert!(testing::failure_of(d).is_cancelled());
}

#[test]
fn stages_of_a_returned_deferred_run_while_the_outer_is_paused() {
    let log = Log::default();
    let there = log.clone();
    let (resolver, inner) = Deferred::<i32>::new();
    let inner = inner.finally(move || there.add("inner"));
    let mut d = Deferred::succeed(()).add_callback(move |()| inner);
    let pause = d.pause();
    resolver.callback(1);
    assert_eq!(log.all(), ["inner"]);
    testing::assert_no_result(&d);
    drop(pause);
    assert_eq!(testing::success_of(d), 1);
}

#[test]
fn the_handle_of_a_returned_deferred_does_nothing_once_it_delivered() {
    let (first, mut inner) = Deferred::<i32>::new();
    let handle = inner.cancel_handle();
    let (second, next) = Deferred::<i32>::new();
    let d = Deferred::succeed(())
        .add_callback(move |()| inner)
        .add_callback(move |_| next);
    first.callback(1);
    handle.cancel();
    assert!(!second.is_cancelled());
    second.callback(2);
    assert_eq!(testing::success_of(d), 2);
}

/// A turn of an endless loop: a pending Deferred whose last callback returns
/// the next turn, also pending.
fn turn(left: u32, to: &Later<(Resolver<()>, CancelHandle)>) -> Deferred<u32> {
    let (resolver, d) = Deferred::<()>::new();
    let next = to.clone();
    let mut d = d.add_callback(move |()| match left {
        0 => Deferred::succeed(7),
        _ => turn(left - 1, &next),
    });
    to.put((resolver, d.cancel_handle()));
    d
}

#[test]
fn a_loop_of_turns_delivers_through_middles_that_let_go() {
    let to = Later::new();
    let d = Deferred::succeed(()).add_callback({
        let to = to.clone();
        move |()| turn(1000, &to)
    });
    let mut handles = Vec::new();
    while let Some((resolver, handle)) = to.try_take() {
        handles.push(handle);
        resolver.callback(());
    }
    assert_eq!(handles.len(), 1001);
    // The wait is over: the handles of gone links do nothing.
    assert!(handles.iter().all(CancelHandle::is_finished));
    assert!(!handles.iter().any(CancelHandle::cancel));
    assert_eq!(testing::success_of(d), 7);
}

#[test]
fn the_handle_of_a_gone_middle_cancels_the_outer_wait_while_it_lasts() {
    let to = Later::new();
    let d = Deferred::succeed(()).add_callback({
        let to = to.clone();
        move |()| turn(5, &to)
    });
    let (first, gone) = to.take();
    first.callback(());
    let (second, _) = to.take();
    second.callback(());
    let (third, _) = to.take();
    gone.cancel();
    assert!(third.is_cancelled());
    assert!(testing::failure_of(d).is_cancelled());
}

#[test]
fn the_handle_of_a_gone_middle_does_nothing_to_the_next_wait() {
    let to = Later::new();
    let (later, waited) = Deferred::<u32>::new();
    let (first, outer) = Deferred::<()>::new();
    let d = outer
        .add_callback({
            let to = to.clone();
            move |()| turn(1, &to)
        })
        .add_callback(move |_| waited);
    first.callback(());
    let (one, gone) = to.take();
    one.callback(());
    to.take().0.callback(());
    testing::assert_no_result(&d);
    gone.cancel();
    assert!(!later.is_cancelled(), "another wait has begun");
    later.callback(1);
    assert_eq!(testing::success_of(d), 1);
}

/// Middles that are paused when they begin to wait, and unpaused later, are
/// taken out as well.
#[test]
fn paused_middles_deliver_after_their_unpause() {
    type Turn = (Resolver<()>, Pause);
    fn turn(left: u32, to: &Later<Turn>) -> Deferred<u32> {
        let own = Later::<Deferred<u32>>::new();
        let (resolver, d) = Deferred::<()>::new();
        let (next, mine) = (to.clone(), own.clone());
        let d = d.add_callback(move |()| {
            if left == 0 {
                return Deferred::succeed(7);
            }
            // Returned by nobody yet, so it can still be paused from inside.
            let mut me = mine.take();
            let pause = me.pause();
            mine.put(me);
            let (resolver, inner) = Deferred::<()>::new();
            let again = next.clone();
            next.put((resolver, pause));
            inner.add_callback(move |()| turn(left - 1, &again))
        });
        own.put(d);
        resolver.callback(());
        own.take()
    }
    let to = Later::new();
    let d = Deferred::succeed(()).add_callback({
        let to = to.clone();
        move |()| turn(100, &to)
    });
    let mut held = Vec::new();
    while let Some((resolver, pause)) = to.try_take() {
        held.push(pause);
        if held.len() > 3 {
            drop(held.remove(0));
        }
        resolver.callback(());
    }
    testing::assert_no_result(&d);
    drop(held);
    assert_eq!(testing::success_of(d), 7);
}

#[test]
fn resolvers_owned_by_callbacks_of_dropped_chains_do_not_use_stack() {
    let links = if cfg!(miri) { 200 } else { 100_000 };
    let run = move || {
        let (first, d) = Deferred::<()>::new();
        let mut last = d;
        for _ in 0..links {
            let (resolver, next) = Deferred::<()>::new();
            drop(last.map(move |()| resolver.callback(())));
            last = next;
        }
        drop(first);
        assert!(testing::failure_of(last).is_resolver_dropped());
    };
    let small = std::thread::Builder::new().stack_size(256 * 1024);
    let reports = small
        .spawn(move || testing::capture_unhandled(run))
        .unwrap()
        .join()
        .unwrap();
    assert_eq!(reports.len(), links, "each chain's failure is reported");
}

#[test]
fn a_callback_that_returns_its_own_deferred_fails_the_stages_behind_it() {
    let own = Later::<Deferred<()>>::new();
    let mine = own.clone();
    let log = Log::default();
    let there = log.clone();
    let (resolver, d) = Deferred::<()>::new();
    own.put(
        d.add_callback(move |()| mine.take())
            .inspect_failure(move |failure| there.add(failure.to_string())),
    );
    let reports = testing::capture_unhandled(|| resolver.callback(()));
    assert_eq!(
        log.all(),
        ["a callback returned the Deferred that it is on"]
    );
    assert_eq!(reports.len(), 1);
    assert!(reports[0].failure().is::<ReturnedItself>());
}

#[test]
fn a_paused_middle_holds_up_what_comes_through_it_although_it_does_nothing_else() {
    let (first, d) = Deferred::<()>::new();
    let (middle, m) = Deferred::<()>::new();
    let (next, n) = Deferred::<()>::new();
    let (inner, i) = Deferred::<i32>::new();
    let n = n.add_callback(move |()| i);
    let mut m = m.add_callback(move |()| n);
    middle.callback(());
    let pause = m.pause();
    let outer = d.add_callback(move |()| m);
    first.callback(());
    next.callback(());
    inner.callback(7);
    testing::assert_no_result(&outer);
    drop(pause);
    assert_eq!(testing::success_of(outer), 7);
}
