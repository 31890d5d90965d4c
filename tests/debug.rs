//! Records of what Deferreds do. Debugging is the process's, so these tests
//! have a process of their own, and look for their own labels.

use std::sync::mpsc;
use tokio_deferred::debug::{self, PendingDeferred, Side, WaitsFor};
use tokio_deferred::{Deferred, DeferredLock, DeferredQueue, DeferredSemaphore, Failure, testing};

fn find(label: &str) -> Option<PendingDeferred> {
    debug::pending()
        .iter()
        .find(|entry| entry.label() == Some(label))
        .cloned()
}

fn double(n: i32) -> i32 {
    n * 2
}

#[test]
fn pending_says_where_it_was_made_its_stages_and_what_fires_it() {
    debug::set_debugging(true);
    let line = line!() + 1;
    let (resolver, d) = Deferred::<i32>::new();
    let d = d.label("a number").map(double);
    let entry = find("a number").expect("it is listed");
    assert_eq!(
        (entry.made_at().file(), entry.made_at().line()),
        (file!(), line)
    );
    assert_eq!(entry.waits_for(), WaitsFor::Source("a resolver"));
    assert_eq!(entry.stages().len(), 1);
    assert!(entry.stages()[0].name().ends_with("debug::double"));
    assert_eq!(entry.stages()[0].at().line(), line + 1);
    resolver.callback(1);
    assert!(find("a number").is_none(), "it has its result");
    assert_eq!(testing::success_of(d), 2);
}

#[test]
fn pending_says_who_waits_on_whom_as_a_tree() {
    debug::set_debugging(true);
    let (inner, returned) = Deferred::<i32>::new();
    let returned = returned.label("the inner");
    let (outer, d) = Deferred::<i32>::new();
    let d = d.label("the outer").add_callback(move |_| returned);
    outer.callback(0);
    let (outer_entry, inner_entry) = (find("the outer").unwrap(), find("the inner").unwrap());
    assert_eq!(
        outer_entry.waits_for(),
        WaitsFor::Deferred(inner_entry.id())
    );
    let text = debug::pending().to_string();
    let at = |what: &str| {
        text.find(what)
            .unwrap_or_else(|| panic!("{what} in {text}"))
    };
    assert!(at("(the outer)") < at("(the inner)"));
    inner.callback(1);
    assert_eq!(testing::success_of(d), 1);
    assert!(find("the outer").is_none());
}

#[test]
fn a_failure_that_was_fired_at_once_and_then_waits_is_seen_under_its_label() {
    debug::set_debugging(true);
    let (resolver, returned) = Deferred::<i32>::new();
    let returned = returned.label("what comes instead");
    let d = Deferred::<i32>::maybe(|| Err(Failure::new("out of paper")))
        .label("a failed start")
        .add_errback(move |_| returned);
    let (outer, inner) = (find("a failed start"), find("what comes instead"));
    assert_eq!(
        outer.expect("it is listed").waits_for(),
        WaitsFor::Deferred(inner.expect("it is listed").id())
    );
    assert!(debug::diagram(&d).is_some());
    resolver.callback(1);
    assert_eq!(testing::success_of(d), 1);
}

/// A failure keeps the record of each chain that it came through.
#[test]
fn one_that_let_go_of_its_wait_is_not_pending_though_a_failure_of_it_is_kept() {
    debug::set_debugging(true);
    let (inner, returned) = Deferred::<i32>::new();
    let (sender, kept) = mpsc::channel();
    let (start, middle) = Deferred::<i32>::new();
    let middle = middle
        .label("a middle")
        .add_callback(|_| Err::<i32, _>(Failure::new("odd")))
        .add_errback(move |failure| {
            sender.send(failure).expect("somebody keeps it");
            returned
        });
    let (outer, d) = Deferred::<i32>::new();
    let d = d.add_callback(move |_| middle);
    outer.callback(0);
    assert!(find("a middle").is_some());
    start.callback(0);
    let failure = kept.recv().expect("it was sent");
    assert_eq!(failure.to_string(), "odd");
    assert!(find("a middle").is_none(), "{}", debug::pending());
    inner.callback(1);
    assert_eq!(testing::success_of(d), 1);
}

#[test]
fn a_pause_is_seen_as_stages_to_run() {
    debug::set_debugging(true);
    let mut d = Deferred::succeed(1).label("held up");
    let pause = d.pause();
    let d = d.map(double);
    assert_eq!(find("held up").unwrap().waits_for(), WaitsFor::Stages);
    drop(pause);
    assert!(find("held up").is_none());
    assert_eq!(testing::success_of(d), 2);
}

#[tokio::test]
async fn a_coroutine_is_named_as_what_fires_it() {
    debug::set_debugging(true);
    let (resolver, awaited) = Deferred::<i32>::new();
    let d = Deferred::from_coroutine(awaited).label("a coroutine's");
    assert_eq!(
        find("a coroutine's").unwrap().waits_for(),
        WaitsFor::Source("a coroutine")
    );
    resolver.callback(3);
    assert_eq!(d.await.unwrap(), 3);
}

#[test]
fn a_deferred_that_is_gone_is_listed_no_more() {
    debug::set_debugging(true);
    let (resolver, d) = Deferred::<i32>::new();
    let d = d.label("gone");
    drop((resolver, d.add_errback(|_| Ok(0))));
    assert!(find("gone").is_none());
}

#[test]
fn the_diagram_shows_where_a_failure_was_raised_and_caught() {
    debug::set_debugging(true);
    for pending in [false, true] {
        let (resolver, d) = Deferred::<&str>::new();
        let d = if pending {
            d
        } else {
            Deferred::succeed("seven")
        };
        let d = d
            .add_callback(|s| Ok(s.parse::<i32>()?))
            .map(double)
            .add_errback(|_| Ok(7))
            .map(double);
        if pending {
            let steps = debug::diagram(&d).unwrap();
            assert!(steps.steps().iter().all(|step| step.came().is_none()));
        }
        resolver.callback("seven");
        let diagram = debug::diagram(&d).unwrap();
        let steps = diagram.steps();
        let seen: Vec<_> = steps
            .iter()
            .map(|s| (s.came(), s.went(), s.ran()))
            .collect();
        let (green, red) = (Some(Side::Callback), Some(Side::Errback));
        assert_eq!(
            seen,
            [
                (green, red, true),
                (red, red, false),
                (red, green, true),
                (green, green, true)
            ]
        );
        assert!(steps[0].raised() && steps[2].caught());
        let text = diagram.to_string();
        assert!(
            text.contains("raised a failure") && text.contains("caught the failure"),
            "{text}"
        );
        assert_eq!(testing::success_of(d), 14);
    }
}

#[test]
fn the_diagram_follows_a_returned_deferred() {
    debug::set_debugging(true);
    let (inner, returned) = Deferred::<i32>::new();
    let d = Deferred::succeed(1)
        .add_callback(move |_| returned)
        .add_errback(|_| Ok(3));
    let before = debug::diagram(&d).unwrap();
    assert_eq!(
        (before.steps()[0].came(), before.steps()[0].went()),
        (Some(Side::Callback), None)
    );
    inner.errback("out");
    let after = debug::diagram(&d).unwrap();
    assert_eq!(after.steps()[0].went(), Some(Side::Errback));
    assert!(after.steps()[1].caught());
    assert_eq!(testing::success_of(d), 3);
}

/// Text without the names of closures and the line numbers.
fn shape(text: &str) -> Vec<String> {
    let words = |line: &str| {
        line.split(file!())
            .next()
            .unwrap_or(line)
            .trim_end()
            .to_owned()
    };
    text.lines().map(words).collect()
}

#[test]
fn the_diagram_is_drawn_in_two_lanes() {
    debug::set_debugging(true);
    let (inner, returned) = Deferred::<i32>::new();
    let d = Deferred::succeed("seven")
        .label("a port")
        .add_callback(|s| Ok(s.parse::<i32>()?))
        .map(double)
        .add_errback(|_| Err(Failure::new("still no number")))
        .add_errback(|_| Ok(7))
        .map(double)
        .add_callback(move |_| returned)
        .map(double);
    let drawn = [
        "Deferred (a port) made at",
        "  value failure",
        "    ●──────╮   raised a failure",
        "    ·      │   passed by",
        "    ·      ●   failed again",
        "    ╭──────●   caught the failure",
        "    ●      ·   ran",
        "    ●      ·   returned a Deferred",
        "    ·      ·   has not run",
    ];
    let waiting = debug::diagram(&d).expect("it is watched");
    assert_eq!(shape(&waiting.to_string()), drawn);
    assert_eq!(waiting.label(), Some("a port"));

    inner.errback("out of paper");
    let fired = debug::diagram(&d).expect("it is watched");
    let mut rows = shape(&fired.to_string());
    assert_eq!(rows.pop().as_deref(), Some("    ·      ▼   a failure"));
    assert_eq!(rows.pop().as_deref(), Some("    ·      │   passed by"));
    assert_eq!(
        rows.pop().as_deref(),
        Some("    ●──────╮   raised a failure")
    );
    let coloured = format!("{fired:#}");
    assert!(coloured.contains("\x1b[32m●\x1b[0m\x1b[31m──────╮\x1b[0m"));
    assert_eq!(testing::failure_of(d).to_string(), "out of paper");
}

#[tokio::test]
async fn the_debug_of_a_failure_has_the_diagrams_of_its_chains() {
    debug::set_debugging(true);
    let (resolver, inner) = Deferred::<&str>::new();
    let inner = inner
        .label("raises")
        .add_callback(|s| Ok(s.parse::<i32>()?));
    let outer = Deferred::from_coroutine(inner).label("passes").map(double);
    resolver.callback("seven");
    let error = outer.await.expect_err("seven is no digit");
    let text = format!("{error:?}");
    let at = |what: &str| {
        text.find(what)
            .unwrap_or_else(|| panic!("{what} in {text}"))
    };
    let order = [
        "invalid digit found",
        "raised at",
        "Deferred (raises) made at",
        "raised a failure",
        "Deferred (passes) made at",
        "passed by",
    ];
    assert!(order.map(at).is_sorted(), "{text}");
    assert!(find("raises").is_none() && find("passes").is_none());
}

#[test]
fn a_failure_keeps_the_first_and_the_last_of_its_chains() {
    debug::set_debugging(true);
    let labels = ["1st", "2nd", "3rd", "4th", "5th", "6th"];
    let d = labels
        .into_iter()
        .fold(Deferred::<()>::fail("out of paper"), |inner, label| {
            Deferred::succeed(())
                .label(label)
                .add_callback(move |()| inner)
                .map(|()| ())
        });
    let text = format!("{:?}", testing::failure_of(d));
    let kept = labels.map(|label| text.contains(&format!("Deferred ({label})")));
    assert_eq!(kept, [true, false, false, true, true, true], "{text}");
}

#[test]
fn a_failure_that_outlives_its_chain_is_not_pending() {
    debug::set_debugging(true);
    let (resolver, d) = Deferred::<i32>::new();
    let d = d.label("outlived").add_errback(Err::<i32, Failure>);
    resolver.errback("out of paper");
    let failure = testing::failure_of(d);
    assert!(format!("{failure:?}").contains("Deferred (outlived)"));
    assert!(find("outlived").is_none());
}

/// What the panic of a failed assertion says.
fn message(assertion: impl FnOnce()) -> String {
    let panic = Deferred::<()>::maybe(assertion);
    testing::failure_of(panic).to_string()
}

#[test]
fn a_failed_test_shows_the_diagram() {
    debug::set_debugging(true);
    let failed = Deferred::succeed("seven").add_callback(|s| Ok(s.parse::<i32>()?));
    let text = message(|| _ = testing::success_of(failed));
    assert!(text.contains("●──────╮   raised a failure"), "{text}");

    let caught = Deferred::<i32>::fail("out of paper").add_errback(|_| Ok(0));
    let text = message(|| drop(testing::failure_of(caught)));
    assert!(text.contains("╭──────●   caught the failure"), "{text}");

    let (resolver, pending) = Deferred::<i32>::new();
    let pending = pending.map(double);
    let text = message(|| _ = testing::success_of(pending));
    assert!(text.contains("·      ·   has not run"), "{text}");
    resolver.callback(1);

    let ran = Deferred::succeed(1).map(double);
    let text = message(move || testing::assert_no_result(&ran));
    assert!(text.contains("●      ·   ran"), "{text}");
}

#[tokio::test]
async fn what_waits_for_a_limit_says_which() {
    debug::set_debugging(true);
    let (semaphore, lock) = (DeferredSemaphore::new(1), DeferredLock::new());
    let permit = testing::success_of(semaphore.acquire());
    let guard = testing::success_of(lock.acquire());
    let queue = DeferredQueue::<i32>::new();

    let run = semaphore.run(|| Ok(1)).label("wants a permit");
    let locked = lock.run(|| Ok(2)).label("wants the lock");
    let item = queue.get().label("wants an item");
    // The Deferred of `run` is the one that waits, or waits on the one that does.
    let source = |label: &str| {
        let mut entry = find(label).expect("it is listed");
        while let WaitsFor::Deferred(id) = entry.waits_for() {
            let next = debug::pending()
                .iter()
                .find(|entry| entry.id() == id)
                .cloned();
            entry = next.expect("it waits on a Deferred that is listed");
        }
        entry.waits_for()
    };
    assert_eq!(source("wants a permit"), WaitsFor::Source("a semaphore"));
    assert_eq!(source("wants the lock"), WaitsFor::Source("a lock"));
    assert_eq!(source("wants an item"), WaitsFor::Source("a queue"));

    drop((permit, guard));
    queue.put(3).expect("it has no limit");
    assert_eq!(
        run.await.unwrap() + locked.await.unwrap() + item.await.unwrap(),
        6
    );
}

/// The ring keeps itself for ever: nothing can end it, and so the test leaves it.
#[test]
fn deferreds_that_wait_for_each_other_are_printed() {
    debug::set_debugging(true);
    let (first, a) = Deferred::<i32>::new();
    let (second, b) = Deferred::<i32>::new();
    let (a, b) = (a.label("ring a"), b.label("ring b"));
    let (to_a, into_a) = mpsc::channel::<Deferred<i32>>();
    let (to_b, into_b) = mpsc::channel::<Deferred<i32>>();
    let a = a
        .add_callback(move |_| into_a.recv().expect("sent before"))
        .map(|n| n + 1);
    let b = b
        .add_callback(move |_| into_b.recv().expect("sent before"))
        .map(|n| n + 1);
    to_a.send(b).unwrap();
    to_b.send(a).unwrap();
    first.callback(1);
    second.callback(1);
    let text = debug::pending().to_string();
    assert!(text.contains("these wait for each other"), "{text}");
    assert!(
        text.contains("(ring a)") && text.contains("(ring b)"),
        "{text}"
    );
}

#[test]
fn stage_that_runs_is_named_with_its_thread() {
    debug::set_debugging(true);
    let (inside, is_inside) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let (resolver, d) = Deferred::new();
    let d = d.label("slow one").map(move |()| {
        inside.send(()).unwrap();
        may_go_on.recv().unwrap();
    });
    let driver = std::thread::Builder::new().name("driver".to_owned());
    let driver = driver.spawn(move || resolver.callback(())).unwrap();
    is_inside.recv().unwrap();
    let report = debug::pending();
    let entry = report
        .iter()
        .find(|e| e.label() == Some("slow one"))
        .unwrap();
    let running = entry.running().expect("it runs");
    assert_eq!(running.thread(), "driver");
    assert_eq!(running.stage().at().file(), file!());
    assert!(
        report.to_string().contains("now running on thread driver"),
        "{report}"
    );
    go_on.send(()).unwrap();
    driver.join().unwrap();
    testing::success_of(d);
}

#[test]
fn slow_stage_is_reported_once_it_is_over() {
    use std::io::Write;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    debug::set_debugging(true);
    debug::set_slow_stage(Some(Duration::ZERO));
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let (resolver, d) = Deferred::new();
        let d = d.map(double);
        resolver.callback(1);
        testing::success_of(d);
    });
    debug::set_slow_stage(None);
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(
        text.contains("a stage held up the thread that ran it"),
        "{text}"
    );
    assert!(text.contains("debug::double"), "{text}");
}
