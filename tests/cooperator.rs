//! Work in small steps, under a paused clock.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use test_support::clock::{live_tasks, paused, settle};
use tokio::time::Instant;
use tokio_deferred::task::{
    CooperativeTask, Cooperator, NotPaused, TaskFinished, cooperate, defer_later,
};
use tokio_deferred::{Deferred, Failure, NoRuntime, testing};

const SECOND: Duration = Duration::from_secs(1);

/// A task that sends a letter for each step, of which there are `steps`.
fn letters(
    cooperator: &Cooperator,
    tx: &mpsc::Sender<char>,
    letter: char,
    steps: usize,
) -> CooperativeTask {
    let tx = tx.clone();
    cooperator.cooperate((0..steps).map(move |_| tx.send(letter).unwrap()))
}

#[tokio::test(start_paused = true)]
async fn cooperate_in_turn() {
    let (tx, rx) = mpsc::channel();
    let cooperator = Cooperator::new();
    let tasks = [('a', 3), ('b', 1), ('c', 2)].map(|(c, n)| letters(&cooperator, &tx, c, n));
    assert!(rx.try_recv().is_err());
    for task in &tasks {
        task.when_done().await.unwrap();
    }
    assert_eq!(rx.try_iter().collect::<String>(), "abcaca");
    assert_eq!(tasks[0].stop(), Err(TaskFinished::Done));
    assert!(!cooperator.is_running());
    settle().await;
    assert_eq!(live_tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn cooperate_with_other_tasks() {
    // Endless steps leave time for everything else.
    let task = cooperate(std::iter::repeat_with(|| ()));
    tokio::spawn(async {}).await.unwrap();
    task.stop().unwrap();
    settle().await;
    assert_eq!(live_tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn cooperate_waits_for_each_deferred() {
    let start = Instant::now();
    let (tx, rx) = mpsc::channel();
    let steps = (1..=3).map(move |n| {
        tx.send(start.elapsed().as_secs()).unwrap();
        defer_later(n * SECOND, || Ok(()))
    });
    cooperate(steps).when_done().await.unwrap();
    assert_eq!(rx.iter().collect::<Vec<_>>(), [0, 1, 3]);
    assert_eq!(start.elapsed(), 6 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn cooperate_pause_then_resume() {
    let (tx, rx) = mpsc::channel();
    let task = letters(&Cooperator::new(), &tx, 'x', 2);
    task.pause().unwrap();
    task.pause().unwrap();
    settle().await;
    assert!(rx.try_recv().is_err());
    task.resume().unwrap();
    settle().await;
    assert!(rx.try_recv().is_err());
    task.resume().unwrap();
    assert!(matches!(task.resume(), Err(NotPaused { .. })));
    task.when_done().await.unwrap();
    assert_eq!(rx.try_iter().count(), 2);
    assert_eq!(task.pause(), Err(TaskFinished::Done));
}

#[tokio::test(start_paused = true)]
async fn cooperate_pause_while_it_waits() {
    let (tx, rx) = mpsc::channel();
    let (resolver, waits) = Deferred::<()>::new();
    let steps = std::iter::once(waits).chain(std::iter::once_with(move || {
        tx.send(()).unwrap();
        Deferred::succeed(())
    }));
    let task = cooperate(steps);
    settle().await;
    assert!(matches!(task.resume(), Err(NotPaused { .. })));
    task.pause().unwrap();
    resolver.callback(());
    settle().await;
    assert!(rx.try_recv().is_err());
    task.resume().unwrap();
    task.when_done().await.unwrap();
    rx.try_recv().unwrap();
}

#[tokio::test(start_paused = true)]
async fn cooperate_stop_drops_the_iterator_and_fails_those_who_wait() {
    let held = Arc::new(());
    let inside = held.clone();
    let task = cooperate(std::iter::repeat_with(move || drop(inside.clone())));
    let (first, second) = (task.when_done(), task.when_done());
    settle().await;
    task.stop().unwrap();
    for d in [first, second, task.when_done()] {
        let failure = testing::failure_of(d);
        assert_eq!(failure.check(), Some(&TaskFinished::Stopped));
    }
    assert_eq!(task.stop(), Err(TaskFinished::Stopped));
    settle().await;
    assert_eq!(Arc::strong_count(&held), 1);
    assert_eq!(live_tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn cooperate_fail_now_then_later_then_panic() {
    let now = cooperate([Err::<(), _>(Failure::new("at once"))]);
    let later = cooperate([defer_later(SECOND, || Err::<(), _>(Failure::new("later")))]);
    let panics = cooperate(std::iter::once_with(|| -> Result<(), Failure> {
        panic!("oh")
    }));
    let error = now.when_done().await.unwrap_err();
    assert_eq!(error.error().to_string(), "at once");
    let error = later.when_done().await.unwrap_err();
    assert_eq!(error.error().to_string(), "later");
    assert!(panics.when_done().await.unwrap_err().is_panic());
    assert_eq!(now.pause(), Err(TaskFinished::Failed));
}

#[tokio::test(start_paused = true)]
async fn cooperate_fail_that_nobody_asks_for_is_reported() {
    let (began, has_begun) = mpsc::channel();
    let task = cooperate(std::iter::once_with(move || {
        began.send(()).unwrap();
        Err::<(), _>(Failure::new("unseen"))
    }));
    settle().await;
    has_begun.try_recv().unwrap();
    let reports = testing::capture_unhandled(|| drop(task));
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].failure().to_string(), "unseen");
}

/// The texts of what is reported while `f` runs.
fn reported(f: impl FnOnce()) -> Vec<String> {
    let reports = testing::capture_unhandled(f);
    let text = |report: &tokio_deferred::Unhandled| report.failure().to_string();
    reports.iter().map(text).collect()
}

#[tokio::test(start_paused = true)]
async fn stop_then_the_deferred_of_a_step_fails_is_reported() {
    let (resolver, waits) = Deferred::<()>::new();
    let task = cooperate([waits]);
    settle().await;
    task.stop().unwrap();
    assert_eq!(reported(|| resolver.errback("too late")), ["too late"]);

    let (resolver, waits) = Deferred::<()>::new();
    let d = Cooperator::new().coiterate([waits]);
    settle().await;
    d.cancel();
    assert!(testing::failure_of(d).is_cancelled());
    assert_eq!(reported(|| resolver.errback("too late")), ["too late"]);

    let (resolver, waits) = Deferred::<()>::new();
    let cooperator = Cooperator::new();
    let task = cooperator.cooperate([waits]);
    settle().await;
    cooperator.stop();
    task.stop().unwrap();
    assert_eq!(reported(|| resolver.errback("too late")), ["too late"]);
    // What it ended with is no failure of a step.
    assert_eq!(reported(|| drop(task)), [""; 0]);
}

#[test]
fn stop_inside_a_step_that_fails_then_panics_is_reported() {
    type End = fn() -> Result<(), Failure>;
    let ends: [(End, &str); 2] = [
        (|| Err(Failure::new("too late")), "too late"),
        (|| panic!("too late"), "panicked: too late"),
    ];
    for (end, text) in ends {
        let texts = reported(|| {
            paused().block_on(async {
                let slot: Arc<Mutex<Option<CooperativeTask>>> = Arc::default();
                let own = slot.clone();
                let task = cooperate(std::iter::once_with(move || {
                    own.lock().unwrap().take().unwrap().stop().unwrap();
                    end()
                }));
                *slot.lock().unwrap() = Some(task.clone());
                settle().await;
                assert_eq!(task.pause(), Err(TaskFinished::Stopped));
            });
        });
        assert_eq!(texts, [text]);
    }
}

#[tokio::test(start_paused = true)]
async fn cooperate_cancel_of_when_done_leaves_the_task() {
    let (tx, rx) = mpsc::channel();
    let task = letters(&Cooperator::new(), &tx, 'x', 3);
    let d = task.when_done();
    d.cancel();
    assert!(testing::failure_of(d).is_cancelled());
    task.when_done().await.unwrap();
    assert_eq!(rx.try_iter().count(), 3);
}

#[tokio::test(start_paused = true)]
async fn coiterate_then_cancel_stops_the_task() {
    let held = Arc::new(());
    let inside = held.clone();
    let d = Cooperator::new().coiterate(std::iter::repeat_with(move || drop(inside.clone())));
    settle().await;
    d.cancel();
    assert!(testing::failure_of(d).is_cancelled());
    settle().await;
    assert_eq!(Arc::strong_count(&held), 1);
}

#[tokio::test(start_paused = true)]
async fn cooperator_stop_then_start() {
    let (tx, rx) = mpsc::channel();
    let cooperator = Cooperator::new();
    let endless = letters(&cooperator, &tx, 'a', usize::MAX);
    let paused = letters(&cooperator, &tx, 'b', 1);
    paused.pause().unwrap();
    settle().await;
    cooperator.stop();
    let stopped = TaskFinished::SchedulerStopped;
    let failure = testing::failure_of(endless.when_done());
    assert_eq!(failure.check(), Some(&stopped));
    let refused = letters(&cooperator, &tx, 'c', 1);
    assert_eq!(refused.stop(), Err(stopped));
    cooperator.start();
    paused.resume().unwrap();
    paused.when_done().await.unwrap();
    assert!(rx.try_iter().all(|letter| letter != 'c'));
}

#[test]
fn cooperate_without_a_runtime_then_with_one_that_ends() {
    let task = cooperate([()]);
    assert!(testing::failure_of(task.when_done()).is::<NoRuntime>());
    let runtime = paused();
    let (task, waiting) = runtime.block_on(async {
        let task = cooperate(std::iter::repeat_with(|| ()));
        let waiting = cooperate(std::iter::repeat_with(|| defer_later(SECOND, || Ok(()))));
        settle().await;
        (task, waiting)
    });
    drop(runtime);
    assert!(testing::failure_of(task.when_done()).is::<NoRuntime>());
    assert!(testing::failure_of(waiting.when_done()).is::<NoRuntime>());
}
