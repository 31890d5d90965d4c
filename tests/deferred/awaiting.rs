//! The Deferred as a future, under any executor.

use futures::executor::block_on;
use futures::future::FusedFuture;
use futures::task::{ArcWake, waker};
use futures::{FutureExt, StreamExt, select_biased};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use test_support::fire_elsewhere;
use tokio_deferred::{AlreadyTaken, Deferred, testing};

#[derive(Default)]
struct Wakes(AtomicUsize);
impl ArcWake for Wakes {
    fn wake_by_ref(this: &Arc<Self>) {
        this.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn await_before_and_after_the_fire_without_a_runtime() {
    let (resolver, d) = Deferred::new();
    let firing = std::thread::spawn(move || resolver.callback(1));
    assert_eq!(block_on(d).unwrap(), 1);
    firing.join().unwrap();
    let (resolver, d) = Deferred::new();
    fire_elsewhere(resolver, 2);
    assert_eq!(block_on(d).unwrap(), 2);
}

#[test]
fn the_last_waker_polled_with_is_woken_once() {
    wakes_the_last(1_i32);
    wakes_the_last("more than a word".to_owned());
}

fn wakes_the_last<T: Send + 'static>(value: T) {
    let (resolver, mut d) = Deferred::<T>::new();
    let (one, two) = (Arc::new(Wakes::default()), Arc::new(Wakes::default()));
    for wakes in [&one, &two, &two] {
        let waker = waker(wakes.clone());
        assert!(d.poll_unpin(&mut Context::from_waker(&waker)).is_pending());
    }
    resolver.callback(value);
    assert_eq!(one.0.load(Ordering::Relaxed), 0);
    assert_eq!(two.0.load(Ordering::Relaxed), 1);
    assert_eq!(Arc::strong_count(&one), 1, "the replaced waker is dropped");
}

#[test]
fn a_pending_one_dropped_drops_its_waker() {
    let (resolver, mut d) = Deferred::<i32>::new();
    let wakes = Arc::new(Wakes::default());
    let waker = waker(wakes.clone());
    assert!(d.poll_unpin(&mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    drop(d);
    assert_eq!(Arc::strong_count(&wakes), 1);
    resolver.callback(1);
    assert_eq!(wakes.0.load(Ordering::Relaxed), 0);
}

#[test]
fn awaited_by_reference_and_done() {
    let mut d = Deferred::succeed(1);
    assert!(!d.is_terminated());
    assert_eq!(block_on(&mut d).unwrap(), 1);
    assert!(d.is_terminated() && !d.is_fired());
    let d = d.try_result().unwrap_err();
    let failure = testing::failure_of(d.map(|n| n));
    assert!(failure.is::<AlreadyTaken>());
    let mut d = Deferred::succeed(1);
    block_on(&mut d).unwrap();
    let again = std::panic::catch_unwind(move || block_on(d));
    let payload = again.unwrap_err();
    assert!(
        payload
            .downcast_ref::<&str>()
            .unwrap()
            .contains("polled again")
    );
}

#[test]
fn awaited_by_reference_beside_a_handle_then_it_is_taken() {
    let (resolver, mut d) = Deferred::new();
    let handle = d.cancel_handle();
    resolver.callback(1);
    assert_eq!((&mut d).now_or_never().unwrap().unwrap(), 1);
    assert!(d.is_terminated() && !d.is_fired());
    assert!(format!("{d:?}").contains("taken"), "{d:?}");
    handle.cancel();
    assert!(d.try_result().is_err());
}

#[test]
fn a_stage_added_after_an_await_may_wait_again() {
    let (resolver, d) = Deferred::<i32>::new();
    for (mut d, resolver) in [(d, Some(resolver)), (Deferred::succeed(1), None)] {
        let handle = d.cancel_handle();
        if let Some(resolver) = resolver {
            resolver.callback(1);
        }
        assert_eq!(block_on(&mut d).unwrap(), 1);
        let (inner, returned) = Deferred::<i32>::new();
        let d = d.add_errback(move |_| returned);
        handle.cancel();
        assert!(inner.is_cancelled());
        assert!(testing::failure_of(d).is_cancelled());
    }
}

#[test]
fn select_and_streams_take_them() {
    let (_never, mut pending) = Deferred::<i32>::new();
    let mut ready = Deferred::succeed(2);
    let n = block_on(async {
        select_biased! {
            n = pending => n,
            n = ready => n,
        }
    });
    assert_eq!(n.unwrap(), 2);
    let all: futures::stream::FuturesUnordered<_> = (0..100).map(Deferred::succeed).collect();
    let sum: i32 = block_on(all.map(|n| n.unwrap()).collect::<Vec<_>>())
        .into_iter()
        .sum();
    assert_eq!(sum, 4950);
}

#[test]
fn a_stage_that_waits_keeps_the_await_pending() {
    let (outer, d) = Deferred::<i32>::new();
    let (inner, returned) = Deferred::<i32>::new();
    let mut d = d.add_callback(move |_| returned);
    let wakes = Arc::new(Wakes::default());
    let waker = waker(wakes.clone());
    let mut cx = Context::from_waker(&waker);
    assert!(d.poll_unpin(&mut cx).is_pending());
    outer.callback(1);
    assert_eq!(wakes.0.load(Ordering::Relaxed), 0, "there is no result yet");
    assert!(d.poll_unpin(&mut cx).is_pending());
    inner.callback(3);
    assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
    assert!(matches!(d.poll_unpin(&mut cx), Poll::Ready(Ok(3))));
}

#[test]
fn poll_and_fire_from_two_threads() {
    for n in 0..if cfg!(miri) { 20 } else { 5_000 } {
        let (resolver, d) = Deferred::new();
        let firing = std::thread::spawn(move || resolver.callback(n));
        assert_eq!(block_on(d).unwrap(), n);
        firing.join().unwrap();
        if n == 200 && cfg!(debug_assertions) {
            break;
        }
    }
}

#[test]
fn await_in_place_then_the_value_is_dropped_once() {
    let value = Arc::new(());
    let mut d = Deferred::succeed(value.clone());
    let taken = block_on(&mut d).unwrap();
    assert_eq!(Arc::strong_count(&value), 2);
    drop((taken, d));
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn polled_then_paused_then_fired_wakes_at_the_unpause() {
    wakes_at_the_unpause(1_i32);
    wakes_at_the_unpause("more than a word".to_owned());
}

fn wakes_at_the_unpause<T: Send + 'static>(value: T) {
    let (resolver, mut d) = Deferred::<T>::new();
    let wakes = Arc::new(Wakes::default());
    let waker = waker(wakes.clone());
    let mut cx = Context::from_waker(&waker);
    assert!(d.poll_unpin(&mut cx).is_pending());
    let pause = d.pause();
    resolver.callback(value);
    assert_eq!(wakes.0.load(Ordering::Relaxed), 0, "it is held up");
    drop(pause);
    assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
    assert!(d.poll_unpin(&mut cx).is_ready());
}
