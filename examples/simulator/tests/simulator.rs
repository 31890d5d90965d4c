//! Runs the simulator example as a user would.

#![cfg(not(miri))]

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use svg::parser::Event;
use test_support::programs::{Run, program};

const CHAIN: &str = "r good f bad\nf googly p\np r fixed\n\n";

const DRAWING: &str = include_str!("drawing.txt");
const PAGE: &str = include_str!("../../../docs/examples/simulator.md");
const PICTURE: &str = include_str!("../../../docs/examples/simulator.svg");

fn simulator(args: &[&str]) -> Command {
    let mut command = program(env!("CARGO_BIN_EXE_simulator"));
    command.args(args);
    command
}

#[track_caller]
fn succeed(mut command: Command, input: &str) -> String {
    let run = Run::with_input(&mut command, input);
    assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""));
    run.stdout
}

fn steps_of(chain: &str) -> Value {
    let json = succeed(simulator(&["--json"]), chain);
    serde_json::from_str(&json).expect("--json prints JSON")
}

#[test]
fn both_firings_are_drawn_beside_the_chain() {
    assert_eq!(succeed(simulator(&[]), CHAIN), DRAWING);
}

#[test]
fn guide_shows_what_the_program_prints() {
    assert!(PAGE.contains(DRAWING), "the drawing");
    let json = succeed(simulator(&["--json"]), "f googly p\n");
    assert!(PAGE.contains(&json), "the steps");
    let run = Run::with_input(&mut simulator(&["--json"]), "f googly\nf googly p\n");
    assert!(PAGE.contains(&run.stderr), "the report of a wrong line");
}

#[test]
fn narrow_draws_the_three_columns_one_below_the_other() {
    let narrow = succeed(simulator(&["--narrow"]), CHAIN);

    let order = ["Deferred", "d.callback(initial)", "d.errback(initial*)"];
    let titles = order.map(|title| narrow.find(title).expect(title));
    assert!(titles.is_sorted(), "{narrow}");
    let width = narrow.lines().map(|line| line.chars().count()).max();
    assert_eq!(width, Some(36), "two boxes and the gap between them");
    // The same firings as in the wide drawing, cut into columns.
    let columns = [(0, 36), (41, 36), (82, 36)].map(|(from, width)| {
        let rows = DRAWING.lines().map(|line| {
            let column: String = line.chars().skip(from).take(width).collect();
            column.trim_end().to_owned()
        });
        rows.filter(|row| !row.is_empty()).collect::<Vec<_>>()
    });
    let rows = narrow.lines().map(str::trim_end);
    let rows: Vec<_> = rows.filter(|row| !row.is_empty()).collect();
    assert_eq!(rows, columns.concat());
}

#[test]
fn json_lists_what_each_callback_saw() {
    let expected = json!({
        "callback": {
            "steps": [
                { "stage": 0, "side": "callback", "in": "initial", "out": "good" },
                { "stage": 1, "side": "callback", "in": "good", "out": "googly*" },
                { "stage": 2, "side": "errback", "in": "googly*", "out": "fixed" },
            ],
            "result": "fixed",
        },
        "errback": {
            "steps": [
                { "stage": 0, "side": "errback", "in": "initial*", "out": "bad*" },
                { "stage": 1, "side": "errback", "in": "bad*", "out": "bad*" },
                { "stage": 2, "side": "errback", "in": "bad*", "out": "fixed" },
            ],
            "result": "fixed",
        },
    });
    assert_eq!(steps_of(CHAIN), expected);
}

#[test]
fn every_chain_of_two_stages_follows_the_rules() {
    let actions = ["return a", "fail b", "passthru"];
    let pairs: Vec<_> = actions
        .iter()
        .flat_map(|callback| actions.map(|errback| [*callback, errback]))
        .collect();
    for first in &pairs {
        for second in &pairs {
            let chain = format!("{}\n{}\n", first.join(" "), second.join(" "));
            let expected = json!({
                "callback": by_the_rules("initial", [first, second]),
                "errback": by_the_rules("initial*", [first, second]),
            });
            assert_eq!(steps_of(&chain), expected, "{chain}");
        }
    }
}

/// What the textbook says a chain does, worked out on strings.
fn by_the_rules(start: &str, chain: [&[&str; 2]; 2]) -> Value {
    let mut value = start.to_owned();
    let mut steps = Vec::new();
    for (stage, pair) in chain.into_iter().enumerate() {
        let failed = value.ends_with('*');
        let out = match pair[usize::from(failed)].split_once(' ') {
            Some(("fail", error)) => format!("{error}*"),
            Some((_, returned)) => returned.to_owned(),
            None => value.clone(),
        };
        let side = if failed { "errback" } else { "callback" };
        steps.push(json!({ "stage": stage, "side": side, "in": value, "out": out }));
        value = out;
    }
    json!({ "steps": steps, "result": value })
}

#[test]
fn commands_may_be_shortened_and_the_blank_line_may_be_missing() {
    let long = steps_of("return good fail bad\nfail googly passthru\n\nignored");
    for short in [
        "r good f bad\nf googly p\n",
        "  ret good  fai bad \nF googly PASS",
    ] {
        assert_eq!(steps_of(short), long, "{short}");
    }
}

#[test]
fn a_wrong_line_is_reported_and_asked_for_again() {
    let cases = [
        ("x y", "`x` is none of return, fail and passthru"),
        ("r good", "the errback is missing"),
        ("p r", "`return` needs a value"),
        ("f", "`fail` needs a value"),
        ("p p p", "`p` is one thing too many"),
        ("r toolong p", "`toolong` is longer than 6 characters"),
        (
            "r a* p",
            "`a*` has characters other than ASCII letters and digits",
        ),
        ("", "a chain needs at least one pair"),
    ];
    for (line, message) in cases {
        let run = Run::with_input(&mut simulator(&["--json"]), format!("{line}\nr good p\n"));
        assert_eq!(run.status, Some(0), "{line}");
        assert!(run.stderr.contains(message), "{line}: {}", run.stderr);
        assert_eq!(
            serde_json::from_str::<Value>(&run.stdout).expect(line),
            steps_of("r good p"),
        );
    }
}

#[test]
fn bytes_that_are_not_utf8_are_a_wrong_line_like_any_other() {
    let run = Run::with_input(&mut simulator(&["--json"]), b"\xff\xfe p\np p\n");
    assert_eq!(run.status, Some(0), "{}", run.stderr);
    assert!(run.stderr.contains("enter stage 0 again"), "{}", run.stderr);
}

#[test]
fn input_without_a_pair_fails() {
    let run = Run::with_input(&mut simulator(&[]), "");
    assert_eq!(run.status, Some(1));
    assert_eq!(run.stdout, "");
    assert_eq!(
        run.stderr,
        "error: the input has no callback/errback pair\n"
    );
}

#[test]
fn colours_are_there_when_the_terminal_has_them() {
    const GREEN: &str = "\x1b[32m";
    const RED: &str = "\x1b[31m";

    let mut forced = simulator(&[]);
    forced.env("CLICOLOR_FORCE", "1");
    let coloured = succeed(forced, CHAIN);
    assert!(coloured.contains(&format!("{GREEN}return good")));
    assert!(coloured.contains(&format!("{RED}fail bad")));
    // What comes out of a callback that fails is red, in a green box.
    assert!(coloured.contains(&format!("{RED}googly*")));
    assert!(coloured.contains(&format!("{GREEN}fixed")));

    let plain = succeed(simulator(&[]), CHAIN);
    assert!(!plain.contains('\x1b'));
}

#[test]
fn svg_has_a_box_for_each_callback_and_an_arrow_for_each_hop() {
    let folder = tempfile::tempdir().expect("a folder for the picture");
    let path = folder.path().join("chain.svg");
    let file = path.to_str().expect("the folder's name is UTF-8");
    let drawing = succeed(simulator(&["--svg", file]), CHAIN);
    assert_eq!(drawing, DRAWING, "the picture comes beside the drawing");

    let content = fs::read_to_string(&path).expect("the picture was written");
    assert_eq!(content, PICTURE, "the guide has the same picture");
    let picture: Vec<_> = svg::read(&content).expect("the picture is SVG").collect();
    let count = |wanted: &str| {
        let starts = picture.iter().filter(|event| {
            matches!(event, Event::Tag(name, kind, _)
                if *name == wanted && *kind != svg::node::element::tag::Type::End)
        });
        starts.count()
    };
    assert_eq!(count("rect"), 3 * 6 + 1, "and one for the background");
    assert_eq!(count("polyline"), 2 * 4);
    let says = |text: &str| {
        picture
            .iter()
            .any(|event| matches!(event, Event::Text(found) if *found == text))
    };
    for text in ["d.callback(initial)", "fail googly", "googly*", "fixed"] {
        assert!(says(text), "{text} is missing in {content}");
    }
    let errors = picture
        .iter()
        .filter(|event| matches!(event, Event::Error(_)));
    assert_eq!(errors.count(), 0);
}

#[test]
fn a_picture_that_cannot_be_written_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("missing").join("chain.svg");
    let file = path.to_str().expect("the folder's name is UTF-8");
    let run = Run::with_input(&mut simulator(&["--svg", file]), CHAIN);
    assert_eq!(run.status, Some(1));
    assert!(
        run.stderr.starts_with("error: cannot write "),
        "{}",
        run.stderr
    );
}
