//! Cancels that find a child running a stage on another thread: they arrive
//! when that stage is over.

use std::sync::mpsc;
use std::thread;
use tokio_deferred::{
    Deferred, DeferredList, DeferredSet, Resolver, gather_results, join, map_with_concurrency,
    race, testing,
};

/// Puts a child together with others.
type Around = fn(Deferred<i32>) -> Deferred<i32>;

const GROUPS: &[(&str, Around)] = &[
    ("gather", |d| {
        gather_results([Deferred::succeed(1), d]).map(|values| values[1])
    }),
    ("list", |d| {
        let list = DeferredList::new([d]).into_deferred();
        list.add_callback(|mut results| Ok(results.remove(0)?))
    }),
    ("first callback", |d| {
        let first = DeferredList::new([d]).fire_on_one_callback();
        first.map(|(_, n)| n)
    }),
    ("race", |d| race([d]).map(|(_, n)| n)),
    ("race in a gather", |d| {
        gather_results([race([d])]).map(|values| values[0].1)
    }),
    ("join", |d| {
        join((Deferred::succeed("one"), d)).map(|(_, n)| n)
    }),
    ("map", |d| {
        let map = map_with_concurrency([d], 1, |d| d).gather();
        map.map(|values| values[0])
    }),
    ("share", |d| d.share().subscribe()),
];

/// A child whose stage is running on another thread, which it leaves, when it is
/// let, with a Deferred that has no result.
struct Running {
    child: Deferred<i32>,
    resolver: Resolver<i32>,
    started: mpsc::Receiver<()>,
    finish: mpsc::Sender<()>,
    source: Resolver<()>,
}

fn running() -> Running {
    let (source, d) = Deferred::new();
    let (resolver, inner) = Deferred::new();
    let (starts, started) = mpsc::channel();
    let (finish, finishes) = mpsc::channel();
    let child = d.add_callback(move |()| {
        starts.send(()).unwrap();
        finishes.recv().unwrap();
        inner
    });
    Running {
        child,
        resolver,
        started,
        finish,
        source,
    }
}

#[test]
fn cancel_while_a_childs_stage_runs_then_it_arrives_behind_the_stage() {
    for (name, around) in GROUPS {
        let Running {
            child,
            resolver,
            started,
            finish,
            source,
        } = running();
        let reports = testing::capture_unhandled(|| {
            let group = around(child);
            let firing = thread::spawn(move || source.callback(()));
            started.recv().unwrap();
            group.cancel();
            finish.send(()).unwrap();
            firing.join().unwrap();
            assert!(resolver.is_cancelled(), "{name}");
            let failure = testing::failure_of(group);
            assert!(failure.is_cancelled(), "{name}: {failure:?}");
        });
        assert!(reports.is_empty(), "{name}: {reports:?}");
    }
}

#[test]
fn loses_a_race_while_its_stage_runs_then_it_is_cancelled_behind_the_stage() {
    for (name, around) in GROUPS {
        let Running {
            child,
            resolver,
            started,
            finish,
            source,
        } = running();
        let (winner, other) = Deferred::new();
        let won = race([around(child), other]);
        let firing = thread::spawn(move || source.callback(()));
        started.recv().unwrap();
        winner.callback(7);
        assert_eq!(testing::success_of(won), (1, 7), "{name}");
        finish.send(()).unwrap();
        firing.join().unwrap();
        assert!(resolver.is_cancelled(), "{name}");
    }
}

#[test]
fn a_set_is_dropped_while_a_members_stage_runs() {
    let Running {
        child,
        resolver,
        started,
        finish,
        source,
    } = running();
    let set = DeferredSet::from_iter([child]);
    let firing = thread::spawn(move || source.callback(()));
    started.recv().unwrap();
    drop(set);
    finish.send(()).unwrap();
    firing.join().unwrap();
    assert!(resolver.is_cancelled());
}

/// Whatever the moment, the group ends, and what its child waited for is
/// cancelled or was answered.
#[test]
fn cancel_at_any_moment_of_a_childs_stage() {
    const ROUNDS: usize = if cfg!(miri) { 5 } else { 1_500 };
    for (name, around) in GROUPS {
        for _ in 0..ROUNDS {
            let (source, d) = Deferred::new();
            let (resolver, inner) = Deferred::<i32>::new();
            let (started, starts) = mpsc::channel();
            let child = d.add_callback(move |()| {
                let _ = started.send(());
                inner
            });
            let group = around(child);
            let firing = thread::spawn(move || source.callback(()));
            starts.recv().unwrap();
            group.cancel();
            firing.join().unwrap();
            assert!(resolver.is_cancelled(), "{name}");
            assert!(testing::failure_of(group).is_cancelled(), "{name}");
        }
    }
}
