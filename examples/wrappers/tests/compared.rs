//! Runs every wrapper through the same events, and holds the tables of
//! `docs/guide/compared_wrappers.md` to what it finds.

use futures::FutureExt;
use std::error::Error as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use test_support::counting::{Counting, count};
use tokio_deferred::{Deferred, DeferredError, testing};
use wrappers::device::Answer;
use wrappers::{Error, Refused};
use wrappers::{by_id, c_status, closure, main_loop, stop_handle, twice_or_never, two_callbacks};

#[global_allocator]
static COUNTING: Counting = Counting;

/// The error of a wrapper, in a word of the table.
trait Word {
    fn word(self) -> String;
}

impl Word for DeferredError {
    fn word(self) -> String {
        match self {
            _ if self.is_cancelled() => "cancelled".to_owned(),
            _ if self.is_timed_out() => "timed out".to_owned(),
            _ if self.is_resolver_dropped() => "lost".to_owned(),
            _ if self.is_panic() => "panic".to_owned(),
            _ => match self.downcast::<Refused>() {
                Ok(Refused(code)) => format!("error {code}"),
                // The error of `close`, which is a text.
                Err(other) => other.source().unwrap().to_string(),
            },
        }
    }
}

impl Word for Error {
    fn word(self) -> String {
        match self {
            Error::Refused(Refused(code)) => format!("error {code}"),
            Error::Lost(_) => "lost".to_owned(),
            Error::TimedOut(_) => "timed out".to_owned(),
        }
    }
}

/// What became of one wrapper in each event.
#[derive(Debug, PartialEq)]
struct Seen {
    value: String,
    error: String,
    drop: &'static str,
    cancel: String,
    timeout: &'static str,
    lost: String,
    twice: String,
    panic: &'static str,
    shutdown: &'static str,
    allocations: u64,
}

/// One wrapper.
struct Wrapper<A, F> {
    call: fn(&A) -> F,
    /// Cancels a call that somebody else awaits; false if there is no way.
    cancel: fn(&F) -> bool,
}

impl<A, F, E> Wrapper<A, F>
where
    A: Answer + Default + Clone + Send + 'static,
    F: Future<Output = Result<u32, E>> + Send + 'static,
    E: Word + Send + 'static,
{
    /// A call that has been started, and waits.
    fn start(&self) -> (A, Pin<Box<F>>) {
        let api = A::default();
        let mut call = Box::pin((self.call)(&api));
        assert!((&mut call).now_or_never().is_none());
        (api, call)
    }

    /// What the call has come to, without waiting.
    fn result(call: Pin<Box<F>>) -> String {
        match call.now_or_never() {
            Some(Ok(value)) => value.to_string(),
            Some(Err(error)) => error.word(),
            None => "waits".to_owned(),
        }
    }

    /// Whether the operation was stopped. A late answer must do nothing.
    fn afterwards(api: &A) -> &'static str {
        let stopped = api.stops();
        api.answer(Ok(9));
        match stopped {
            Some(0) | None => "goes on",
            Some(_) => "stops",
        }
    }

    async fn see(&self) -> Seen {
        Seen {
            value: self.answered(Ok(7)),
            error: self.answered(Err(Refused(3))),
            drop: self.dropped(),
            cancel: self.cancelled(),
            timeout: self.timed_out().await,
            lost: self.lost(),
            twice: self.answered_twice(),
            panic: self.consumer_panics().await,
            shutdown: self.shut_down(),
            allocations: self.allocations(),
        }
    }

    fn answered(&self, result: Result<u32, Refused>) -> String {
        let (api, call) = self.start();
        api.answer(result);
        Self::result(call)
    }

    fn dropped(&self) -> &'static str {
        let (api, call) = self.start();
        drop(call);
        Self::afterwards(&api)
    }

    fn cancelled(&self) -> String {
        let (api, call) = self.start();
        if !(self.cancel)(&call) {
            return "-".to_owned();
        }
        let result = Self::result(call);
        format!("{result}, {}", Self::afterwards(&api))
    }

    async fn timed_out(&self) -> &'static str {
        let (api, call) = self.start();
        let late = tokio::time::timeout(Duration::from_secs(1), call).await;
        assert!(late.is_err());
        Self::afterwards(&api)
    }

    fn lost(&self) -> String {
        let (api, call) = self.start();
        if !api.lose() {
            return "-".to_owned();
        }
        Self::result(call)
    }

    fn answered_twice(&self) -> String {
        let (api, call) = self.start();
        if !api.answer_twice() {
            return "-".to_owned();
        }
        Self::result(call)
    }

    async fn consumer_panics(&self) -> &'static str {
        let (api, call) = self.start();
        let consumer = tokio::spawn(async move {
            let _ = call.await;
            resume_unwind(Box::new("of the consumer")); // prints nothing
        });
        tokio::task::yield_now().await;
        let called = catch_unwind(AssertUnwindSafe(|| api.answer(Ok(7))));
        assert!(consumer.await.unwrap_err().is_panic());
        match called {
            Ok(()) => "of the task",
            Err(_) => "of the API",
        }
    }

    fn shut_down(&self) -> &'static str {
        let (api, call) = self.start();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let task = runtime.spawn(call);
            runtime.shutdown_timeout(Duration::from_secs(60));
            assert!(task.now_or_never().unwrap().err().unwrap().is_cancelled());
            Self::afterwards(&api)
        })
        .join()
        .unwrap()
    }

    /// Those of the API itself are in the number.
    fn allocations(&self) -> u64 {
        let api = A::default();
        let measure = || {
            let (count, ()) = count(|| {
                let mut call = std::pin::pin!((self.call)(&api));
                assert!((&mut call).now_or_never().is_none());
                api.answer(Ok(7));
                assert!(call.now_or_never().is_some());
            });
            count.allocations
        };
        measure(); // fills what is allocated once
        measure()
    }
}

/// Both wrappers of an API, in all events.
struct Row {
    api: &'static str,
    source: &'static str,
    deferred: Seen,
    oneshot: Seen,
}

async fn rows() -> Vec<Row> {
    macro_rules! row {
        ($api:literal, $module:ident :: $function:ident, $cancel:expr) => {
            Row {
                api: $api,
                source: include_str!(concat!("../src/", stringify!($module), ".rs")),
                deferred: Wrapper {
                    call: $module::deferred::$function,
                    cancel: $cancel,
                }
                .see()
                .await,
                oneshot: Wrapper {
                    call: |api: &_| $module::oneshot::$function(Clone::clone(api)),
                    cancel: |_| false,
                }
                .see()
                .await,
            }
        };
    }
    let by_id = Row {
        api: "replies by id",
        source: include_str!("../src/by_id.rs"),
        deferred: Wrapper {
            call: |client: &Arc<by_id::deferred::Client>| client.ask(),
            cancel: Deferred::cancel,
        }
        .see()
        .await,
        oneshot: Wrapper {
            call: |client: &Arc<by_id::oneshot::Client>| client.clone().ask(),
            cancel: |_| false,
        }
        .see()
        .await,
    };
    vec![
        row!("a closure for a `Result`", closure::read, Deferred::cancel),
        row!("a `void *`, and a status", c_status::read, Deferred::cancel),
        row!(
            "calls back twice, or never",
            twice_or_never::message,
            Deferred::cancel
        ),
        row!(
            "the start returns the handle that stops",
            stop_handle::scan,
            |scan| scan.get_ref().cancel()
        ),
        row!("two callbacks", two_callbacks::load, Deferred::cancel),
        by_id,
        row!("a main loop that posts", main_loop::ask, Deferred::cancel),
    ]
}

/// The lines of a `mod` with something in them that is not a comment.
fn lines(source: &str, module: &str) -> usize {
    let head = format!("pub mod {module} {{");
    source
        .lines()
        .skip_while(|line| *line != head)
        .skip(1)
        .take_while(|line| *line != "}")
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("//"))
        .count()
}

#[tokio::test(start_paused = true)]
async fn the_tables_of_the_guide_say_what_happens() {
    let mut tables = String::from(
        "| the API | lines | allocations | dropped | cancelled from elsewhere | timed out | runtime shut down |\n\
         |---|---|---|---|---|---|---|\n",
    );
    let rows = rows().await;
    for Row {
        api,
        source,
        deferred: d,
        oneshot: o,
    } in &rows
    {
        let pairs = [
            (
                lines(source, "deferred").to_string(),
                lines(source, "oneshot").to_string(),
            ),
            (d.allocations.to_string(), o.allocations.to_string()),
            (d.drop.to_owned(), o.drop.to_owned()),
            (d.cancel.clone(), o.cancel.clone()),
            (d.timeout.to_owned(), o.timeout.to_owned()),
            (d.shutdown.to_owned(), o.shutdown.to_owned()),
        ];
        add_row(&mut tables, api, &pairs);
    }
    tables.push_str(
        "\n| the API | value | error | callback lost | called twice | consumer panics |\n\
         |---|---|---|---|---|---|\n",
    );
    for Row {
        api,
        deferred: d,
        oneshot: o,
        ..
    } in &rows
    {
        let pairs = [
            (d.value.clone(), o.value.clone()),
            (d.error.clone(), o.error.clone()),
            (d.lost.clone(), o.lost.clone()),
            (d.twice.clone(), o.twice.clone()),
            (d.panic.to_owned(), o.panic.to_owned()),
        ];
        add_row(&mut tables, api, &pairs);
    }
    let page = include_str!("../../../docs/guide/compared_wrappers.md");
    assert!(page.contains(&tables), "the page should have:\n{tables}");
}

/// Adds a row whose cells have both wrappers, or one word where they agree.
fn add_row(table: &mut String, api: &str, pairs: &[(String, String)]) {
    table.push_str(&format!("| {api} |"));
    for (deferred, oneshot) in pairs {
        if deferred == oneshot {
            table.push_str(&format!(" {deferred} |"));
        } else {
            table.push_str(&format!(" {deferred} / {oneshot} |"));
        }
    }
    table.push('\n');
}

#[tokio::test(start_paused = true)]
async fn no_wrapper_with_deferreds_is_longer() {
    for Row { api, source, .. } in rows().await {
        assert!(
            lines(source, "deferred") < lines(source, "oneshot"),
            "{api}"
        );
    }
}

#[tokio::test]
async fn callback_lost_then_the_error_of_the_deferred_names_the_wrapper() {
    let sensor = closure::api::Sensor::default();
    let read = closure::deferred::read(&sensor);
    assert!(sensor.lose());
    let error = read.await.unwrap_err().to_string();
    assert!(error.contains("src/closure.rs:"), "{error}");
}

/// The error of a read that nobody awaits any more.
#[test]
fn dropped_and_failed_later_then_the_deferred_is_reported() {
    let sensor = closure::api::Sensor::default();
    let reports = testing::capture_unhandled(|| {
        drop(closure::deferred::read(&sensor));
        sensor.answer(Err(Refused(3)));
    });
    assert_eq!(reports.len(), 1);
    let reports = testing::capture_unhandled(|| {
        let mut call = Box::pin(closure::oneshot::read(sensor.clone()));
        assert!((&mut call).now_or_never().is_none());
        drop(call);
        sensor.answer(Err(Refused(3)));
    });
    assert!(reports.is_empty());
}

/// A device that never calls back.
#[tokio::test(start_paused = true)]
async fn never_called_back_then_both_time_out() {
    let radio = twice_or_never::api::Radio::default();
    let error = twice_or_never::deferred::message(&radio).await.unwrap_err();
    assert_eq!(error.word(), "timed out");
    let error = twice_or_never::oneshot::message(radio).await.unwrap_err();
    assert_eq!(error.word(), "timed out");
}

#[tokio::test]
async fn start_of_c_refuses_then_both_have_the_status() {
    let thermometer = c_status::api::Thermometer::default();
    let running = c_status::deferred::read(&thermometer);
    let error = c_status::deferred::read(&thermometer).await.unwrap_err();
    assert_eq!(error.word(), "error 16");
    let error = c_status::oneshot::read(thermometer.clone())
        .await
        .unwrap_err();
    assert_eq!(error.word(), "error 16");
    thermometer.answer(Ok(7));
    assert_eq!(running.await.unwrap(), 7);
}

#[tokio::test]
async fn start_returns_an_error_then_both_have_it() {
    let scanner = stop_handle::api::Scanner::default();
    let running = stop_handle::deferred::scan(&scanner);
    let error = stop_handle::deferred::scan(&scanner).await.unwrap_err();
    assert_eq!(error.word(), "error 16");
    let error = stop_handle::oneshot::scan(scanner.clone())
        .await
        .unwrap_err();
    assert_eq!(error.word(), "error 16");
    drop(running);
    assert_eq!(scanner.stops(), Some(1));
}

/// What a oneshot has no counterpart of: a stage runs on the thread of the API,
/// and a panic there is the failure, and does not unwind into the API.
#[tokio::test]
async fn stage_panics_then_the_api_goes_on_and_the_caller_has_the_panic() {
    let sensor = closure::api::Sensor::default();
    let read = closure::deferred::read(&sensor).map(|_| -> u32 { panic!("of a stage") });
    sensor.answer(Ok(7));
    assert_eq!(read.await.unwrap_err().word(), "panic");
}

/// A wrapper with a Deferred starts at the call, an async fn when it is polled.
#[tokio::test]
async fn called_and_not_polled_then_only_the_deferred_has_started() {
    let sensor = closure::api::Sensor::default();
    let unpolled = closure::oneshot::read(sensor.clone());
    assert!(!sensor.lose());
    drop(unpolled);
    let read = closure::deferred::read(&sensor);
    assert!(sensor.lose());
    assert_eq!(read.await.unwrap_err().word(), "lost");
}
