//! The ratios that the library is held to, each from one process in which the
//! contestants take turns.
//!
//! `cargo bench -p tokio-deferred-benches --bench ratios` prints them as two Markdown tables and takes
//! less than a minute; a word after `--` keeps the rows whose work starts with
//! it. A ratio is the median over the rounds of the ratio within a round, so a
//! machine that gets slower or faster meanwhile changes little.

mod contest;
mod rows;

use contest::Contestant;
use rows::{ROWS, Row, Side};
use std::env;
use std::time::Duration;

/// How long a contestant's turn is to take.
const TURN: Duration = Duration::from_millis(2);
const ROUNDS: usize = 101;
/// Turns of a contestant that takes more than a second for each.
const SLOW_ROUNDS: usize = 3;

struct Measured {
    side: Side,
    units: u64,
    contestant: Contestant,
    repeats: u64,
    /// Nanoseconds a unit, by round.
    times: Vec<f64>,
}

impl Measured {
    fn turn(&mut self) {
        let took = self.contestant.run(self.repeats).as_nanos() as f64;
        self.times.push(took / (self.repeats * self.units) as f64);
    }

    /// Finds the number of repeats that fills a turn.
    fn calibrate(&mut self) {
        while !self.contestant.slow {
            let took = self.contestant.run(self.repeats);
            if took >= TURN {
                return;
            }
            self.repeats *= 2;
        }
    }
}

fn main() {
    // Cargo adds `--bench`.
    let wanted: Vec<_> = env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let is_wanted =
        |work: &str| wanted.is_empty() || wanted.iter().any(|word| work.starts_with(word.as_str()));

    let mut all: Vec<Measured> = Vec::new();
    for group in contest::groups() {
        if !is_wanted(group.name) {
            continue;
        }
        all.extend(group.contestants.into_iter().map(|contestant| Measured {
            side: (group.name, contestant.name),
            units: group.units,
            contestant,
            repeats: 1,
            times: Vec::new(),
        }));
    }
    all.iter_mut().for_each(Measured::calibrate);
    for round in 0..ROUNDS {
        for measured in &mut all {
            if round < SLOW_ROUNDS || !measured.contestant.slow {
                measured.turn();
            }
        }
    }
    print_times(&all);
    print_ratios(&all);
}

fn print_times(all: &[Measured]) {
    const COLUMNS: [&str; 6] = [
        "deferred",
        "bare",
        "safe",
        "oneshot",
        "tokio_oneshot",
        "tokio_task",
    ];
    println!("| ns | {} |", COLUMNS.join(" | "));
    println!("|---|{}", "--:|".repeat(COLUMNS.len()));
    let mut works: Vec<_> = all.iter().map(|measured| measured.side.0).collect();
    works.dedup();
    for work in works {
        let cells = COLUMNS.map(|name| match find(all, (work, name)) {
            Some(measured) => format!("{:.1}", median(measured.times.clone())),
            None => "-".to_owned(),
        });
        println!("| {work} | {} |", cells.join(" | "));
    }
}

fn print_ratios(all: &[Measured]) {
    println!("\n| work | against | ratio | must | aim | |");
    println!("|---|---|--:|--:|--:|---|");
    for row in ROWS {
        let (Some(ours), Some(theirs)) = (find(all, row.ours), find(all, row.theirs)) else {
            continue;
        };
        let pairs = ours.times.iter().zip(&theirs.times);
        let ratio = median(pairs.map(|(ours, theirs)| ours / theirs).collect());
        let against = match row.theirs {
            (work, name) if work == row.ours.0 => name.to_owned(),
            (work, name) => format!("{name} in {work}"),
        };
        println!(
            "| {} | {against} | {ratio:.2} | {} | {} | {} |",
            row.ours.0,
            bound(row.must),
            bound(row.aim),
            verdict(row, ratio),
        );
    }
}

fn find(all: &[Measured], side: Side) -> Option<&Measured> {
    all.iter().find(|measured| measured.side == side)
}

fn bound(bound: Option<f64>) -> String {
    bound.map_or_else(String::new, |bound| format!("{bound:.2}"))
}

fn verdict(row: &Row, ratio: f64) -> &'static str {
    let within = |bound: Option<f64>| bound.is_some_and(|bound| ratio <= bound);
    match (within(row.must), within(row.aim)) {
        (_, true) => "aim reached",
        (true, false) => "reached",
        (false, false) if row.must.is_some() => "**missed**",
        (false, false) => "aim missed",
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
