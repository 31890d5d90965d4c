//! A cancel that was sent arrives: random operations, which nothing but a
//! cancel ends, are cancelled while their stages run on other threads.
//!
//! An operation is a tree of chains, coroutines, lists, races, joins, shared
//! results, hops, deadlines and signals over leaves. Some leaves are fired while
//! the cancel is on its way, by two driver threads, and their stages then return
//! what is pending. Each round has one oracle: the operation ends.
//!
//! `ROUNDS` sets how many, `SEED` which.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use test_support::Random;
use tokio::runtime::Handle;
use tokio_deferred::{
    Deferred, DeferredError, DeferredList, Failure, Resolver, debug, gather_results, join, race,
};

/// Far longer than a round takes.
const LIMIT: Duration = Duration::from_secs(30);

/// What an operation is made of, beside the operation.
struct Parts<'a> {
    random: &'a mut Random,
    runtime: &'a Handle,
    /// What is fired while the cancel is on its way.
    starts: Vec<Resolver<()>>,
    /// What is never fired: kept until the operation has ended.
    kept: Vec<Resolver<u32>>,
}

impl Parts<'_> {
    fn pending(&mut self) -> Deferred<u32> {
        let (resolver, d) = Deferred::new();
        self.kept.push(resolver);
        d
    }

    /// A chain whose stage runs on a driver thread, for a moment, and returns
    /// `inner`.
    fn started(&mut self, inner: Deferred<u32>) -> Deferred<u32> {
        let (start, d) = Deferred::new();
        self.starts.push(start);
        let turns = self.random.below(40);
        d.add_callback(move |()| {
            for _ in 0..turns {
                thread::yield_now();
            }
            inner
        })
    }

    fn operation(&mut self, depth: u32) -> Deferred<u32> {
        if depth == 0 {
            let pending = self.pending();
            return match self.random.below(3) {
                0 => pending,
                _ => self.started(pending),
            };
        }
        let one = self.operation(depth - 1);
        match self.random.below(14) {
            0 => self.started(one),
            1 => one.map(|n| n + 1).finally(|| ()),
            2 => {
                let outer = Deferred::succeed(());
                outer.add_callback(move |()| one)
            }
            3 => Deferred::from_coroutine_on(self.runtime, async move {
                Ok::<_, DeferredError>(one.await? + 1)
            }),
            4 => {
                let two = self.operation(depth - 1);
                Deferred::from_coroutine_on(self.runtime, async move {
                    let (one, two) = futures::try_join!(one, two)?;
                    Ok::<_, DeferredError>(one + two)
                })
            }
            5 => {
                let two = self.operation(depth - 1);
                gather_results([one, two]).map(|all| all.len() as u32)
            }
            6 => {
                let two = self.operation(depth - 1);
                race([one, two]).map(|(_, n)| n)
            }
            7 => {
                let two = self.operation(depth - 1);
                join((one, two)).map(|(one, two)| one + two)
            }
            8 => one.share().subscribe(),
            9 => one.via(self.runtime),
            10 => one.add_timeout(Duration::from_secs(3600)),
            11 => one.cancel_when(std::future::pending()),
            12 => {
                let two = self.operation(depth - 1);
                let list = DeferredList::new([one, two]).consume_errors(true);
                // A list of failures is a value: it ends all the same.
                list.into_deferred().map(|all| all.len() as u32)
            }
            _ => Deferred::from_coroutine_inline(one),
        }
    }
}

/// How the cancel is sent.
fn cancel(way: u64, mut d: Deferred<u32>, done: mpsc::Sender<()>) -> thread::JoinHandle<()> {
    let tell = move |_: Result<u32, Failure>| done.send(()).expect("it is awaited");
    match way {
        0 => {
            let handle = d.cancel_handle();
            d.add_both(tell).detach();
            thread::spawn(move || {
                handle.cancel();
            })
        }
        1 => {
            // From inside a callback of another Deferred.
            let handle = d.cancel_handle();
            d.add_both(tell).detach();
            let (other, unrelated) = Deferred::new();
            let unrelated = unrelated.map(move |()| {
                handle.cancel();
            });
            thread::spawn(move || {
                other.callback(());
                drop(unrelated);
            })
        }
        2 => {
            let d = d.add_both(tell).cancel_on_drop();
            thread::spawn(move || drop(d))
        }
        _ => {
            // As the loser of a race.
            let (winner, first) = Deferred::new();
            race([first, d.add_both(tell)]).detach();
            thread::spawn(move || winner.callback(()))
        }
    }
}

#[test]
fn every_operation_that_is_cancelled_ends() {
    debug::set_unhandled_hook(|_| {});
    let rounds = std::env::var("ROUNDS").map_or(1_500, |n| n.parse().expect("a number"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("a runtime");
    let _entered = runtime.enter();
    let mut random = Random::seeded(0);
    for round in 0..rounds {
        let mut parts = Parts {
            random: &mut random,
            runtime: runtime.handle(),
            starts: Vec::new(),
            kept: Vec::new(),
        };
        let depth = 1 + parts.random.below(3) as u32;
        let d = parts.operation(depth);
        let Parts {
            mut starts, kept, ..
        } = parts;
        let way = random.below(4);
        let (done, is_done) = mpsc::channel();
        let half = starts.split_off(starts.len() / 2);
        let drivers = [starts, half].map(|starts| {
            thread::spawn(move || starts.into_iter().for_each(|start| start.callback(())))
        });
        let cancelling = cancel(way, d, done);
        is_done
            .recv_timeout(LIMIT)
            .unwrap_or_else(|_| panic!("round {round}: the cancel (way {way}) was lost"));
        cancelling.join().expect("nothing panics");
        for driver in drivers {
            driver.join().expect("nothing panics");
        }
        drop(kept);
    }
}
