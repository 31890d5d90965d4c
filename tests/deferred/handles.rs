//! Auto traits, sizes and debug texts of what users hold.

use futures::FutureExt;
use std::cell::Cell;
use tokio_deferred::{
    CancelHandle, CancelOnDrop, Deferred, DeferredError, Failure, Pause, Resolver, Trace, Trapped,
    testing,
};

fn is_send<T: Send>() {}
fn is_sync<T: Sync>() {}
fn is_unpin<T: Unpin>() {}
fn is_static<T: 'static>() {}
fn is_unwind_safe<T: std::panic::UnwindSafe + std::panic::RefUnwindSafe>() {}
fn is_error<T: std::error::Error + Send + Sync + 'static>() {}

/// A value that is Send and nothing else.
type Value = Cell<*const ()>;
struct OnlySend(#[allow(dead_code)] Value);
// A raw pointer is not Send by itself, but this one is never followed.
#[allow(unsafe_code)]
// SAFETY: it is never followed.
unsafe impl Send for OnlySend {}

#[test]
fn values_need_to_be_send_and_nothing_else() {
    is_send::<Deferred<OnlySend>>();
    is_sync::<Deferred<OnlySend>>();
    is_unpin::<Deferred<OnlySend>>();
    is_send::<Resolver<OnlySend>>();
    is_sync::<Resolver<OnlySend>>();
    is_unpin::<Resolver<OnlySend>>();
    is_send::<CancelOnDrop<OnlySend>>();
    is_unpin::<CancelOnDrop<OnlySend>>();
    let (resolver, d) = Deferred::new();
    let d = d.map(|only: OnlySend| only);
    resolver.callback(OnlySend(Cell::new(std::ptr::null())));
    assert!(d.is_fired());
}

#[test]
fn handles_are_send_sync_and_small() {
    is_send::<CancelHandle>();
    is_sync::<CancelHandle>();
    is_send::<Pause>();
    is_sync::<Pause>();
    is_send::<Failure>();
    is_sync::<Failure>();
    is_send::<Trace>();
    is_send::<Trapped<std::fmt::Error>>();
    is_static::<Failure>();
    is_error::<DeferredError>();
    is_unwind_safe::<Deferred<OnlySend>>();
    is_unwind_safe::<Resolver<OnlySend>>();
    let word = size_of::<usize>();
    assert_eq!(size_of::<Resolver<String>>(), word);
    assert_eq!(size_of::<CancelHandle>(), word);
    assert_eq!(size_of::<Pause>(), word);
    assert_eq!(size_of::<Failure>(), 2 * word);
    assert_eq!(size_of::<Deferred<usize>>(), 2 * word);
    assert_eq!(size_of::<Deferred<()>>(), word);
    assert_eq!(size_of::<Option<Resolver<()>>>(), word);
}

#[test]
fn debug_text_says_state_place_and_label() {
    let text = |d: &Deferred<i32>| format!("{d:?}");
    let line = line!() + 1;
    let (resolver, mut d) = Deferred::<i32>::new();
    assert!(text(&d).contains("no result yet"), "{d:?}");
    resolver.callback(1);
    assert!(text(&d).contains("\"fired\""), "{d:?}");
    assert!(text(&d).contains(&format!("{}:{line}", file!())), "{d:?}");
    assert!((&mut d).now_or_never().is_some());
    assert!(text(&d).contains("taken"), "{d:?}");

    let d = Deferred::succeed(1);
    assert!(text(&d).contains("\"fired\""), "{d:?}");
    assert!(text(&d).contains("None"), "{d:?}");
    let d = d.label("an answer");
    assert!(text(&d).contains("an answer"), "{d:?}");
    let d = Deferred::fail("out of it");
    assert!(text(&d).contains("\"fired\""), "{d:?}");
    assert_eq!(testing::failure_of(d).to_string(), "out of it");
}
