//! Chains that wait for each other, whose both ends move.
//!
//! | model | preemptions | interleavings |
//! |---|---|---|
//! | `both_ends_of_a_wait_fire` | any | 10 |
//! | `cancel_while_the_awaited_one_fires` | any | 47,774 |
//! | `the_middle_lets_go_while_its_handle_cancels` | 7 | 45,256 |
//! | `the_middle_lets_go_while_the_outer_is_cancelled` | 4 | 38,677 |
//! | `a_middle_without_handles_lets_go_while_the_outer_is_cancelled` | 3 | 95,656 |
//! | `the_middle_lets_go_while_the_inner_fires` | any | 10 |
//! | `a_paused_middle_is_unpaused_while_it_fires` | any | 15 |
//! | `a_middle_is_bypassed_while_it_is_unpaused_and_cancelled` | 2 | 12,834 |
//! | `a_chained_target_is_cancelled_while_its_source_fires` | any | 559 |
//! | `chained_while_the_source_fires` | any | 10 |
//! | `the_awaited_one_runs_its_stage_while_it_is_returned` | any | 23 |

use crate::models::harness::{Value, bounded, fire, model, outcome, value};
use crate::{CancelHandle, Deferred, Pause, Resolver};
use loom::thread;

#[test]
fn both_ends_of_a_wait_fire() {
    model(|| {
        let (outer, d) = Deferred::<Value>::new();
        let (inner, returned) = Deferred::<Value>::new();
        let d = d
            .add_callback(move |_| returned)
            .map(|v: Value| Value(v.0 + 1, v.1));
        let firing = fire(inner, 1);
        outer.callback(value(9));
        firing.join().unwrap();
        assert_eq!(outcome(d), 2);
    });
}

#[test]
fn cancel_while_the_awaited_one_fires() {
    bounded(3, || {
        let (outer, d) = Deferred::<Value>::new();
        let (inner, returned) = Deferred::<Value>::new();
        let d = d.add_callback(move |_| returned);
        outer.callback(value(9));
        let firing = fire(inner, 1);
        d.cancel();
        firing.join().unwrap();
        let n = outcome(d);
        assert!(n == 1 || n == -1);
    });
}

/// An outer one that waits for a middle one whose callback will return an
/// inner one: (outer, middle's resolver, a handle and a pause of the
/// middle, inner's resolver).
struct Three {
    outer: Deferred<Value>,
    middle: Resolver<Value>,
    handle: CancelHandle,
    pause: Option<Pause>,
    inner: Resolver<Value>,
}

fn three(paused: bool) -> Three {
    let (first, d) = Deferred::<Value>::new();
    let (middle, mut m) = Deferred::<Value>::new();
    let (inner, i) = Deferred::<Value>::new();
    let handle = m.cancel_handle();
    let mut m = m.add_callback(move |_| i);
    let pause = paused.then(|| m.pause());
    let outer = d.add_callback(move |_| m);
    first.callback(value(0));
    Three {
        outer,
        middle,
        handle,
        pause,
        inner,
    }
}

#[test]
fn the_middle_lets_go_while_its_handle_cancels() {
    bounded(3, || {
        let t = three(false);
        let middle = fire(t.middle, 5);
        t.handle.cancel();
        middle.join().unwrap();
        let _ = t.inner.try_callback(value(1));
        let n = outcome(t.outer);
        assert!(n == 1 || n == -1, "{n}");
    });
}

#[test]
fn the_middle_lets_go_while_the_outer_is_cancelled() {
    bounded(3, || {
        let t = three(false);
        let middle = fire(t.middle, 5);
        t.outer.cancel();
        middle.join().unwrap();
        let _ = t.inner.try_callback(value(1));
        let n = outcome(t.outer);
        assert!(n == 1 || n == -1, "{n}");
    });
}

/// The cancel notes itself at the middle, of which it has the only handle, and
/// lets go of it while the middle looks whether it may be freed.
#[test]
fn a_middle_without_handles_lets_go_while_the_outer_is_cancelled() {
    bounded(3, || {
        let (first, d) = Deferred::<Value>::new();
        let (middle, m) = Deferred::<Value>::new();
        let (inner, i) = Deferred::<Value>::new();
        let m = m.add_callback(move |_| i);
        let outer = d.add_callback(move |_| m);
        first.callback(value(0));
        let middle = fire(middle, 5);
        outer.cancel();
        middle.join().unwrap();
        assert_eq!(outcome(outer), -1, "the cancel arrives");
        let _ = inner.try_callback(value(1));
    });
}

#[test]
fn the_middle_lets_go_while_the_inner_fires() {
    model(|| {
        let t = three(false);
        let inner = fire(t.inner, 1);
        t.middle.callback(value(5));
        inner.join().unwrap();
        assert_eq!(outcome(t.outer), 1);
        drop(t.handle);
    });
}

#[test]
fn a_paused_middle_is_unpaused_while_it_fires() {
    model(|| {
        let t = three(true);
        let middle = fire(t.middle, 5);
        drop(t.pause);
        middle.join().unwrap();
        t.inner.callback(value(1));
        assert_eq!(outcome(t.outer), 1);
        drop(t.handle);
    });
}

/// A middle that pauses itself while it waits is taken out when the one it
/// waits for lets go in turn.
#[test]
fn a_middle_is_bypassed_while_it_is_unpaused_and_cancelled() {
    bounded(2, || {
        let (first, d) = Deferred::<Value>::new();
        let (middle, m) = Deferred::<Value>::new();
        let (next, n) = Deferred::<Value>::new();
        let (inner, i) = Deferred::<Value>::new();
        let n = n.add_callback(move |_| i);
        let mut m = m.add_callback(move |_| n);
        let handle = m.cancel_handle();
        middle.callback(value(0));
        // The middle waits, has no stage left, and is paused.
        let pause = m.pause();
        let outer = d.add_callback(move |_| m);
        first.callback(value(0));
        let unpausing = thread::spawn(move || drop(pause));
        let cancelling = thread::spawn(move || handle.cancel());
        next.callback(value(5));
        unpausing.join().unwrap();
        cancelling.join().unwrap();
        let _ = inner.try_callback(value(1));
        let n = outcome(outer);
        assert!(n == 1 || n == -1, "{n}");
    });
}

#[test]
fn a_chained_target_is_cancelled_while_its_source_fires() {
    bounded(3, || {
        let (source, s) = Deferred::<Value>::new();
        let (target, d) = Deferred::<Value>::new();
        s.chain_deferred(target);
        let firing = fire(source, 1);
        d.cancel();
        firing.join().unwrap();
        let n = outcome(d);
        assert!(n == 1 || n == -1);
    });
}

#[test]
fn chained_while_the_source_fires() {
    bounded(4, || {
        let (source, s) = Deferred::<Value>::new();
        let (target, d) = Deferred::<Value>::new();
        let firing = fire(source, 1);
        s.chain_deferred(target);
        firing.join().unwrap();
        assert_eq!(outcome(d), 1);
    });
}

#[test]
fn the_awaited_one_runs_its_stage_while_it_is_returned() {
    bounded(4, || {
        let (outer, d) = Deferred::<Value>::new();
        let (inner, returned) = Deferred::<Value>::new();
        let returned = returned.map(|v: Value| Value(v.0 + 1, v.1));
        let d = d.add_callback(move |_| returned);
        let firing = fire(inner, 1);
        outer.callback(value(9));
        firing.join().unwrap();
        assert_eq!(outcome(d), 2);
    });
}
