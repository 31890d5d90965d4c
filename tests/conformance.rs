//! The traces of 2,800 programs, compared with those that Twisted 26.10 left.

use std::io::{self, Write};

use serde_json::{Value as Json, json};
use test_support::replayer::compare::{Order, first_difference};
use test_support::replayer::corpus::{Corpus, SYNC, TASKS};
use test_support::replayer::program::Program;
use test_support::replayer::run::{Coroutines, run};

fn assert_all_match(corpus: Corpus, coroutines: Coroutines, programs: usize) {
    let tally = corpus
        .replay_with(coroutines)
        .expect("the corpus comes with the repository");
    // Written past the capture of the test harness: the counts are to be seen.
    writeln!(io::stdout(), "{tally}").expect("standard output is open");
    assert_eq!(tally.programs, programs, "programs were lost");
    if let Some(first) = tally.mismatches.first() {
        panic!("{tally} match; the first that does not is\n{first}");
    }
}

#[test]
fn every_sync_program_leaves_the_trace_of_twisted() {
    assert_all_match(SYNC, Coroutines::Tasks, 2000);
}

#[test]
fn every_tasks_program_leaves_the_trace_of_twisted() {
    assert_all_match(TASKS, Coroutines::Tasks, 800);
}

#[test]
fn every_tasks_program_leaves_the_trace_of_twisted_with_coroutines_that_fires_resume() {
    assert_all_match(TASKS, Coroutines::Inline, 800);
}

fn events(trace: Json) -> Vec<Json> {
    trace.as_array().cloned().expect("a trace is an array")
}

fn example() -> Vec<Json> {
    events(json!([
        ["cb", 1, 0, 5],
        ["cb", 2, 0, 5],
        ["overflow", 1],
        ["eb", 1, 1, "E0"],
        ["end", 2, "ok", 5],
    ]))
}

#[test]
fn equal_traces_do_not_differ() {
    for order in [Order::Total, Order::PerActor] {
        assert_eq!(first_difference(order, &example(), &example()), None);
    }
}

#[test]
fn events_of_two_deferreds_swapped_differ_in_total_order_only() {
    let mut swapped = example();
    swapped.swap(0, 1);
    let difference = first_difference(Order::Total, &example(), &swapped);
    let difference = difference.expect("the order of all events counts");
    assert!(
        difference.contains(r#"expected ["cb",1,0,5]"#),
        "{difference}"
    );
    assert!(
        difference.contains(r#"got      ["cb",2,0,5]"#),
        "{difference}"
    );
    assert_eq!(
        first_difference(Order::PerActor, &example(), &swapped),
        None
    );
}

#[test]
fn an_overflow_is_no_event_of_the_deferred_with_the_number_of_its_queue() {
    let mut swapped = example();
    swapped.swap(2, 3);
    assert_eq!(
        first_difference(Order::PerActor, &example(), &swapped),
        None
    );
}

#[test]
fn any_change_to_the_events_of_one_deferred_differs_in_both_orders() {
    let mut swapped = example();
    swapped.swap(0, 3);
    let mut shorter = example();
    shorter.pop();
    let mut longer = example();
    longer.push(json!(["unhandled", 3, "E0"]));
    let mut changed = example();
    changed[1] = json!(["cb", 2, 0, 6]);
    for (what, trace) in [
        ("swapped", swapped),
        ("shorter", shorter),
        ("longer", longer),
        ("changed", changed),
    ] {
        for order in [Order::Total, Order::PerActor] {
            assert!(
                first_difference(order, &example(), &trace).is_some(),
                "{what}, {order:?}"
            );
        }
    }
}

fn replay(ops: &Json) -> Result<Vec<Json>, String> {
    let line = json!({"id": "test", "ops": ops}).to_string();
    run(&Program::parse(&line).expect("a line with an id and operations"))
}

#[test]
fn stages_run_first_in_first_out() {
    let trace = replay(&json!([
        ["new", 0, null],
        ["add", 0, ["inc", 1], null],
        ["add", 0, ["raise", "E1"], null],
        ["both", 0, ["ret", 9]],
        ["fire", 0, "ok", 1],
    ]));
    let expected = json!([
        ["cb", 0, 0, 1],
        ["cb", 0, 1, 2],
        ["eb", 0, 2, "E1"],
        ["end", 0, "ok", 9],
    ]);
    assert_eq!(trace, Ok(events(expected)));
}

#[test]
fn what_is_no_operation_counts_only_when_it_is_reached() {
    let unreached = json!([
        ["new", 0, null],
        ["both", 0, ["do", [["cancel", null]], "pass"]]
    ]);
    let pending = events(json!([["end", 0, "pending"]]));
    assert_eq!(replay(&unreached), Ok(pending));
    let mut reached = events(unreached);
    reached.push(json!(["cancel", 0]));
    assert!(replay(&Json::from(reached)).is_err());
}

#[test]
fn programs_that_break_a_rule_have_no_trace() {
    for ops in [
        json!([["fire", 0, "ok", 1]]),
        json!([["succeed", 0, 1], ["fire", 0, "ok", 1]]),
        json!([["new", 0, null], ["fire", 0, "ok", 1], ["fire", 0, "ok", 1]]),
        json!([["new", 0, null], ["new", 0, null]]),
        json!([["new", 0, null], ["unpause", 0]]),
        json!([["new", 0, null], ["drop", 0], ["cancel", 0]]),
        json!([["new", 0, null], ["gather", 1, [0]], ["both", 0, "pass"]]),
        json!([
            ["new", 0, null],
            ["co", 1, [["await", 0], ["ret", 1]]],
            ["drop", 0]
        ]),
        json!([["new", 0, ["ok", 1]], ["cancel", 0], ["fire", 0, "ok", 1]]),
        json!([["succeed", 0, 1], ["both", 0, ["defer", 0]]]),
        json!([["put", 0, 1]]),
        json!([["sem_run", 0, 0, "pass"]]),
        json!([["unheard of", 0]]),
    ] {
        assert!(replay(&ops).is_err(), "{ops}");
    }
}
