//! Models of the core for the model checker: every interleaving of a few
//! operations, with their memory orderings.
//!
//! Run with `RUSTFLAGS="--cfg tokio_deferred_loom" cargo test --release --lib
//! models`. A model that takes seconds without a bound on preemptions is
//! `bounded`; the others are not. Each prints how many interleavings it had,
//! and checks, beside what it asserts, that no block is
//! left, no value is lost or dropped twice, and no two threads touch a slot, a
//! cursor or a waker at once.

use std::sync::atomic::{AtomicIsize, Ordering};

static LIVE: AtomicIsize = AtomicIsize::new(0);

/// Counts the blocks there are.
pub(super) fn count(change: isize) {
    LIVE.fetch_add(change, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Deferred, Failure, Pause, Resolver, testing};
    use futures::task::{ArcWake, waker};
    use loom::sync::Arc as Checked;
    use loom::thread;
    use std::future::Future;
    use std::pin::Pin;
    use std::sync::atomic::AtomicUsize;
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Poll};

    /// Runs a model, and checks that nothing of it is left.
    fn model(f: impl Fn() + Sync + Send + 'static) {
        run(loom::model::Builder::new(), f);
    }

    /// As `model`, with at most this many preemptions.
    fn bounded(preemptions: usize, f: impl Fn() + Sync + Send + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(preemptions);
        run(builder, f);
    }

    fn run(mut builder: loom::model::Builder, f: impl Fn() + Sync + Send + 'static) {
        // One at a time: the count of blocks is one for all.
        static ONE: Mutex<()> = Mutex::new(());
        let _one = ONE.lock().unwrap_or_else(|e| e.into_inner());
        builder.max_branches = 100_000;
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = runs.clone();
        LIVE.store(0, Ordering::Relaxed);
        builder.check(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            f();
            assert_eq!(LIVE.load(Ordering::Relaxed), 0, "a block is left");
        });
        let name = std::thread::current().name().unwrap_or("?").to_owned();
        println!("{name}: {} interleavings", runs.load(Ordering::Relaxed));
    }

    /// A value that the checker misses if it is not dropped.
    #[derive(Clone)]
    struct Value(i32, #[allow(dead_code)] Checked<()>);

    fn value(n: i32) -> Value {
        Value(n, Checked::new(()))
    }

    /// What happened, in order.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<&'static str>>>);

    impl Log {
        fn add(&self, what: &'static str) {
            self.0.lock().unwrap().push(what);
        }
        fn all(&self) -> Vec<&'static str> {
            self.0.lock().unwrap().clone()
        }
    }

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl ArcWake for Wakes {
        fn wake_by_ref(this: &Arc<Self>) {
            this.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Wakes {
        fn poll(this: &Arc<Self>, d: &mut Deferred<Value>) -> Poll<i32> {
            let waker = waker(this.clone());
            Pin::new(d)
                .poll(&mut Context::from_waker(&waker))
                .map(|result| result.map_or(-1, |value| value.0))
        }
        fn count(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    fn outcome(d: Deferred<Value>) -> i32 {
        match d.try_result().expect("it has its result") {
            Ok(value) => value.0,
            Err(failure) if failure.is_cancelled() => -1,
            Err(failure) if failure.is_resolver_dropped() => -2,
            Err(failure) => panic!("{failure:?}"),
        }
    }

    fn fire(resolver: Resolver<Value>, n: i32) -> thread::JoinHandle<()> {
        thread::spawn(move || resolver.callback(value(n)))
    }

    #[test]
    fn fire_while_two_stages_are_added() {
        model(|| {
            let (resolver, d) = Deferred::new();
            let log = Log::default();
            let firing = fire(resolver, 1);
            let (one, two) = (log.clone(), log.clone());
            let held = value(0);
            let d = d
                .map(move |v: Value| {
                    one.add("one");
                    drop(held);
                    v
                })
                .map(move |v| {
                    two.add("two");
                    v
                });
            firing.join().unwrap();
            assert_eq!(log.all(), ["one", "two"]);
            assert_eq!(outcome(d), 1);
        });
    }

    #[test]
    fn fire_while_polled_with_another_waker() {
        model(|| {
            let (resolver, mut d) = Deferred::new();
            let (first, second) = (Arc::new(Wakes::default()), Arc::new(Wakes::default()));
            let firing = fire(resolver, 1);
            let mut polled = Wakes::poll(&first, &mut d);
            if polled.is_pending() {
                polled = Wakes::poll(&second, &mut d);
            }
            firing.join().unwrap();
            match polled {
                Poll::Ready(n) => assert_eq!(n, 1),
                Poll::Pending => {
                    assert!(second.count() > 0, "the newest waker is woken");
                    assert_eq!(Wakes::poll(&second, &mut d), Poll::Ready(1));
                }
            }
        });
    }

    #[test]
    fn fire_while_polled_again_with_the_same_waker() {
        model(|| {
            let (resolver, mut d) = Deferred::new();
            let wakes = Arc::new(Wakes::default());
            let firing = fire(resolver, 1);
            let mut polled = Wakes::poll(&wakes, &mut d);
            if polled.is_pending() {
                polled = Wakes::poll(&wakes, &mut d);
            }
            firing.join().unwrap();
            if polled.is_pending() {
                assert!(wakes.count() > 0);
                assert_eq!(Wakes::poll(&wakes, &mut d), Poll::Ready(1));
            }
        });
    }

    #[test]
    fn fire_while_the_deferred_is_polled_and_given_a_stage() {
        model(|| {
            let (resolver, mut d) = Deferred::new();
            let wakes = Arc::new(Wakes::default());
            let firing = fire(resolver, 1);
            if Wakes::poll(&wakes, &mut d).is_pending() {
                let d = d.map(|v: Value| Value(v.0 + 1, v.1));
                firing.join().unwrap();
                assert_eq!(outcome(d), 2);
            } else {
                firing.join().unwrap();
            }
        });
    }

    #[test]
    fn fire_while_the_deferred_is_dropped() {
        model(|| {
            let (resolver, d) = Deferred::new();
            let firing = fire(resolver, 1);
            drop(d);
            firing.join().unwrap();
        });
    }

    #[test]
    fn try_callback_while_the_deferred_is_dropped() {
        model(|| {
            let (resolver, d) = Deferred::new();
            let firing = thread::spawn(move || resolver.try_callback(value(1)).is_err());
            drop(d);
            firing.join().unwrap();
        });
    }

    #[test]
    fn drop_of_the_resolver_while_a_stage_is_added() {
        model(|| {
            let (resolver, d) = Deferred::<Value>::new();
            let dropping = thread::spawn(move || drop(resolver));
            let d = d.add_errback(|failure| {
                assert!(failure.is_resolver_dropped());
                Ok(value(3))
            });
            dropping.join().unwrap();
            assert_eq!(outcome(d), 3);
        });
    }

    #[test]
    fn fire_while_cancelled() {
        model(|| {
            let (resolver, d) = Deferred::new();
            let firing = fire(resolver, 1);
            d.cancel();
            let n = {
                firing.join().unwrap();
                outcome(d)
            };
            assert!(n == 1 || n == -1);
        });
    }

    #[test]
    fn fire_while_the_canceller_answers() {
        model(|| {
            let calls = Arc::new(AtomicUsize::new(0));
            let counted = calls.clone();
            let held = value(0);
            let (resolver, d) = Deferred::with_canceller(move || {
                counted.fetch_add(1, Ordering::Relaxed);
                Some(Ok(Value(2, held.1)))
            });
            let firing = fire(resolver, 1);
            d.cancel();
            firing.join().unwrap();
            let n = outcome(d);
            let called = calls.load(Ordering::Relaxed);
            assert!(
                n == 1 || (n == 2 && called == 1),
                "{n} after {called} calls"
            );
        });
    }

    #[test]
    fn on_cancel_while_cancelled_and_then_fired() {
        model(|| {
            let (mut resolver, d) = Deferred::new();
            let told = Arc::new(AtomicUsize::new(0));
            let counted = told.clone();
            let producer = thread::spawn(move || {
                resolver.on_cancel(move || {
                    counted.fetch_add(1, Ordering::Relaxed);
                });
                let cancelled = resolver.is_cancelled();
                resolver.callback(value(1));
                cancelled
            });
            d.cancel();
            let seen = producer.join().unwrap();
            let n = outcome(d);
            let told = told.load(Ordering::Relaxed);
            assert!(told <= 1);
            assert!(!seen || (told == 1 && n == -1));
        });
    }

    #[test]
    fn cancelled_is_awaited_while_it_comes() {
        model(|| {
            let (mut resolver, d) = Deferred::<Value>::new();
            let handle = d.cancel_handle();
            let cancelling = thread::spawn(move || handle.cancel());
            let wakes = Arc::new(Wakes::default());
            let waker = waker(wakes.clone());
            let polled = {
                let waiting = std::pin::pin!(resolver.cancelled());
                waiting.poll(&mut Context::from_waker(&waker))
            };
            cancelling.join().unwrap();
            assert!(resolver.is_cancelled());
            assert!(polled.is_ready() || wakes.count() == 1);
            assert_eq!(outcome(d), -1);
            drop(resolver);
        });
    }

    #[test]
    fn cancel_from_two_threads() {
        model(|| {
            let (resolver, d) = Deferred::<Value>::new();
            let handle = d.cancel_handle();
            let cancelling = thread::spawn(move || handle.cancel());
            d.cancel();
            cancelling.join().unwrap();
            assert_eq!(outcome(d), -1);
            assert!(resolver.try_callback(value(1)).is_err());
        });
    }

    #[test]
    fn cancel_while_the_deferred_is_dropped() {
        model(|| {
            let (resolver, d) = Deferred::<Value>::new();
            let handle = d.cancel_handle();
            let cancelling = thread::spawn(move || handle.cancel());
            drop(d.add_errback(|_| Ok(value(1))));
            cancelling.join().unwrap();
            drop(resolver);
        });
    }

    #[test]
    fn cancel_while_a_stage_is_added() {
        model(|| {
            let (resolver, d) = Deferred::<Value>::new();
            let handle = d.cancel_handle();
            let cancelling = thread::spawn(move || handle.cancel());
            let d = d.add_errback(|failure| {
                assert!(failure.is_cancelled());
                Ok(value(2))
            });
            cancelling.join().unwrap();
            assert_eq!(outcome(d), 2);
            drop(resolver);
        });
    }

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
        model(|| {
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
        handle: crate::CancelHandle,
        pause: Option<Pause>,
        inner: Resolver<Value>,
    }

    fn three(paused: bool) -> Three {
        let (first, d) = Deferred::<Value>::new();
        let (middle, m) = Deferred::<Value>::new();
        let (inner, i) = Deferred::<Value>::new();
        let handle = m.cancel_handle();
        let m = m.add_callback(move |_| i);
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
        model(|| {
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
        bounded(3, || {
            let (first, d) = Deferred::<Value>::new();
            let (middle, m) = Deferred::<Value>::new();
            let (next, n) = Deferred::<Value>::new();
            let (inner, i) = Deferred::<Value>::new();
            let n = n.add_callback(move |_| i);
            let m = m.add_callback(move |_| n);
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
    fn unpause_while_fired_and_added_to() {
        bounded(3, || {
            let (resolver, d) = Deferred::<Value>::new();
            let pause = d.pause();
            let firing = fire(resolver, 1);
            let unpausing = thread::spawn(move || drop(pause));
            let d = d.map(|v: Value| Value(v.0 + 1, v.1));
            firing.join().unwrap();
            unpausing.join().unwrap();
            assert_eq!(outcome(d), 2);
        });
    }

    #[test]
    fn two_pauses_are_undone_at_once() {
        model(|| {
            let (resolver, d) = Deferred::<Value>::new();
            let (one, two) = (d.pause(), d.pause());
            let d = d.map(|v: Value| Value(v.0 + 1, v.1));
            resolver.callback(value(1));
            let unpausing = thread::spawn(move || drop(one));
            drop(two);
            unpausing.join().unwrap();
            assert_eq!(outcome(d), 2);
        });
    }

    #[test]
    fn unpause_of_a_ready_one_while_a_stage_is_added_and_polled() {
        model(|| {
            let d = Deferred::succeed(value(1));
            let pause = d.pause();
            let unpausing = thread::spawn(move || drop(pause));
            let mut d = d.map(|v: Value| Value(v.0 + 1, v.1));
            let wakes = Arc::new(Wakes::default());
            let polled = Wakes::poll(&wakes, &mut d);
            unpausing.join().unwrap();
            if polled.is_pending() {
                assert!(wakes.count() > 0);
                assert_eq!(Wakes::poll(&wakes, &mut d), Poll::Ready(2));
            }
        });
    }

    /// The last unpause leaves the chain running for a moment, in which its
    /// owner must not take it for one at rest.
    #[test]
    fn unpause_of_a_ready_one_while_a_stage_of_it_waits() {
        bounded(3, || {
            let d = Deferred::succeed(value(1));
            let pause = d.pause();
            let unpausing = thread::spawn(move || drop(pause));
            let (inner, returned) = Deferred::<Value>::new();
            let d = d
                .add_callback(move |_| returned)
                .map(|v: Value| Value(v.0 + 1, v.1));
            inner.callback(value(2));
            unpausing.join().unwrap();
            assert_eq!(outcome(d), 3);
        });
    }

    #[test]
    fn unpause_while_a_ready_one_is_dropped() {
        model(|| {
            let d = Deferred::succeed(value(1));
            let pause = d.pause();
            let unpausing = thread::spawn(move || drop(pause));
            drop(d);
            unpausing.join().unwrap();
        });
    }

    #[test]
    fn a_chained_target_is_cancelled_while_its_source_fires() {
        model(|| {
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
        model(|| {
            let (source, s) = Deferred::<Value>::new();
            let (target, d) = Deferred::<Value>::new();
            let firing = fire(source, 1);
            s.chain_deferred(target);
            firing.join().unwrap();
            assert_eq!(outcome(d), 1);
        });
    }

    #[test]
    fn more_stages_than_the_block_holds_are_added_while_it_fires() {
        bounded(3, || {
            let (resolver, d) = Deferred::<Value>::new();
            let mut d = d.map(|v: Value| Value(v.0 + 1, v.1));
            d = d.map(|v: Value| Value(v.0 * 2, v.1));
            let firing = fire(resolver, 1);
            for _ in 0..3 {
                d = d.map(|v: Value| Value(v.0 * 2, v.1));
            }
            firing.join().unwrap();
            assert_eq!(outcome(d), 32);
        });
    }

    #[test]
    fn a_failure_is_dropped_once() {
        model(|| {
            let (resolver, d) = Deferred::<Value>::new();
            let firing = thread::spawn(move || resolver.errback("out"));
            let d = d.add_errback(|failure: Failure| {
                assert_eq!(failure.to_string(), "out");
                Ok(value(0))
            });
            firing.join().unwrap();
            testing::success_of(d);
        });
    }
}
