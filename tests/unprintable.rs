//! Reports of failures whose errors cannot be printed: where no hook was set,
//! the report itself runs the error's code.

use std::fmt;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};
use tokio_deferred::Deferred;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// An error that panics where it is printed; without a word, as `panic!` would
/// say it on stderr.
struct Unprintable;

impl fmt::Display for Unprintable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        resume_unwind(Box::new("no text"))
    }
}

impl fmt::Debug for Unprintable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Unprintable {}

/// Prints what it hears, as subscribers do.
struct Printer(Arc<Mutex<Vec<String>>>);

#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0 += &format!("{field}={value:?} ");
    }
}

impl<S: Subscriber> Layer<S> for Printer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        let target = event.metadata().target();
        self.0.lock().unwrap().push(format!("{target}: {}", line.0));
    }
}

#[test]
fn to_a_subscriber_then_the_panic_is_said_and_the_next_report_comes() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let printer = tracing_subscriber::registry().with(Printer(lines.clone()));
    tracing::subscriber::with_default(printer, || {
        drop(Deferred::<()>::fail(Unprintable));
        drop(Deferred::<()>::fail("out of paper"));
    });
    let lines = lines.lock().unwrap();
    let [said, reported] = &lines[..] else {
        panic!("expected two lines: {lines:#?}")
    };
    assert!(said.starts_with("tokio_deferred: "), "{said}");
    assert!(said.contains("error=panicked: no text"), "{said}");
    assert!(
        reported.starts_with("tokio_deferred::unhandled: "),
        "{reported}"
    );
    assert!(reported.contains("error=out of paper"), "{reported}");
}

#[test]
fn to_stderr_then_nothing_comes_out_of_the_fire() {
    let (resolver, d) = Deferred::<i32>::new();
    drop(d.map(|n| n + 1));
    let (next, other) = Deferred::new();
    let other = other.map(|()| resolver.errback(Unprintable));
    next.callback(());
    assert!(other.try_result().expect("it has fired").is_ok());
}
