//! What a cancel says that it did, cancels that only ask, shields, and the ends
//! of cancelled operations.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use test_support::{Later, Log, OnDrop};
use tokio_deferred::{CancelHandle, Deferred, Resolver, testing};

#[test]
fn cancel_says_whether_somebody_was_asked() {
    let (_resolver, d) = Deferred::<i32>::new();
    assert!(d.cancel());
    assert!(!d.cancel() && !d.cancel_with("again"));
    assert!(testing::failure_of(d).is_cancelled());
    assert!(!Deferred::succeed(1).map(|n| n + 1).cancel());
    // Through the chain that it waits for.
    let (_resolver, inner) = Deferred::<i32>::new();
    let mut d = Deferred::succeed(()).add_callback(|()| inner);
    let handle = d.cancel_handle();
    assert!(handle.cancel_with("no"));
    assert!(!handle.cancel());
    assert!(testing::failure_of(d).is_cancelled());
}

#[test]
fn cancel_of_a_running_stage_on_other_thread_will_be_made() {
    let (resolver, mut d) = Deferred::<()>::new();
    let handle = d.cancel_handle();
    let (entered, is_entered) = mpsc::channel();
    let (leave, left) = mpsc::channel::<()>();
    let (_never, inner) = Deferred::<i32>::new();
    let d = d.add_callback(move |()| {
        entered.send(()).unwrap();
        left.recv().unwrap();
        inner
    });
    let firing = thread::spawn(move || resolver.callback(()));
    is_entered.recv().unwrap();
    assert!(handle.cancel());
    leave.send(()).unwrap();
    firing.join().unwrap();
    assert!(testing::failure_of(d).is_cancelled());
}

#[test]
fn cancel_from_inside_its_own_stage_says_that_nothing_was_done() {
    let (resolver, mut d) = Deferred::<()>::new();
    let handle = d.cancel_handle();
    let d = d.map(move |()| handle.cancel());
    resolver.callback(());
    assert!(!testing::success_of(d));
}

#[test]
fn finished_when_there_is_nothing_to_cancel() {
    let (resolver, mut d) = Deferred::<()>::new();
    let handle = d.cancel_handle();
    assert!(!handle.is_finished());
    let (inner, returned) = Deferred::<i32>::new();
    let d = d.add_callback(|()| returned);
    resolver.callback(());
    assert!(!handle.is_finished(), "it waits for another");
    inner.callback(1);
    assert!(handle.is_finished());
    assert_eq!(testing::success_of(d), 1);
    assert!(handle.is_finished() && !handle.cancel());
    // Dropped, it goes on.
    let (resolver, mut d) = Deferred::<()>::new();
    let handle = d.cancel_handle();
    d.map(|()| 1).detach();
    assert!(!handle.is_finished());
    resolver.callback(());
    assert!(handle.is_finished());
}

#[test]
fn paused_result_is_not_finished_before_the_unpause() {
    let (resolver, mut d) = Deferred::<()>::new();
    let handle = d.cancel_handle();
    let pause = d.pause();
    resolver.callback(());
    assert!(!handle.is_finished());
    drop(pause);
    assert!(handle.is_finished());
    drop(d);
}

/// A handle of an intermediate, which was linked out of an endless chain, ends
/// with the wait that it was part of.
#[test]
fn handle_of_a_collapsed_intermediate_is_finished_with_its_wait() {
    let (first, d) = Deferred::<()>::new();
    let (second, mut middle) = Deferred::<()>::new();
    let (third, last) = Deferred::<i32>::new();
    let handle: CancelHandle = middle.cancel_handle();
    let middle = middle.add_callback(|()| last);
    let d = d.add_callback(|()| middle);
    first.callback(());
    assert!(!handle.is_finished());
    second.callback(());
    assert!(!handle.is_finished(), "the outer one waits in its place");
    third.callback(1);
    assert!(handle.is_finished());
    assert_eq!(testing::success_of(d), 1);
    assert!(handle.is_finished());
}

fn asked() -> (Log, Resolver<i32>, Deferred<i32>) {
    let log = Log::default();
    let asked = log.clone();
    let (resolver, d) = Deferred::with_cancel_request(move |why| {
        asked.add(
            why.reason()
                .map_or("no reason".to_owned(), ToString::to_string),
        );
    });
    (log, resolver, d)
}

#[test]
fn cancel_asks_each_time_and_the_operation_decides() {
    let (log, resolver, d) = asked();
    assert!(d.cancel() && d.cancel_with("enough"));
    assert_eq!(log.all(), ["no reason", "enough"]);
    assert!(resolver.is_cancelled() && resolver.is_observed());
    testing::assert_no_result(&d);
    resolver.callback(1);
    assert!(!d.cancel());
    assert_eq!(testing::success_of(d), 1);
    assert_eq!(log.all().len(), 2);
}

#[test]
fn operation_that_answers_with_a_failure_fails_with_it() {
    let (_log, resolver, d) = asked();
    d.cancel();
    resolver.errback("rolled back");
    assert_eq!(testing::failure_of(d).to_string(), "rolled back");
}

#[test]
fn fire_drops_the_function() {
    let alive = Arc::new(());
    let held = alive.clone();
    let (resolver, d) = Deferred::with_cancel_request(move |_| drop(held.clone()));
    assert_eq!(Arc::strong_count(&alive), 2);
    resolver.callback(1);
    assert_eq!(Arc::strong_count(&alive), 1);
    assert_eq!(testing::success_of(d), 1);
}

#[test]
fn cancel_tells_the_resolvers_hooks_and_its_waiting_task_first_and_once() {
    let (log, mut resolver, d) = asked();
    let hook = log.clone();
    resolver.on_cancel(move || hook.add("hook"));
    let waiting = |resolver: &mut Resolver<i32>| {
        let waker = std::task::Waker::noop();
        let mut cx = std::task::Context::from_waker(waker);
        std::pin::pin!(resolver.cancelled())
            .poll(&mut cx)
            .is_pending()
    };
    assert!(waiting(&mut resolver));
    d.cancel();
    assert!(!waiting(&mut resolver));
    d.cancel();
    assert_eq!(log.all(), ["hook", "no reason", "no reason"]);
    // After a cancel a hook is called at once.
    let hook = log.clone();
    resolver.on_cancel(move || hook.add("late hook"));
    assert_eq!(log.all().last().unwrap(), "late hook");
    resolver.callback(1);
    assert_eq!(testing::success_of(d), 1);
}

#[test]
fn cancel_from_inside_the_function_does_nothing() {
    let handle = Later::<CancelHandle>::new();
    let own = handle.clone();
    let log = Log::default();
    let asked = log.clone();
    let (resolver, mut d) = Deferred::with_cancel_request(move |_| {
        asked.add("asked");
        own.take().cancel();
    });
    handle.put(d.cancel_handle());
    d.cancel();
    assert_eq!(log.all(), ["asked"]);
    resolver.callback(1);
    assert_eq!(testing::success_of(d), 1);
}

#[test]
fn fire_from_inside_the_function_is_the_result() {
    let place = Later::<Resolver<i32>>::new();
    let own = place.clone();
    let guard = Log::default();
    let dropped = guard.clone();
    let guarded = OnDrop(move || dropped.add("dropped"));
    let (resolver, d) = Deferred::with_cancel_request(move |_| {
        let _guarded = &guarded;
        own.take().callback(1);
    });
    place.put(resolver);
    assert!(d.cancel());
    assert_eq!(guard.all(), ["dropped"]);
    assert_eq!(testing::success_of(d), 1);
}

#[test]
fn cancel_from_other_thread_while_the_function_runs_is_made_after_it() {
    let (entered, is_entered) = mpsc::channel();
    let (leave, left) = mpsc::channel::<()>();
    let calls = Log::default();
    let asked = calls.clone();
    let (resolver, mut d) = Deferred::with_cancel_request(move |why| {
        entered.send(()).unwrap();
        left.recv().unwrap();
        let id = thread::current().id();
        asked.add(format!("{id:?} {}", why.reason().unwrap()));
    });
    let handle = d.cancel_handle();
    let first = thread::spawn(move || {
        handle.cancel_with("one");
        thread::current().id()
    });
    is_entered.recv().unwrap();
    d.cancel_with("two"); // it does not wait
    assert!(calls.all().is_empty());
    leave.send(()).unwrap();
    leave.send(()).unwrap();
    let first = first.join().unwrap();
    assert_eq!(
        calls.all(),
        [format!("{first:?} one"), format!("{first:?} two")]
    );
    resolver.callback(1);
    assert_eq!(testing::success_of(d), 1);
}

#[test]
fn function_that_panics_is_not_called_again_and_decides_nothing() {
    let calls = Log::default();
    let asked = calls.clone();
    let (resolver, d) = Deferred::with_cancel_request(move |_| {
        asked.add("asked");
        panic!("expected 1");
    });
    d.cancel();
    d.cancel();
    assert_eq!(calls.all(), ["asked"]);
    resolver.callback(1);
    assert_eq!(testing::success_of(d), 1);
}

#[test]
fn cancel_and_wait_asks_at_once_and_ends_with_the_operation() {
    let (log, resolver, d) = asked();
    let ending = d.cancel_and_wait();
    assert_eq!(log.all(), ["no reason"]);
    let firing = thread::spawn(move || resolver.callback(1));
    assert_eq!(futures::executor::block_on(ending).unwrap(), 1);
    firing.join().unwrap();
    let (_resolver, d) = Deferred::<i32>::new();
    let ended = futures::executor::block_on(d.cancel_and_wait());
    assert!(ended.unwrap_err().is_cancelled());
}

#[test]
fn shield_then_cancel_detaches_the_operation() {
    let log = Log::default();
    let ran = log.clone();
    let (resolver, d) = Deferred::<i32>::new();
    let d = d.inspect(move |n| ran.add(n.to_string())).shield();
    assert!(d.cancel());
    assert!(testing::failure_of(d).is_cancelled());
    assert!(!resolver.is_cancelled());
    resolver.callback(1);
    assert_eq!(log.all(), ["1"]);
}

#[test]
fn shield_without_a_cancel_passes_the_result_on() {
    let (resolver, d) = Deferred::new();
    let d = d.shield();
    resolver.callback(1);
    assert_eq!(testing::success_of(d), 1);
    assert_eq!(testing::success_of(Deferred::succeed(2).shield()), 2);
    let failed = Deferred::<i32>::fail("no").shield();
    assert_eq!(testing::failure_of(failed).to_string(), "no");
}

#[test]
fn shield_then_cancel_then_failure_is_reported() {
    let (resolver, d) = Deferred::<i32>::new();
    let d = d.label("the commit").shield();
    d.cancel();
    let reports = testing::capture_unhandled(|| resolver.errback("disk full"));
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].label(), Some("the commit"));
    assert!(testing::failure_of(d).is_cancelled());
}

#[test]
fn rust_names_are_eager() {
    let log = Log::default();
    let (a, b) = (log.clone(), log.clone());
    Deferred::succeed(1)
        .and_then(|n| Ok(n + 1))
        .inspect(move |n| a.add(format!("value {n}")))
        .inspect_err(|_| panic!("not run"))
        .detach();
    let d = Deferred::<i32>::fail("no")
        .inspect(|_| panic!("not run"))
        .inspect_err(move |failure| b.add(format!("failure {failure}")))
        .map_err(|failure| std::io::Error::other(failure.to_string()))
        .or_else(|failure| Ok(i32::from(failure.is::<std::io::Error>())));
    assert_eq!(testing::success_of(d), 1);
    assert_eq!(log.all(), ["value 2", "failure no"]);
}

#[test]
fn map_err_is_raised_at_its_line_and_leaves_a_failure_what_it_is() {
    let line = line!() + 1;
    let d = Deferred::<i32>::fail("no").map_err(|_| "worse");
    let failure = testing::failure_of(d);
    assert_eq!(failure.to_string(), "worse");
    assert_eq!(failure.trace().raised_at().line(), line);
    let same = testing::failure_of(Deferred::<i32>::fail("no").map_err(|failure| failure));
    assert_eq!(same.trace().raised_at().line(), line + 4);
}
