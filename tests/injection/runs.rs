//! Running scenarios, each under a watchdog.

use crate::listener::listener;
use crate::trial::{Kind, Trial, Verdict};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;
use test_support::counting;
use tokio::runtime::{Builder, Runtime};
use tracing::subscriber::{DefaultGuard, set_default};

/// How long a run may take that takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// A run that ended, or what it found wrong.
type Report = Result<(), String>;

thread_local! {
    static LISTENING: RefCell<Option<DefaultGuard>> = const { RefCell::new(None) };
}

/// Gives this thread its subscriber.
fn listen(spans: bool) {
    let guard = set_default(listener(spans));
    LISTENING.with(|listening| listening.replace(Some(guard)));
}

/// Makes this thread one of the trial's.
pub(crate) fn join(trial: &Trial) {
    trial.joined();
    listen(false);
}

/// Undoes `join`, before what is thread-local goes away.
pub(crate) fn leave() {
    LISTENING.with(|listening| listening.replace(None));
    Trial::left();
}

/// A runtime on this thread whose clock is paused; its other threads are the
/// trial's as well.
pub(crate) fn runtime(trial: &Trial) -> Runtime {
    let joining = trial.clone();
    Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .on_thread_start(move || join(&joining))
        .on_thread_stop(leave)
        .build()
        .unwrap()
}

/// Runs `all` on a thread of its own, which sends a report for each run.
///
/// # Panics
///
/// If a run found something wrong, or hangs.
#[track_caller]
pub(crate) fn watched(
    name: &str,
    spans: bool,
    all: impl FnOnce(&Sender<Report>) + Send + 'static,
) -> usize {
    let (reports, received) = mpsc::channel();
    let runner = thread::Builder::new().name(name.to_owned());
    let runner = runner.spawn(move || {
        listen(spans);
        all(&reports);
        leave();
    });
    let runner = runner.unwrap();
    let mut runs = 0;
    let mut problems = Vec::new();
    loop {
        match received.recv_timeout(PATIENCE) {
            Ok(Ok(())) => runs += 1,
            Ok(Err(problem)) => problems.push(problem),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!(
                "{name}: run {} hangs; before it: {problems:#?}",
                runs + problems.len()
            ),
        }
    }
    runner.join().expect("the runner catches panics");
    assert!(problems.is_empty(), "{name}: {problems:#?}");
    runs
}

/// One run of `scenario` in a trial; `escaped` says whose panic it is that
/// comes out of it.
pub(crate) fn run(trial: Trial, escaped: &str, scenario: impl FnOnce(&Trial)) -> Verdict {
    Trial::set_current(Some(trial.clone()));
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| scenario(&trial))) {
        trial.came_out(payload, Some(escaped));
    }
    Trial::set_current(None);
    trial.finish()
}

/// Runs once; again, if memory is left, as some is kept from the first time on
/// by threads and by the process. What is left a third time is a leak.
pub(crate) fn without_leak(run: impl Fn() -> Verdict) -> Verdict {
    for _ in 0..2 {
        let (left, verdict) = measured(&run);
        if left == 0 || !verdict.problems.is_empty() {
            return verdict;
        }
    }
    let (left, mut verdict) = measured(&run);
    if left != 0 {
        let problem = format!("{left} bytes more than before, each time");
        verdict.problems.push(problem);
    }
    verdict
}

fn measured(run: impl Fn() -> Verdict) -> (i64, Verdict) {
    let before = counting::now().live;
    let mut verdict = run();
    verdict.sites.shrink_to_fit();
    let kept = verdict.sites.len() * size_of::<Kind>();
    (counting::now().live - before - kept as i64, verdict)
}
