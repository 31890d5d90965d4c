//! Failures that nobody handled: reported once, at a moment that can be
//! predicted.

use std::sync::{Arc, Mutex};
use tokio_deferred::{Deferred, Failure, debug, testing};

fn reports(f: impl FnOnce()) -> Vec<String> {
    testing::capture_unhandled(f)
        .iter()
        .map(|r| r.failure().to_string())
        .collect()
}

#[test]
fn fail_then_drop_is_reported_at_the_drop() {
    let (resolver, d) = Deferred::<()>::new();
    assert!(reports(|| resolver.errback("out")).is_empty());
    assert_eq!(reports(|| drop(d)), ["out"]);
}

#[test]
fn drop_then_fail_is_reported_at_the_fire() {
    let (resolver, d) = Deferred::<()>::new();
    assert!(reports(|| drop(d)).is_empty());
    assert_eq!(reports(|| resolver.errback("out")), ["out"]);
}

#[test]
fn a_report_says_error_origin_place_and_label() {
    let line = line!() + 2;
    let reports = testing::capture_unhandled(|| {
        let d = Deferred::succeed(1).label("a number");
        drop(d.add_callback(|_| -> Result<(), Failure> { Err("x".parse::<i32>().unwrap_err())? }));
    });
    let report = &reports[0];
    assert!(report.failure().is::<std::num::ParseIntError>());
    assert_eq!(report.made_at().line(), line);
    assert_eq!(report.failure().trace().raised_at().line(), line + 1);
    assert_eq!(report.label(), Some("a number"));
}

#[test]
fn a_label_set_while_pending_is_reported_after_the_fire() {
    let (resolver, d) = Deferred::<()>::new();
    let d = d.label("early");
    resolver.errback("out");
    let d = d.map(|()| 1);
    let reports = testing::capture_unhandled(|| drop(d));
    assert_eq!(reports[0].label(), Some("early"));
}

#[test]
fn handled_awaited_trapped_and_taken_failures_are_not_reported() {
    assert!(reports(|| drop(Deferred::<()>::fail("x").add_errback(|_| Ok(())))).is_empty());
    assert!(
        reports(|| {
            let _ = futures::executor::block_on(Deferred::<()>::fail("x"));
        })
        .is_empty()
    );
    assert!(
        reports(|| {
            let _ = Deferred::<()>::fail("x").try_result();
        })
        .is_empty()
    );
    assert!(
        reports(|| {
            let inner = Deferred::<i32>::fail("x");
            drop(
                Deferred::succeed(())
                    .add_callback(move |()| inner)
                    .add_errback(|_| Ok(1)),
            );
        })
        .is_empty()
    );
}

#[test]
fn log_errors_reports_as_soon_as_it_fails() {
    let (resolver, d) = Deferred::<()>::new();
    d.log_errors();
    assert_eq!(reports(|| resolver.errback("out")), ["out"]);
    assert_eq!(
        reports(|| Deferred::<()>::fail("now").log_errors()),
        ["now"]
    );
    assert!(reports(|| Deferred::succeed(1).log_errors()).is_empty());
}

#[test]
fn inspect_failure_is_no_handler() {
    let d = Deferred::<()>::fail("out").inspect_failure(|_| ());
    assert_eq!(reports(|| drop(d)), ["out"]);
}

#[test]
fn handles_and_pauses_do_not_put_a_report_off() {
    let (resolver, mut d) = Deferred::<()>::new();
    let handle = d.cancel_handle();
    drop(d);
    assert_eq!(reports(|| resolver.errback("out")), ["out"]);
    drop(handle);
}

#[test]
fn a_deferred_chained_or_returned_is_not_reported_where_it_went_through() {
    let (target, d) = Deferred::<()>::new();
    assert!(reports(|| Deferred::<()>::fail("out").chain_deferred(target)).is_empty());
    assert_eq!(reports(|| drop(d)), ["out"]);
    let (resolver, inner) = Deferred::<()>::new();
    let d = Deferred::succeed(()).add_callback(move |()| inner);
    assert!(reports(|| resolver.errback("out")).is_empty());
    assert_eq!(reports(|| drop(d)), ["out"]);
}

/// The hook and `tracing` are the process's or the thread's, so they are tried
/// one after the other here; the captures of the other tests go before both.
#[test]
fn reports_go_to_tracing_and_then_to_the_hook() {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        drop(Deferred::<()>::fail("for tracing").label("lost one"));
    });
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    for part in [
        "ERROR",
        "tokio_deferred::unhandled",
        "for tracing",
        "lost one",
        "made_at",
        "raised_at",
        "unhandled.rs",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }

    let seen = Arc::new(Mutex::new(Vec::new()));
    let there = seen.clone();
    debug::set_unhandled_hook(move |report| {
        let text = report.failure().to_string();
        there.lock().unwrap().push(text.clone());
        if text == "expected panic" {
            panic!("expected panic of the hook");
        }
    });
    drop(Deferred::<()>::fail("expected panic"));
    drop(Deferred::<()>::fail("for the hook"));
    let seen = seen.lock().unwrap();
    assert!(
        seen.contains(&"expected panic".to_owned()) && seen.contains(&"for the hook".to_owned())
    );
}

/// With no subscriber the report is on stderr: seen from outside, as the
/// process's stderr is.
#[test]
#[cfg_attr(miri, ignore = "it starts a program")]
fn reports_go_to_stderr_where_nobody_subscribed() {
    const CHILD: &str = "REPORT_ON_STDERR";
    if std::env::var_os(CHILD).is_some() {
        drop(Deferred::<()>::fail("for stderr").label("the lost one"));
        return;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("unhandled::reports_go_to_stderr_where_nobody_subscribed")
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}");
    for part in ["for stderr", "the lost one", "unhandled.rs", "raised at"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(text.matches("for stderr").count(), 1, "reported once");
}
