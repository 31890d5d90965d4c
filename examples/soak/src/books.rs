//! Whether the books balance, and what they say.

use crate::Args;
use crate::ledger::{
    self, Account, CALLBACKS, FAILURES, FUTURES, ITEMS, LOST_FROM, NUMBERS, PERMITS, TOO_MANY,
    UNEXPECTED, VALUES,
};
use crate::ops::{self, UNHANDLED};
use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio_deferred::{Unhandled, debug};

/// How much the heap may grow: for what is made once, and was not needed while
/// everything warmed up. A leak of one small block in a thousand operations is
/// far more after a few seconds.
const SLACK: i64 = 16 * 1024;

/// How many reports that should not be are shown.
const SHOWN: usize = 3;

/// How many lines are shown of the tree of Deferreds that are left.
const SHOWN_LINES: usize = 10;

/// Takes in a report of a failure that nobody handled.
pub(crate) fn note_report(report: &Unhandled) {
    if report.failure().to_string() == UNHANDLED {
        FAILURES.end(1);
        return;
    }
    let mut unexpected = ledger::lock(&UNEXPECTED);
    if unexpected.len() < SHOWN {
        unexpected.push(format!("{report:?}"));
    }
}

/// Returns what is wrong once everything should have ended.
pub(crate) fn mismatches() -> Vec<String> {
    let mut wrong = Vec::new();
    for (made, lost) in ledger::lock(&LOST_FROM).iter() {
        wrong.push(format!("{lost} callbacks of {made} were dropped unrun"));
    }
    for (what, account) in ACCOUNTS {
        let (begun, ended) = (account.begun(), account.ended());
        if begun != ended {
            wrong.push(format!("{what}: {begun}, but {ended}"));
        }
    }
    let too_many = TOO_MANY.load(Ordering::Relaxed);
    if too_many > 0 {
        wrong.push(format!("{too_many} times a permit was given out twice"));
    }
    for report in ledger::lock(&UNEXPECTED).iter() {
        wrong.push(format!("a failure was reported that was handled: {report}"));
    }
    let pending = debug::pending();
    if !pending.is_empty() {
        let (live, tree) = (pending.len(), pending.to_string());
        let first: Vec<_> = tree.lines().take(SHOWN_LINES).collect();
        let first = first.join("\n");
        wrong.push(format!(
            "{live} of the watched Deferreds are alive: {first}"
        ));
    }
    wrong
}

/// Returns whether values are left, once the world is gone.
pub(crate) fn values_mismatch() -> Option<String> {
    let (made, dropped) = (VALUES.begun(), VALUES.ended());
    (made != dropped).then(|| format!("values made and dropped: {made}, but {dropped}"))
}

pub(crate) fn heap_mismatch(before: i64, after: i64) -> Option<String> {
    let grown = after - before;
    (grown > SLACK).then(|| format!("the heap has grown by {grown} bytes"))
}

const ACCOUNTS: [(&str, &Account); 6] = [
    ("callbacks expected and run", &CALLBACKS),
    ("futures begun and ended", &FUTURES),
    ("permits and locks out and back", &PERMITS),
    ("items put and got", &ITEMS),
    ("sums of the items put and got", &NUMBERS),
    ("failures unhandled and reported", &FAILURES),
];

pub(crate) struct Report<'a> {
    pub(crate) args: &'a Args,
    pub(crate) took: Duration,
    pub(crate) before: i64,
    pub(crate) after: i64,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done: u64 = ops::done().map(|(_, done)| done).sum();
        let Args { seed, threads, .. } = self.args;
        let seconds = self.took.as_secs_f64();
        writeln!(
            f,
            "{done} operations in {seconds:.1} s by {threads} threads, seed {seed}:"
        )?;
        for (name, done) in ops::done() {
            writeln!(f, "  {name:<24}{done:>12}")?;
        }
        for (what, account) in ACCOUNTS {
            writeln!(f, "{what}: {}, {}", account.begun(), account.ended())?;
        }
        let (made, dropped) = (VALUES.begun(), VALUES.ended());
        writeln!(f, "values made and dropped: {made}, {dropped}")?;
        let live = debug::pending().len();
        writeln!(f, "live Deferreds among the watched: {live}")?;
        let (before, after) = (self.before, self.after);
        writeln!(f, "live bytes before and after: {before}, {after}")
    }
}
