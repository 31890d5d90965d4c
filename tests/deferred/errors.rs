//! `?`, in callbacks and at `.await`, and errors that keep their identity.

use std::error::Error;
use std::fmt;
use std::num::ParseIntError;
use tokio_deferred::{
    Cancelled, Deferred, DeferredError, Failure, FirstError, OrFail, TimedOut, testing,
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
    assert_eq!(error.to_string(), "invalid digit found in string");
    assert!(error.source().unwrap().is::<ParseIntError>());
    assert!(error.downcast_ref::<ParseIntError>().is_some());
    assert!(!error.is_cancelled() && !error.is_panic() && !error.is_resolver_dropped());
    let same: Failure = error.clone().into();
    assert!(same.is::<ParseIntError>());
    assert!(fmt::format(format_args!("{error:?}")).contains("raised at"));
}
