//! A strike, against the run of the stretch that it is for.
//!
//! | model | preemptions | interleavings |
//! |---|---|---|
//! | `strike_while_a_stage_runs_that_returns_a_pending_one` | 3 | 1,597 |
//! | `strike_while_the_stretch_ends_and_what_is_behind_it_waits` | 3 | 1,555 |

use crate::chain::Deferred;
use crate::core::CancelRequest;
use crate::models::harness::{Value, bounded, fire, outcome, value};
use crate::primitive::cancel_scope::{CancelScope, Met};
use loom::thread;
use std::panic::Location;
use std::sync::Arc;

fn request() -> CancelRequest {
    CancelRequest {
        reason: None,
        quiet: false,
        at: Location::caller(),
    }
}

/// The stretch, with its end.
fn limited(mut d: Deferred<Value>) -> (Arc<CancelScope<Value, ()>>, Deferred<Value>) {
    let made = Location::caller();
    let scope = CancelScope::new(d.core_handle(), made);
    let end = scope.clone();
    let d = d.add_both(move |result| match end.meet(result) {
        Met::First(result) => Deferred::ready(result, made),
        Met::Struck { result, .. } => result,
    });
    (scope, d)
}

/// Whichever is first, the strike arrives.
#[test]
fn strike_while_a_stage_runs_that_returns_a_pending_one() {
    bounded(3, || {
        let (resolver, d) = Deferred::<Value>::new();
        let (kept, pending) = Deferred::<Value>::new();
        let (scope, d) = limited(d.add_callback(move |_| pending));
        let firing = fire(resolver, 1);
        scope.strike((), request());
        firing.join().unwrap();
        assert_eq!(outcome(d), -1);
        kept.callback(value(3));
    });
}

/// It strikes nothing behind the stretch.
#[test]
fn strike_while_the_stretch_ends_and_what_is_behind_it_waits() {
    bounded(3, || {
        let (resolver, d) = Deferred::<Value>::new();
        let (kept, pending) = Deferred::<Value>::new();
        let (scope, d) = limited(d);
        let d = d
            .add_errback(|_| Ok(value(2)))
            .add_callback(move |_| pending);
        let striking = thread::spawn(move || scope.strike((), request()));
        resolver.callback(value(1));
        striking.join().unwrap();
        kept.callback(value(3));
        assert_eq!(outcome(d), 3);
    });
}
