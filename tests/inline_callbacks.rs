//! The attribute: each form of a function that it may stand on.

use std::fmt::Display;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use tokio_deferred::{Deferred, DeferredError, Failure, inline_callbacks, testing};

#[inline_callbacks]
async fn add(a: Deferred<i32>, b: Deferred<i32>) -> Result<i32, DeferredError> {
    Ok(a.await? + b.await?)
}

#[test]
fn free_function() {
    let (one, a) = Deferred::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    let sum: Deferred<i32> = add(a, Deferred::succeed(2));
    one.callback(1);
    assert_eq!(runtime.block_on(sum).unwrap(), 3);
}

mod inner {
    use super::*;

    /// Documented, public, and in a module.
    #[inline_callbacks]
    pub(super) async fn shout(text: &'static str) -> Result<String, Failure> {
        Ok(text.to_uppercase())
    }
}

#[test]
fn static_borrow_and_visibility() {
    assert_eq!(testing::success_of(inner::shout("boo")), "BOO");
}

struct Counter {
    count: Mutex<u32>,
    step: u32,
}

impl Counter {
    #[inline_callbacks]
    async fn next(self: Arc<Self>) -> Result<u32, Failure> {
        let mut count = self.count.lock().unwrap();
        *count += self.step;
        Ok(*count)
    }

    #[inline_callbacks]
    async fn into_count(self) -> Result<u32, Failure> {
        Ok(self.count.into_inner()?)
    }

    /// It works on itself, which is its own.
    #[inline_callbacks]
    async fn doubled(mut self: Box<Self>) -> Result<u32, Failure> {
        self.step *= 2;
        Ok(self.step)
    }

    #[inline_callbacks]
    async fn associated(n: u32) -> Result<Self, Failure> {
        Ok(Counter {
            count: Mutex::new(n),
            step: 1,
        })
    }
}

#[test]
fn methods() {
    let counter = testing::success_of(Counter::associated(4));
    assert_eq!(testing::success_of(counter.into_count()), 4);
    let counter = Arc::new(testing::success_of(Counter::associated(1)));
    assert_eq!(testing::success_of(counter.clone().next()), 2);
    assert_eq!(testing::success_of(counter.next()), 3);
    let counter = Box::new(testing::success_of(Counter::associated(1)));
    assert_eq!(testing::success_of(counter.doubled()), 2);
}

#[inline_callbacks]
async fn joined<T, const N: usize>(items: [T; N], between: char) -> Result<String, Failure>
where
    T: Display + Send + 'static,
{
    let texts: Vec<_> = items.iter().map(ToString::to_string).collect();
    Ok(texts.join(&between.to_string()))
}

#[inline_callbacks]
async fn patterns(
    mut total: u32,
    (a, b): (u32, u32),
    [first, ..]: [u32; 3],
    add: impl Fn(u32) -> u32 + Send + 'static,
) -> Result<u32, Failure> {
    total += a + b + first;
    Ok(add(total))
}

#[test]
fn generics_where_patterns_and_impl_trait() {
    assert_eq!(testing::success_of(joined([1, 2, 3], '-')), "1-2-3");
    assert_eq!(
        testing::success_of(patterns(1, (2, 3), [4, 5, 6], |n| n * 10)),
        100
    );
}

type Outcome = std::result::Result<u32, std::num::ParseIntError>;

#[inline_callbacks]
async fn by_another_name(text: String) -> Outcome {
    if text.is_empty() {
        return Ok(0);
    }
    text.parse()
}

#[test]
fn result_of_another_name_and_an_early_return() {
    assert_eq!(testing::success_of(by_another_name("7".to_owned())), 7);
    assert_eq!(testing::success_of(by_another_name(String::new())), 0);
    let failure = testing::failure_of(by_another_name("x".to_owned()));
    assert!(failure.is::<std::num::ParseIntError>());
}

#[inline_callbacks]
async fn only_fails(reason: &'static str) -> Result<(), Failure> {
    Err(Failure::new(reason))
}

#[test]
fn body_that_never_gives_a_value() {
    assert_eq!(testing::failure_of(only_fails("out")).to_string(), "out");
}

trait Store: Send + Sync + 'static {
    #[inline_callbacks]
    async fn load(self: Arc<Self>, key: String) -> Result<String, Failure>;

    #[inline_callbacks]
    async fn load_twice(self: Arc<Self>, key: String) -> Result<String, Failure> {
        let once = self.clone().load(key.clone()).await?;
        Ok(once + &self.load(key).await?)
    }
}

struct Echo;

impl Store for Echo {
    #[inline_callbacks]
    async fn load(self: Arc<Self>, key: String) -> Result<String, Failure> {
        Ok(key)
    }
}

#[test]
fn trait_methods_are_object_safe() {
    let store: Arc<dyn Store> = Arc::new(Echo);
    assert_eq!(testing::success_of(store.load("k".to_owned())), "k");
    assert_eq!(
        testing::success_of(Arc::new(Echo).load_twice("k".to_owned())),
        "kk"
    );
}

/// Says when it is dropped.
struct Tells(mpsc::Sender<&'static str>, &'static str);

impl Drop for Tells {
    fn drop(&mut self) {
        self.0.send(self.1).unwrap();
    }
}

#[inline_callbacks]
async fn keeps(_: Tells, _unused: Tells, wait: Deferred<()>) -> Result<(), DeferredError> {
    wait.await
}

#[test]
fn arguments_live_as_long_as_the_coroutine() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    let (tx, rx) = mpsc::channel();
    let (resolver, wait) = Deferred::new();
    let d = keeps(Tells(tx.clone(), "first"), Tells(tx, "second"), wait);
    assert_eq!(rx.try_recv(), Err(mpsc::TryRecvError::Empty));
    resolver.callback(());
    runtime.block_on(d).unwrap();
    let dropped: Vec<_> = rx.iter().collect();
    assert_eq!(
        dropped,
        ["second", "first"],
        "in the reverse order, as in an async fn"
    );
}

#[inline_callbacks(on = runtime)]
async fn on_a_runtime(runtime: tokio::runtime::Handle) -> Result<bool, Failure> {
    tokio::task::yield_now().await;
    Ok(tokio::runtime::Handle::current().id() == runtime.id())
}

#[test]
fn option_on_names_the_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let d = on_a_runtime(runtime.handle().clone());
    assert!(runtime.block_on(d).unwrap());
}

#[test]
fn place_is_that_of_the_call() {
    let reports = testing::capture_unhandled(|| drop(only_fails("here")));
    let line = line!() - 1;
    let made_at = reports[0].made_at();
    assert_eq!((made_at.file(), made_at.line()), (file!(), line));
}

#[inline_callbacks]
#[deprecated = "kept"]
#[allow(clippy::unused_async)]
async fn attributed() -> Result<(), Failure> {
    Ok(())
}

#[test]
#[allow(deprecated)]
fn attributes_stay() {
    testing::success_of(attributed());
}
