//! Each scenario, with a panic at each piece of user code in turn.

mod awaits;
mod cancels;
mod chains;
mod groups;
mod limits;
mod spans;
mod threads;
mod times;

use crate::runs::{run, watched, without_leak};
use crate::trial::{Trial, Verdict};
use std::collections::BTreeMap;
use std::sync::mpsc;

type Scenario = fn(&Trial);

/// How a scenario has to be run.
#[derive(Clone, Copy)]
struct Terms {
    /// Its subscriber wants spans.
    spans: bool,
    /// Several threads are in it: a site need not come at the same number each
    /// time, and memory may be freed by another thread.
    threads: bool,
    /// How often each run is made.
    rounds: usize,
}

/// Runs each of `scenarios` without a panic, and then with one at each site.
#[track_caller]
fn examine(name: &str, terms: Terms, scenarios: &[(&'static str, Scenario)]) {
    let scenarios = scenarios.to_vec();
    let count = scenarios.len();
    let (send_kinds, kinds) = mpsc::channel();
    let runs = watched(name, terms.spans, move |reports| {
        let mut kinds = BTreeMap::new();
        for (name, scenario) in scenarios {
            let once = |armed| {
                let run = || run(Trial::new(armed), name, scenario);
                let verdict = if terms.threads {
                    run()
                } else {
                    without_leak(run)
                };
                let _ = reports.send(judge(name, terms, armed, &verdict));
                verdict.sites
            };
            let sites = once(None);
            for _ in 0..terms.rounds {
                for index in 0..sites.len() {
                    once(Some(index));
                }
            }
            for kind in sites {
                *kinds.entry(kind).or_insert(0_usize) += 1;
            }
        }
        let _ = send_kinds.send(kinds);
    });
    let kinds = kinds.recv().expect("sent at the end");
    let sites: usize = kinds.values().sum();
    println!("{name}: {count} scenarios, {sites} sites, {runs} runs: {kinds:?}");
}

fn judge(name: &str, terms: Terms, armed: Option<usize>, verdict: &Verdict) -> Result<(), String> {
    let at = match (armed, verdict.hit) {
        (None, _) => format!("{name} without a panic"),
        (Some(index), hit) => format!("{name} with a panic at {index} ({hit:?})"),
    };
    if armed.is_some() && verdict.hit.is_none() && !terms.threads {
        return Err(format!("{at}: the site was not come to"));
    }
    match &verdict.problems[..] {
        [] => Ok(()),
        problems => Err(format!("{at}: {}", problems.join("; "))),
    }
}

macro_rules! scenarios {
    ($($name:ident: $terms:expr, [$($module:ident::$scenario:ident),* $(,)?];)*) => {
        $(#[test]
        fn $name() {
            let scenarios: &[(&'static str, Scenario)] =
                &[$((stringify!($scenario), $module::$scenario)),*];
            examine(stringify!($name), $terms, scenarios);
        })*
    };
}

const ALONE: Terms = Terms {
    spans: false,
    threads: false,
    rounds: 1,
};

const IN_SPANS: Terms = Terms {
    spans: true,
    ..ALONE
};

const AMONG_THREADS: Terms = Terms {
    threads: true,
    ..ALONE
};

/// Another interleaving each time.
const RACING: Terms = Terms {
    rounds: 20,
    ..AMONG_THREADS
};

scenarios! {
    panics_in_chains: ALONE, [
        chains::fire_a_chain_of_every_stage,
        chains::fail_a_chain_of_every_stage,
        chains::add_to_fired_ones,
        chains::wait_for_returned_ones,
        chains::link_and_flatten,
        chains::pause_and_unpause,
        chains::drop_the_halves,
        chains::split_and_register,
        chains::unhandled,
    ];
    panics_in_cancels: ALONE, [
        cancels::cancel_with_a_canceller,
        cancels::canceller_that_fires,
        cancels::fire_what_has_a_canceller,
        cancels::cancel_what_is_waited_for,
        cancels::cancel_by_a_drop_and_by_handles,
        cancels::fire_late,
    ];
    panics_in_awaits: ALONE, [
        awaits::poll_fire_poll,
        awaits::poll_with_another_waker_then_drop,
        awaits::await_the_cancel,
        awaits::coroutine_that_waits,
        awaits::coroutine_that_is_cancelled,
        awaits::coroutine_without_a_deferred_is_cancelled,
        awaits::inline_callbacks_of_both_sorts,
        awaits::runtime_goes_away,
    ];
    panics_in_groups: ALONE, [
        groups::gather,
        groups::ready_ones,
        groups::list_of_failures,
        groups::races,
        groups::join_of_different_types,
        groups::share_among_three,
        groups::map_over_items,
        groups::spawn_tasks,
    ];
    panics_in_limits: ALONE, [
        limits::semaphore,
        limits::lock,
        limits::queue,
        limits::queue_of_items_that_nobody_takes,
    ];
    panics_in_times: ALONE, [
        times::timeouts,
        times::cancel_when,
        times::later,
        times::looping_call,
        times::cooperator,
        times::iterated,
        times::without_a_runtime,
        times::via,
    ];
    panics_in_a_subscriber: IN_SPANS, [
        spans::stages_in_spans,
        spans::coroutine_in_a_span,
    ];
    panics_in_threads: AMONG_THREADS, [
        threads::defer_to_thread,
        threads::cancel_a_call_that_runs,
        threads::calls_that_are_not_made,
        threads::call_in_and_from_threads,
    ];
    panics_in_races: RACING, [
        threads::fire_and_cancel_and_drop,
        threads::fire_and_unpause_and_wait,
        threads::subscribe_and_fire,
        threads::put_and_get,
    ];
}
