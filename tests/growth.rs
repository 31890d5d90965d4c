//! Nothing costs more each the more of it there are: n children, subscribers,
//! waits, keys and handles, fired, cancelled and dropped, from the front and
//! from the back.
//!
//! It counts instructions, which no busy machine changes: each row is done
//! twice in a process of its own under `valgrind`, for a few and for many, and
//! the exponent of the growth must be at most 1.05 (1 is linear). Without
//! `valgrind` nothing is counted, and the test says so.

use std::env;
use std::process::{Command, ExitCode};
use std::thread;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::OwnedSemaphorePermit;
use tokio_deferred::{
    CancelHandle, Deferred, DeferredList, DeferredQueue, DeferredSemaphore, DeferredSet, Event,
    Resolver, ResolverMap, gather_results, join, map_with_concurrency, race, testing,
};

const FEW: usize = 250;
const MANY: usize = 5_000;
const LARGEST_EXPONENT: f64 = 1.05;

type Row = (&'static str, fn(usize));

fn pending(n: usize) -> (Vec<Resolver<usize>>, Vec<Deferred<usize>>) {
    (0..n).map(|_| Deferred::new()).unzip()
}

fn front(resolvers: Vec<Resolver<usize>>) {
    resolvers
        .into_iter()
        .for_each(|resolver| resolver.callback(1));
}

fn back(resolvers: Vec<Resolver<usize>>) {
    resolvers
        .into_iter()
        .rev()
        .for_each(|resolver| resolver.callback(1));
}

fn handles(deferreds: &mut [Deferred<usize>]) -> Vec<CancelHandle> {
    deferreds.iter_mut().map(Deferred::cancel_handle).collect()
}

fn cancel_front(mut deferreds: Vec<Deferred<usize>>) {
    for handle in handles(&mut deferreds) {
        handle.cancel();
    }
    deferreds.into_iter().for_each(ignore);
}

fn cancel_back(mut deferreds: Vec<Deferred<usize>>) {
    for handle in handles(&mut deferreds).into_iter().rev() {
        handle.cancel();
    }
    deferreds.into_iter().for_each(ignore);
}

fn drop_back(mut deferreds: Vec<Deferred<usize>>) {
    while deferreds.pop().is_some() {}
}

/// Takes the result, which may be a failure.
fn ignore<T: Send + 'static>(d: Deferred<T>) {
    assert!(d.try_result().is_ok(), "it ended");
}

fn gather(n: usize) -> (Vec<Resolver<usize>>, Deferred<Vec<usize>>) {
    let (resolvers, children) = pending(n);
    (resolvers, gather_results(children))
}

fn subscribers(n: usize) -> (Resolver<usize>, Vec<Deferred<usize>>) {
    let (resolver, d) = Deferred::new();
    let shared = d.share();
    (resolver, (0..n).map(|_| shared.subscribe()).collect())
}

fn waits(n: usize) -> (Event<usize>, Vec<Deferred<usize>>) {
    let event = Event::new();
    let waits = (0..n).map(|_| event.wait()).collect();
    (event, waits)
}

fn replies(n: usize) -> (ResolverMap<usize, usize>, Vec<Deferred<usize>>) {
    let replies = ResolverMap::new();
    let waiting = (0..n).map(|id| replies.insert(id)).collect();
    (replies, waiting)
}

fn set(n: usize) -> (Vec<Resolver<usize>>, DeferredSet<usize>) {
    let (resolvers, members) = pending(n);
    (resolvers, members.into_iter().collect())
}

fn drained(mut set: DeferredSet<usize>) {
    while set.try_next().is_some() {}
    assert!(set.is_empty());
}

/// One inside of the other.
fn nested(
    n: usize,
    level: fn(Deferred<usize>) -> Deferred<usize>,
) -> (Resolver<usize>, Deferred<usize>) {
    let (resolver, mut d) = Deferred::new();
    for _ in 0..n {
        d = level(d);
    }
    (resolver, d)
}

/// Waits for the one permit, which is held.
fn permits(
    n: usize,
) -> (
    Runtime,
    OwnedSemaphorePermit,
    Vec<Deferred<OwnedSemaphorePermit>>,
) {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let semaphore = DeferredSemaphore::new(1);
    let held = testing::success_of(semaphore.acquire());
    let entered = runtime.enter();
    let all = (0..n).map(|_| semaphore.acquire()).collect();
    drop(entered);
    (runtime, held, all)
}

const ROWS: &[Row] = &[
    ("gather, fired from the front", |n| {
        let (resolvers, all) = gather(n);
        front(resolvers);
        ignore(all);
    }),
    ("gather, fired from the back", |n| {
        let (resolvers, all) = gather(n);
        back(resolvers);
        ignore(all);
    }),
    ("gather, cancelled", |n| {
        let (_resolvers, all) = gather(n);
        all.cancel();
        ignore(all);
    }),
    ("gather, dropped, then fired", |n| {
        let (resolvers, all) = gather(n);
        drop(all);
        front(resolvers);
    }),
    ("list, cancelled", |n| {
        let (_resolvers, children) = pending(n);
        let list = DeferredList::new(children).into_deferred();
        list.cancel();
        ignore(list);
    }),
    ("first failure, then the rest is late", |n| {
        let (mut resolvers, children) = pending(n);
        let list = DeferredList::new(children)
            .fire_on_one_errback(true)
            .consume_errors(true);
        let list = list.into_deferred();
        resolvers.pop().expect("some").errback("out");
        resolvers
            .into_iter()
            .for_each(|resolver| resolver.errback("late"));
        ignore(list);
    }),
    ("race, the first one wins", |n| {
        let (mut resolvers, children) = pending(n);
        let won = race(children);
        resolvers.remove(0).callback(1);
        ignore(won);
    }),
    ("race, the last one wins", |n| {
        let (mut resolvers, children) = pending(n);
        let won = race(children);
        resolvers.pop().expect("some").callback(1);
        ignore(won);
    }),
    ("race, all fail", |n| {
        let (resolvers, children) = pending(n);
        let won = race(children);
        resolvers
            .into_iter()
            .for_each(|resolver| resolver.errback("out"));
        ignore(won);
    }),
    ("race of gets that are ready", |n| {
        let queue = DeferredQueue::new();
        (0..n).for_each(|item| queue.put(item).expect("no limit"));
        ignore(race((0..n).map(|_| queue.get())));
        assert_eq!(queue.len(), n - 1);
    }),
    ("bounded map of ten", |n| {
        let (resolvers, children) = pending(n);
        let all = map_with_concurrency(children, 10, |d| d).gather();
        front(resolvers);
        ignore(all);
    }),
    ("bounded map of all, from the back", |n| {
        let (resolvers, children) = pending(n);
        let all = map_with_concurrency(children, n, |d| d).gather();
        back(resolvers);
        ignore(all);
    }),
    ("bounded map, cancelled", |n| {
        let (_resolvers, children) = pending(n);
        let all = map_with_concurrency(children, n, |d| d).gather();
        all.cancel();
        ignore(all);
    }),
    ("subscribers, fired", |n| {
        let (resolver, all) = subscribers(n);
        resolver.callback(1);
        all.into_iter().for_each(ignore);
    }),
    ("subscribers, cancelled from the front", |n| {
        let (_resolver, all) = subscribers(n);
        cancel_front(all);
    }),
    ("subscribers, cancelled from the back", |n| {
        let (_resolver, all) = subscribers(n);
        cancel_back(all);
    }),
    ("subscribers, dropped from the front", |n| {
        let (resolver, all) = subscribers(n);
        drop(all);
        resolver.callback(1);
    }),
    ("subscribers, dropped from the back", |n| {
        let (resolver, all) = subscribers(n);
        drop_back(all);
        resolver.callback(1);
    }),
    ("subscribers that come late", |n| {
        let shared = Deferred::succeed(1).share();
        (0..n).for_each(|_| ignore(shared.subscribe()));
    }),
    ("waits, all notified", |n| {
        let (event, all) = waits(n);
        assert_eq!(event.notify_all(1), n);
        all.into_iter().for_each(ignore);
    }),
    ("waits, notified one by one", |n| {
        let (event, all) = waits(n);
        while event.notify(1, 1) > 0 {}
        all.into_iter().for_each(ignore);
    }),
    ("waits, cancelled from the front", |n| {
        let (_event, all) = waits(n);
        cancel_front(all);
    }),
    ("waits, cancelled from the back", |n| {
        let (_event, all) = waits(n);
        cancel_back(all);
    }),
    ("waits, dropped from the back", |n| {
        let (_event, all) = waits(n);
        drop_back(all);
    }),
    ("keys, answered from the front", |n| {
        let (replies, all) = replies(n);
        (0..n).for_each(|id| assert!(replies.callback(&id, id)));
        all.into_iter().for_each(ignore);
    }),
    ("keys, answered from the back", |n| {
        let (replies, all) = replies(n);
        (0..n)
            .rev()
            .for_each(|id| assert!(replies.callback(&id, id)));
        all.into_iter().for_each(ignore);
    }),
    ("keys, cancelled from the front", |n| {
        let (_replies, all) = replies(n);
        cancel_front(all);
    }),
    ("keys, cancelled from the back", |n| {
        let (_replies, all) = replies(n);
        cancel_back(all);
    }),
    ("keys, all failed", |n| {
        let (replies, all) = replies(n);
        assert_eq!(replies.fail_all("out"), n);
        all.into_iter().for_each(ignore);
    }),
    ("keys, the map is dropped", |n| {
        let (replies, all) = replies(n);
        drop(replies);
        all.into_iter().for_each(ignore);
    }),
    ("members, fired from the front", |n| {
        let (resolvers, set) = set(n);
        front(resolvers);
        drained(set);
    }),
    ("members, fired from the back", |n| {
        let (resolvers, set) = set(n);
        back(resolvers);
        drained(set);
    }),
    ("members, cancelled", |n| {
        let (_resolvers, mut set) = set(n);
        set.cancel_all();
        drained(set);
    }),
    ("members, dropped", |n| {
        let (_resolvers, set) = set(n);
        drop(set);
    }),
    ("puts, then gets", |n| {
        let queue = DeferredQueue::new();
        (0..n).for_each(|item| queue.put(item).expect("no limit"));
        (0..n).for_each(|_| ignore(queue.get()));
    }),
    ("gets, then puts", |n| {
        let queue = DeferredQueue::new();
        let gets: Vec<_> = (0..n).map(|_| queue.get()).collect();
        (0..n).for_each(|item| queue.put(item).expect("no limit"));
        gets.into_iter().for_each(ignore);
    }),
    ("items that come back, from the front", |n| {
        let queue = DeferredQueue::new();
        let gets: Vec<_> = (0..n).map(|_| queue.get()).collect();
        (0..2 * n).for_each(|item| queue.put(item).expect("no limit"));
        drop(gets);
        assert_eq!(queue.len(), 2 * n);
    }),
    ("permits waited for, cancelled from the front", |n| {
        let (_runtime, _held, mut all) = permits(n);
        let handles: Vec<_> = all.iter_mut().map(Deferred::cancel_handle).collect();
        handles.iter().for_each(|handle| assert!(handle.cancel()));
        all.into_iter().for_each(ignore);
    }),
    ("permits waited for, cancelled from the back", |n| {
        let (_runtime, _held, mut all) = permits(n);
        let handles: Vec<_> = all.iter_mut().map(Deferred::cancel_handle).collect();
        handles
            .iter()
            .rev()
            .for_each(|handle| assert!(handle.cancel()));
        all.into_iter().for_each(ignore);
    }),
    ("permits waited for, dropped from the back", |n| {
        let (_runtime, _held, mut all) = permits(n);
        while all.pop().is_some() {}
    }),
    ("gets, cancelled from the front", |n| {
        let queue = DeferredQueue::new();
        cancel_front((0..n).map(|_| queue.get()).collect());
    }),
    ("gets, cancelled from the back", |n| {
        let queue = DeferredQueue::new();
        cancel_back((0..n).map(|_| queue.get()).collect());
    }),
    ("handles of one", |n| {
        let (_resolver, mut d) = Deferred::<usize>::new();
        let handles: Vec<_> = (0..n).map(|_| d.cancel_handle()).collect();
        handles.iter().for_each(|handle| _ = handle.cancel());
        drop(handles);
        ignore(d);
    }),
    ("gathers inside of each other, fired", |n| {
        let (resolver, d) = nested(n, |d| gather_results([d]).map(|values| values[0]));
        resolver.callback(1);
        ignore(d);
    }),
    ("gathers inside of each other, failed", |n| {
        let (resolver, d) = nested(n, |d| gather_results([d]).map(|values| values[0]));
        resolver.errback("out");
        ignore(d);
    }),
    ("joins inside of each other, cancelled", |n| {
        let (_resolver, d) = nested(n, |d| join((d, Deferred::succeed(1))).map(|(n, _)| n));
        d.cancel();
        ignore(d);
    }),
    ("races inside of each other, cancelled", |n| {
        let (_resolver, d) = nested(n, |d| race([d]).map(|(_, n)| n));
        d.cancel();
        ignore(d);
    }),
    ("shares behind each other, fired", |n| {
        let (resolver, d) = nested(n, |d| d.share().subscribe());
        resolver.callback(1);
        ignore(d);
    }),
    ("shares behind each other, cancelled", |n| {
        let (_resolver, d) = nested(n, |d| d.share().subscribe());
        d.cancel();
        ignore(d);
    }),
];

/// Does one row under valgrind, and returns how many instructions it took.
fn count(name: &str, n: usize) -> Result<u64, String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args([
            "--tool=cachegrind",
            "--cache-sim=no",
            "--cachegrind-out-file=/dev/null",
        ])
        .arg(program)
        .args(["--count", name, &n.to_string()])
        .output()
        .map_err(|error| error.to_string())?;
    let report = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(report.into_owned());
    }
    let line = report.lines().find_map(|line| line.split_once("refs:"));
    let digits: String = line
        .ok_or_else(|| report.to_string())?
        .1
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    digits.parse().map_err(|_| report.into_owned())
}

/// The exponent of a row's growth, and its instructions for each of many.
fn measure(name: &str) -> Result<(f64, f64), String> {
    // One is done for the costs of the start, which include those of the first.
    let start = count(name, 2)?;
    let few = (count(name, FEW)? - start) as f64 / (FEW - 2) as f64;
    let many = (count(name, MANY)? - start) as f64 / (MANY - 2) as f64;
    let exponent = 1.0 + (many / few).ln() / (MANY as f64 / FEW as f64).ln();
    Ok((exponent, many))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [count, name, n] = &arguments[..]
        && count == "--count"
    {
        let (_, row) = ROWS.iter().find(|row| row.0 == name).expect("a row");
        row(n.parse().expect("a number"));
        return ExitCode::SUCCESS;
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("nothing is counted: there is no valgrind");
        return ExitCode::SUCCESS;
    }
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    let rows = ROWS.iter().map(|row| row.0);
    let rows: Vec<_> = rows
        .filter(|name| filter.is_none_or(|filter| name.contains(filter.as_str())))
        .collect();
    let threads = thread::available_parallelism().map_or(1, |n| n.get());
    let lots = rows.chunks(rows.len().div_ceil(threads).max(1));
    let measured: Vec<_> = thread::scope(|scope| {
        let measuring: Vec<_> = lots
            .map(|lot| {
                let each = move |name: &&'static str| (*name, measure(name));
                scope.spawn(move || lot.iter().map(each).collect::<Vec<_>>())
            })
            .collect();
        let lots = measuring
            .into_iter()
            .map(|lot| lot.join().expect("no panic"));
        lots.flatten().collect()
    });
    let mut worst = 0.0_f64;
    for (name, result) in measured {
        match result {
            Ok((exponent, each)) => {
                println!("{exponent:>6.3} {each:>9.0} instructions each: {name}");
                worst = worst.max(exponent);
            }
            Err(report) => {
                println!("{name}: {report}");
                worst = f64::INFINITY;
            }
        }
    }
    println!("{} rows, the largest exponent is {worst:.3}", rows.len());
    if worst <= LARGEST_EXPONENT {
        ExitCode::SUCCESS
    } else {
        println!("more than {LARGEST_EXPONENT}");
        ExitCode::FAILURE
    }
}
