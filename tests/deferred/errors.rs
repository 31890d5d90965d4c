//! `?`, in callbacks and at `.await`, and errors that keep their identity.

use std::error::Error;
use std::fmt;
use std::io;
use std::num::ParseIntError;
use std::time::Duration;
use tokio_deferred::{
    Cancelled, Deferred, DeferredError, Failure, FirstError, NoRuntime, NoRuntimeKind, OrFail,
    TimedOut, gather_results, join, testing,
};

#[derive(Debug, thiserror::Error)]
enum AppError {
    #[error(transparent)]
    Deferred(#[from] DeferredError),
    #[error("wrapped")]
    Parse(#[source] ParseIntError),
}

fn parse() -> Deferred<i32> {
    Deferred::succeed("seven").add_callback(|s| Ok(s.parse::<i32>()?))
}

async fn to_failure() -> Result<i32, Failure> {
    Ok(parse().await?)
}
async fn to_anyhow() -> anyhow::Result<i32> {
    Ok(parse().await?)
}
async fn to_anyhow_with_context() -> anyhow::Result<i32> {
    use anyhow::Context;
    parse().await.context("while counting").context("again")
}
async fn to_box() -> Result<i32, Box<dyn Error + Send + Sync>> {
    Ok(parse().await?)
}
async fn to_enum() -> Result<i32, AppError> {
    Ok(parse().await?)
}
#[expect(clippy::needless_question_mark, reason = "it is what is tested")]
async fn to_deferred_error() -> Result<i32, DeferredError> {
    Ok(parse().await?)
}

/// Through each of the error types an async fn may return, and back.
#[test]
fn a_failure_crosses_an_await_and_trap_still_finds_it() {
    fn found<T: Send + 'static>(d: Deferred<T>) -> Failure {
        let failure = testing::failure_of(d.add_errback(|failure| {
            let error = failure.trap::<ParseIntError>()?;
            Err(error.into_failure())
        }));
        assert!(failure.is::<ParseIntError>());
        failure
    }
    for failure in [
        found(Deferred::from_coroutine(to_failure())),
        found(Deferred::from_coroutine(to_anyhow())),
        found(Deferred::from_coroutine(to_anyhow_with_context())),
        found(Deferred::from_coroutine(to_box())),
        found(Deferred::from_coroutine(to_enum())),
        found(Deferred::from_coroutine(to_deferred_error())),
    ] {
        assert_eq!(
            failure.check::<ParseIntError>().unwrap().to_string(),
            "invalid digit found in string"
        );
    }
}

#[test]
fn the_path_survives_the_await_where_the_type_is_known() {
    for d in [
        Deferred::from_coroutine(to_failure()),
        Deferred::from_coroutine(to_box()),
        Deferred::from_coroutine(to_deferred_error()),
    ] {
        let kinds: Vec<_> = testing::failure_of(d)
            .trace()
            .places()
            .map(|p| p.kind())
            .collect();
        use tokio_deferred::PlaceKind::*;
        assert_eq!(kinds, [Raised, Left, Awaited]);
    }
}

#[test]
fn question_mark_in_callbacks_needs_no_annotation() {
    fn io() -> std::io::Result<i32> {
        Err(std::io::Error::other("io"))
    }
    fn any() -> anyhow::Result<i32> {
        anyhow::bail!("any")
    }
    let d = Deferred::succeed(1).add_callback(|n| Ok(n + io()?));
    assert!(testing::failure_of(d).is::<std::io::Error>());
    let d = Deferred::succeed(1).add_callback(|n| Ok(n + any().or_fail()?));
    assert_eq!(testing::failure_of(d).to_string(), "any");
    let d = Deferred::succeed(1).add_callback(|n| Ok(n + futures::executor::block_on(parse())?));
    assert!(testing::failure_of(d).is::<ParseIntError>());
}

#[test]
fn predicates_look_along_the_sources() {
    let wrapped = AppError::Parse("x".parse::<i32>().unwrap_err());
    let failure = Failure::from(wrapped);
    assert!(failure.is::<AppError>() && failure.is::<ParseIntError>());
    assert!(failure.clone().trap::<TimedOut>().is_err());

    let first = FirstError {
        index: 3,
        failure: Failure::new(Cancelled { reason: None }),
    };
    let failure = Failure::from(first);
    assert!(failure.is_cancelled() && !failure.is_timed_out());
    assert_eq!(failure.check::<FirstError>().unwrap().index, 3);
}

#[test]
fn a_trapped_error_is_raised_again_by_question_mark() {
    let d = parse().add_errback(|failure| {
        let timed_out = failure.trap::<TimedOut>()?;
        Ok(timed_out.after.as_secs() as i32)
    });
    assert!(testing::failure_of(d).is::<ParseIntError>());

    fn again(failure: Failure) -> Result<i32, Failure> {
        let trapped = failure.trap::<ParseIntError>()?;
        Err(trapped)?
    }
    let d = parse().add_errback(again);
    assert!(testing::failure_of(d).is::<ParseIntError>());
}

#[test]
fn strings_boxes_and_any_error_make_failures() {
    assert_eq!(Failure::new("text").to_string(), "text");
    assert_eq!(Failure::new(String::from("text")).to_string(), "text");
    assert_eq!(Failure::new(anyhow::anyhow!("any")).to_string(), "any");
    let boxed: Box<dyn Error + Send + Sync> = Box::new("x".parse::<i32>().unwrap_err());
    assert!(Failure::new(boxed).is::<ParseIntError>());
    let d = Deferred::<()>::fail("text");
    assert_eq!(testing::failure_of(d).to_string(), "text");
}

#[test]
fn a_failure_is_an_error_where_one_is_wanted() {
    fn takes(error: impl Into<Box<dyn Error + Send + Sync>>) -> Box<dyn Error + Send + Sync> {
        error.into()
    }
    let failure = Failure::from("x".parse::<i32>().unwrap_err());
    let boxed = takes(failure.clone());
    assert!(boxed.source().unwrap().is::<ParseIntError>());
    let (resolver, d) = Deferred::<()>::new();
    resolver.errback(failure);
    assert!(testing::failure_of(d).is::<ParseIntError>());
}

#[test]
fn deferred_error_shows_what_it_carries() {
    let error = futures::executor::block_on(parse()).unwrap_err();
    assert_eq!(error.error().to_string(), "invalid digit found in string");
    assert!(error.source().unwrap().is::<ParseIntError>());
    assert!(error.downcast_ref::<ParseIntError>().is_some());
    assert!(!error.is_cancelled() && !error.is_panic() && !error.is_resolver_dropped());
    let same: Failure = error.clone().into();
    assert!(same.is::<ParseIntError>());
    assert!(fmt::format(format_args!("{error:?}")).contains("raised at"));
}

/// The texts that a reporter prints who walks along the sources.
fn texts(error: &(dyn Error + 'static)) -> Vec<String> {
    std::iter::successors(Some(error), |&error| error.source())
        .map(ToString::to_string)
        .collect()
}

fn assert_each_once(error: &(dyn Error + 'static), wanted: &[&str]) {
    let texts = texts(error);
    for text in &texts {
        let printed = texts.iter().filter(|other| other.contains(text.as_str()));
        assert_eq!(printed.count(), 1, "{text:?} in {texts:?}");
    }
    for wanted in wanted {
        let printed = texts.iter().filter(|text| text.contains(wanted)).count();
        assert_eq!(printed, 1, "{wanted:?} in {texts:?}");
    }
}

#[test]
fn each_text_is_printed_once_along_the_sources() {
    let awaited = |d: Deferred<i32>| futures::executor::block_on(d).unwrap_err();
    let disk = || Deferred::<i32>::fail(io::Error::other("disk full"));
    assert_each_once(&awaited(disk()), &["disk full"]);
    // Through a list, and a list in a list.
    let all = gather_results([Deferred::succeed(1), disk()]);
    let all = all.map(|all| all[0]);
    assert_each_once(&awaited(all), &["number 1 failed", "disk full"]);
    let inner = gather_results([disk()]).map(|all| all[0]);
    let outer = gather_results([Deferred::succeed(1), inner]).map(|all| all[0]);
    assert_each_once(&awaited(outer), &["disk full"]);
    // A cancel with a reason, of one and of several.
    let (_resolver, d) = Deferred::<i32>::new();
    d.cancel_with("the user left");
    assert_each_once(&awaited(d), &["cancelled", "the user left"]);
    let (_resolver, d) = Deferred::<i32>::new();
    let (_other, e) = Deferred::<i32>::new();
    let both = join((d, e)).map(|(d, _)| d);
    both.cancel_with(io::Error::other("the user left"));
    let error = awaited(both);
    assert_each_once(&error, &["the user left"]);
    assert!(error.is_cancelled() && error.is::<io::Error>());
    // Awaited, wrapped and thrown into a chain again.
    let again = Deferred::from_coroutine(async move {
        disk()
            .await
            .map_err(|error| anyhow::Error::from(error).context("cannot save"))
    });
    assert_each_once(&awaited(again), &["cannot save", "disk full"]);
}

#[test]
fn anyhow_finds_the_error_in_its_chain_and_by_downcast() {
    let found = |error: &anyhow::Error| error.chain().filter(|e| e.is::<io::Error>()).count();
    let disk = Deferred::<()>::fail(io::Error::other("disk full"));
    let error = anyhow::Error::from(futures::executor::block_on(disk).unwrap_err());
    assert_eq!(found(&error), 1);
    assert!(
        error
            .downcast_ref::<DeferredError>()
            .unwrap()
            .is::<io::Error>()
    );
    let text = format!("{error:#}");
    assert_eq!(text.matches("disk full").count(), 1, "{text}");
}

#[test]
fn alternate_display_is_the_error_and_its_sources_in_one_line() {
    let failure = Failure::new(AppError::Parse("x".parse::<i32>().unwrap_err()));
    let line = "wrapped: invalid digit found in string";
    assert_eq!(format!("{failure:#}"), line);
    assert_eq!(failure.to_string(), "wrapped");
    assert_eq!(format!("{:#}", DeferredError::from(failure)), line);
}

#[test]
fn sole_owner_takes_the_error_out() {
    let error = || io::Error::other("disk full");
    // In its own type, and in a box.
    for failure in [Failure::from(error()), Failure::new(error())] {
        assert_eq!(
            failure.downcast::<io::Error>().unwrap().to_string(),
            "disk full"
        );
    }
    // After stages and an await.
    let d = Deferred::<i32>::fail(error())
        .map(|n| n + 1)
        .add_errback(Err::<i32, _>);
    let error = futures::executor::block_on(d).unwrap_err();
    assert_eq!(
        error.downcast::<io::Error>().unwrap().to_string(),
        "disk full"
    );
}

#[test]
fn clone_then_take_gives_the_failure_back_until_the_clone_is_gone() {
    let failure = Failure::from(io::Error::other("disk full"));
    let clone = failure.clone();
    let failure = failure.downcast::<io::Error>().unwrap_err();
    assert_eq!(failure.to_string(), "disk full");
    drop(clone);
    assert!(failure.downcast::<io::Error>().is_ok());
}

#[test]
fn clone_that_went_its_own_way_is_the_last_owner_and_takes_the_error() {
    let failure = Failure::from(io::Error::other("disk full"));
    let clone = failure.clone();
    // Its path branches off here.
    let d = Deferred::<i32>::fail(clone).add_errback(Err::<i32, _>);
    let branched = testing::failure_of(d);
    let branched = branched.downcast::<io::Error>().unwrap_err();
    drop(failure);
    assert_eq!(
        branched.downcast::<io::Error>().unwrap().to_string(),
        "disk full"
    );
}

#[test]
fn take_of_another_type_or_of_a_source_gives_the_failure_back() {
    let failure = Failure::from(io::Error::other("disk full"));
    let failure = failure.downcast::<fmt::Error>().unwrap_err();
    assert!(failure.is::<io::Error>());
    let failure = Failure::new(AppError::Parse("x".parse::<i32>().unwrap_err()));
    let failure = failure.downcast::<ParseIntError>().unwrap_err();
    assert!(matches!(failure.downcast(), Ok(AppError::Parse(_))));
}

#[test]
fn trapped_gives_the_error_by_value_or_itself_back() {
    let trapped = Failure::from(io::Error::other("disk full")).trap::<io::Error>();
    let error = trapped.unwrap().into_inner().unwrap();
    assert_eq!(error.to_string(), "disk full");
    let failure = Failure::from(io::Error::other("disk full"));
    let trapped = failure.clone().trap::<io::Error>().unwrap();
    let trapped = trapped.into_inner().unwrap_err();
    assert_eq!(trapped.to_string(), "disk full");
    drop(failure);
    assert!(trapped.into_inner().is_ok());
}

/// The same calls, on either of the two.
#[test]
fn deferred_error_and_failure_have_the_same_methods() {
    macro_rules! look {
        ($error:expr) => {{
            let error = $error;
            assert!(error.is::<io::Error>() && error.check::<io::Error>().is_some());
            assert!(error.downcast_ref::<io::Error>().is_some());
            assert!(!error.is_cancelled() && !error.is_timed_out() && !error.is_panic());
            assert!(!error.is_resolver_dropped());
            assert_eq!(error.error().to_string(), "disk full");
            assert_eq!(error.failure().trace().places().count(), 1);
            assert_eq!(error.trace().places().count(), 1);
            let error = error.into_panic().unwrap_err();
            let error = error.trap::<fmt::Error>().unwrap_err();
            let error = error.trap::<io::Error>().unwrap().into_failure();
            assert!(error.into_failure().downcast::<io::Error>().is_ok());
        }};
    }
    look!(Failure::new(io::Error::other("disk full")));
    look!(DeferredError::from(Failure::new(io::Error::other(
        "disk full"
    ))));
}

#[test]
fn no_runtime_says_which() {
    let kind = |failure: Failure| failure.check::<NoRuntime>().unwrap().kind();
    let later = || tokio_deferred::task::defer_later(Duration::from_secs(3600), || Ok(1));
    let failure = testing::failure_of(later());
    assert!(failure.to_string().contains("set_default_runtime"));
    assert_eq!(kind(failure), NoRuntimeKind::NotFound);

    let no_timer = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let d = no_timer.block_on(async { later() });
    assert_eq!(kind(testing::failure_of(d)), NoRuntimeKind::NoTimer);

    let mut timer = tokio::runtime::Builder::new_current_thread();
    let timer = timer.enable_time().build().unwrap();
    let d = timer.block_on(async {
        let d = later();
        tokio::task::yield_now().await;
        d
    });
    drop(timer);
    let failure = futures::executor::block_on(d).unwrap_err().into_failure();
    assert_eq!(kind(failure), NoRuntimeKind::ShutDown);
}
