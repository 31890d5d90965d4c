//! Runs all stages of the migrate example as a user would. The steps between the
//! stages have a package of their own, `tests/migration`.

#![cfg(not(miri))]

use test_support::programs::{Run, example, scripted};

const PAGE: &str = include_str!("../docs/examples/migrate.md");
const STAGES: [&str; 4] = ["nested", "chain", "mixed", "async"];

fn migrate(stage: &str, args: &[&str]) -> Run {
    let mut command = example("migrate");
    Run::with_input(command.args(["--stage", stage]).args(args), "")
}

/// Runs all stages, checks that nobody can tell them apart, and returns what
/// they all did.
#[track_caller]
fn in_all_stages(args: &[&str]) -> Run {
    let [first, others @ ..] = STAGES.map(|stage| migrate(stage, args));
    for (other, stage) in others.iter().zip(&STAGES[1..]) {
        assert_eq!(*other, first, "{stage} differs from {}", STAGES[0]);
    }
    first
}

#[track_caller]
fn assert_bought(run: &Run, said: &[&str], receipt: &str) {
    let mut lines: Vec<_> = run.stdout.lines().collect();
    assert_eq!(lines.pop(), Some(receipt), "{run:?}");
    assert_eq!(lines, said);
    assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""));
}

#[track_caller]
fn assert_not_bought(run: &Run, said: &[&str], reason: &str) {
    assert_eq!(run.stdout.lines().collect::<Vec<_>>(), said);
    assert_eq!(run.stderr, format!("migrate: nothing bought: {reason}\n"));
    assert_eq!(run.status, Some(1));
}

#[test]
fn buy_what_is_there() {
    assert_bought(
        &in_all_stages(&["teapot"]),
        &[
            "> LOGIN ann",
            "< TOKEN t1",
            "> PRICE t1 teapot",
            "< CENTS 1250",
            "> HOLD t1 teapot",
            "< HELD h1",
            "> PAY t1 h1 1250",
            "< RECEIPT r1",
            "> LOGOUT t1",
            "< BYE",
        ],
        "paid 12.50, receipt r1",
    );
}

#[test]
fn what_is_not_sold_is_looked_for_in_the_outlet() {
    assert_bought(
        &in_all_stages(&["mug"]),
        &[
            "> LOGIN ann",
            "< TOKEN t1",
            "> PRICE t1 mug",
            "< UNKNOWN mug",
            "> OUTLET t1 mug",
            "< CENTS 395",
            "> HOLD t1 mug",
            "< HELD h1",
            "> PAY t1 h1 395",
            "< RECEIPT r1",
            "> LOGOUT t1",
            "< BYE",
        ],
        "paid 3.95, receipt r1",
    );
}

#[test]
fn what_nobody_sells_ends_with_a_logout() {
    assert_not_bought(
        &in_all_stages(&["chair"]),
        &[
            "> LOGIN ann",
            "< TOKEN t1",
            "> PRICE t1 chair",
            "< UNKNOWN chair",
            "> OUTLET t1 chair",
            "< UNKNOWN chair",
            "> LOGOUT t1",
            "< BYE",
        ],
        "chair is not sold here",
    );
}

#[test]
fn what_is_sold_out_ends_with_a_logout() {
    assert_not_bought(
        &in_all_stages(&["lamp"]),
        &[
            "> LOGIN ann",
            "< TOKEN t1",
            "> PRICE t1 lamp",
            "< CENTS 4000",
            "> HOLD t1 lamp",
            "< REFUSED the lamps are sold out",
            "> LOGOUT t1",
            "< BYE",
        ],
        "the lamps are sold out",
    );
}

#[test]
fn what_cannot_be_paid_is_released_before_the_logout() {
    assert_not_bought(
        &in_all_stages(&["--user", "bob", "teapot"]),
        &[
            "> LOGIN bob",
            "< TOKEN t1",
            "> PRICE t1 teapot",
            "< CENTS 1250",
            "> HOLD t1 teapot",
            "< HELD h1",
            "> PAY t1 h1 1250",
            "< REFUSED no money on the card",
            "> RELEASE t1 h1",
            "< RELEASED h1",
            "> LOGOUT t1",
            "< BYE",
        ],
        "no money on the card",
    );
}

#[test]
fn who_may_not_log_in_need_not_log_out() {
    assert_not_bought(
        &in_all_stages(&["--user", "mallory", "teapot"]),
        &["> LOGIN mallory", "< REFUSED no such user"],
        "no such user",
    );
}

/// Runs one stage against a shop that has these answers and then hangs up.
/// Returns what the shop was asked, too.
fn with_answers(stage: &str, answers: &'static [&'static str]) -> (Run, Vec<String>) {
    let mut left = answers.iter();
    let (address, shop) = scripted(move |_| left.next().map(|answer| answer.to_string()));
    let run = migrate(stage, &["--shop", &address, "teapot"]);
    (run, shop.join().expect("the shop closes with its customer"))
}

#[test]
fn shop_hangs_up_after_any_answer() {
    const ANSWERS: [&str; 4] = ["TOKEN t7", "CENTS 5", "HELD h7", "RECEIPT r7"];
    for given in 0..4 {
        let runs = STAGES.map(|stage| {
            let (run, asked) = with_answers(stage, &ANSWERS[..given]);
            assert_eq!(asked.len(), given + 1, "{stage}");
            run
        });
        for run in &runs {
            assert_eq!(*run, runs[0], "after {given} answers");
            let reason = "migrate: nothing bought: the line is dead: the shop hung up\n";
            assert_eq!((run.status, run.stderr.as_str()), (Some(1), reason));
        }
    }
}

#[test]
fn shop_hangs_up_at_the_logout() {
    const ANSWERS: [&str; 4] = ["TOKEN t7", "CENTS 5", "HELD h7", "RECEIPT r7"];
    for stage in STAGES {
        let (run, asked) = with_answers(stage, &ANSWERS);
        assert_eq!(asked.last().map(String::as_str), Some("LOGOUT t7"));
        assert!(run.stdout.ends_with("paid 0.05, receipt r7\n"), "{run:?}");
        assert_eq!(run.status, Some(0), "what was bought is bought");
    }
}

#[test]
fn answer_that_makes_no_sense_is_an_error() {
    for stage in STAGES {
        let (run, asked) = with_answers(stage, &["TOKEN t7", "CENTS many", "BYE"]);
        let reason = "migrate: nothing bought: `CENTS many` is no answer\n";
        assert_eq!((run.status, run.stderr.as_str()), (Some(1), reason));
        assert_eq!(asked, ["LOGIN ann", "PRICE t7 teapot", "LOGOUT t7"]);
    }
}

#[test]
fn guide_shows_what_the_program_prints() {
    for args in [&["mug"][..], &["--user", "bob", "teapot"]] {
        let run = in_all_stages(args);
        assert!(PAGE.contains(&(run.stdout + &run.stderr)), "{args:?}");
    }
}
