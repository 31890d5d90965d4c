//! The stages a chain can have.
//!
//! A function that does not run is dropped before the result is made: where a
//! drop panics at the end of a scope, the compiler forgets the value that the
//! scope returns (rust-lang/rust#47949), and a user's value would be lost.

use super::outcome::step_of;
use super::{Deferred, Outcome, Recovery};
use crate::core::{Handles, Site, Stage, Step};
use crate::failure::Failure;
use std::any::type_name;
use std::marker::PhantomData;
use std::panic::Location;

// `N` is the type whose name traces show: that of the user's function, which
// may be wrapped in `F`.

/// One function for each sort of result.
pub(crate) struct Pair<T, F, G, N = F, M = G>(
    pub(crate) F,
    pub(crate) G,
    pub(crate) PhantomData<fn(T) -> (N, M)>,
);
/// A callback; failures pass.
pub(crate) struct Callback<T, F, N = F>(pub(crate) F, pub(crate) PhantomData<fn(T) -> N>);
/// An errback; values pass.
pub(crate) struct Errback<T, F, N = F>(pub(crate) F, pub(crate) PhantomData<fn(T) -> N>);
/// One function for either.
pub(crate) struct Both<T, F, N = F>(pub(crate) F, pub(crate) PhantomData<fn(T) -> N>);
/// A function from value to value.
pub(crate) struct Map<T, F, N = F>(pub(crate) F, pub(crate) PhantomData<fn(T) -> N>);
/// A function that runs either way and changes nothing.
pub(crate) struct Finally<T, F, N = F>(pub(crate) F, pub(crate) PhantomData<fn(T) -> N>);
/// A function that looks at a failure.
pub(crate) struct Inspect<T, F, N = F>(pub(crate) F, pub(crate) PhantomData<fn(T) -> N>);

impl<T, F, R, N> Stage for Callback<T, F, N>
where
    N: 'static,
    T: Send + 'static,
    F: FnOnce(T) -> R + Send + 'static,
    R: Outcome,
{
    type In = T;
    type Out = R::Output;
    const HANDLES: Handles = Handles::VALUES;

    fn name() -> &'static str {
        type_name::<N>()
    }

    #[inline(always)]
    fn run(self, input: Result<T, Failure>, site: Site<'_>) -> Step<R::Output> {
        match input {
            Ok(value) => step_of((self.0)(value), site, Self::name),
            Err(failure) => {
                drop(self);
                Step::Done(Err(failure))
            }
        }
    }
}

impl<T, F, R, N> Stage for Errback<T, F, N>
where
    N: 'static,
    T: Send + 'static,
    F: FnOnce(Failure) -> R + Send + 'static,
    R: Outcome<Output = T>,
{
    type In = T;
    type Out = T;
    const HANDLES: Handles = Handles::FAILURES;

    fn name() -> &'static str {
        type_name::<N>()
    }

    #[inline(always)]
    fn run(self, input: Result<T, Failure>, site: Site<'_>) -> Step<T> {
        match input {
            Ok(value) => {
                drop(self);
                Step::Done(Ok(value))
            }
            Err(failure) => step_of((self.0)(failure), site, Self::name),
        }
    }
}

impl<T, F, G, A, B, N, M> Stage for Pair<T, F, G, N, M>
where
    N: 'static,
    M: 'static,
    T: Send + 'static,
    F: FnOnce(T) -> A + Send + 'static,
    G: FnOnce(Failure) -> B + Send + 'static,
    A: Outcome,
    B: Outcome<Output = A::Output>,
{
    type In = T;
    type Out = A::Output;
    const HANDLES: Handles = Handles::BOTH;

    fn name() -> &'static str {
        type_name::<(N, M)>()
    }

    #[inline(always)]
    fn run(self, input: Result<T, Failure>, site: Site<'_>) -> Step<A::Output> {
        let Pair(callback, errback, _) = self;
        match input {
            Ok(value) => {
                let outcome = callback(value);
                drop(errback);
                step_of(outcome, site, type_name::<N>)
            }
            Err(failure) => {
                let outcome = errback(failure);
                drop(callback);
                step_of(outcome, site, type_name::<M>)
            }
        }
    }
}

impl<T, F, R, N> Stage for Both<T, F, N>
where
    N: 'static,
    T: Send + 'static,
    F: FnOnce(Result<T, Failure>) -> R + Send + 'static,
    R: Outcome,
{
    type In = T;
    type Out = R::Output;
    const HANDLES: Handles = Handles::BOTH;

    fn name() -> &'static str {
        type_name::<N>()
    }

    #[inline(always)]
    fn run(self, input: Result<T, Failure>, site: Site<'_>) -> Step<R::Output> {
        step_of((self.0)(input), site, Self::name)
    }
}

impl<T, F, U, N> Stage for Map<T, F, N>
where
    N: 'static,
    T: Send + 'static,
    U: Send + 'static,
    F: FnOnce(T) -> U + Send + 'static,
{
    type In = T;
    type Out = U;
    const HANDLES: Handles = Handles::VALUES;

    fn name() -> &'static str {
        type_name::<N>()
    }

    #[inline(always)]
    fn run(self, input: Result<T, Failure>, _: Site<'_>) -> Step<U> {
        match input {
            Ok(value) => Step::Done(Ok((self.0)(value))),
            Err(failure) => {
                drop(self);
                Step::Done(Err(failure))
            }
        }
    }
}

impl<T, F, N> Stage for Finally<T, F, N>
where
    N: 'static,
    T: Send + 'static,
    F: FnOnce() + Send + 'static,
{
    type In = T;
    type Out = T;
    const HANDLES: Handles = Handles::BOTH;

    fn name() -> &'static str {
        type_name::<N>()
    }

    #[inline(always)]
    fn run(self, input: Result<T, Failure>, _: Site<'_>) -> Step<T> {
        (self.0)();
        Step::Done(input)
    }
}

impl<T, F, N> Stage for Inspect<T, F, N>
where
    N: 'static,
    T: Send + 'static,
    F: FnOnce(&Failure) + Send + 'static,
{
    type In = T;
    type Out = T;
    const HANDLES: Handles = Handles::FAILURES;

    fn name() -> &'static str {
        type_name::<N>()
    }

    #[inline(always)]
    fn run(self, input: Result<T, Failure>, _: Site<'_>) -> Step<T> {
        match &input {
            Ok(_) => drop(self),
            Err(failure) => (self.0)(failure),
        }
        Step::Done(input)
    }
}

/// # Stages
impl<T: Send + 'static> Deferred<T> {
    /// Adds a callback, which runs on a value; a failure passes it by:
    /// Twisted's `addCallback`.
    ///
    /// What it returns is the result of the stage: an `Ok` or `Err`, or a
    /// [`Deferred`], whose result the later stages then wait for. A panic in it
    /// becomes a [`Failure`].
    ///
    /// It runs on the thread that fires the Deferred; on this one, before
    /// `add_callback` returns, if the result is there already.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let d = Deferred::succeed("7").add_callback(|s| Ok(s.parse::<i32>()?));
    /// assert_eq!(testing::success_of(d), 7);
    /// ```
    #[doc(alias = "addCallback")]
    #[doc(alias = "then")]
    #[inline]
    #[track_caller]
    pub fn add_callback<R: Outcome>(
        self,
        f: impl FnOnce(T) -> R + Send + 'static,
    ) -> Deferred<R::Output> {
        self.stage(Callback::<_, _>(f, PhantomData), Location::caller())
    }

    /// Adds an errback, which runs on a failure; a value passes it by:
    /// Twisted's `addErrback`.
    ///
    /// Returning `Ok` is recovering; [`Failure::trap`] with `?` recovers from
    /// one sort of error and sends on the others. It runs where a callback
    /// would.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let d = Deferred::<i32>::fail("no number").add_errback(|_| Ok(0));
    /// assert_eq!(testing::success_of(d), 0);
    /// ```
    #[doc(alias = "addErrback")]
    #[doc(alias = "catch")]
    #[inline]
    #[track_caller]
    pub fn add_errback<R: Recovery<T>>(
        self,
        f: impl FnOnce(Failure) -> R + Send + 'static,
    ) -> Deferred<T> {
        self.stage(Errback::<_, _>(f, PhantomData), Location::caller())
    }

    /// Adds a callback and an errback as one stage: Twisted's `addCallbacks`.
    ///
    /// One of the two runs, so the errback does not see a failure of the
    /// callback beside it.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let describe = |d: Deferred<i32>| {
    ///     d.add_callbacks(|n| Ok(format!("got {n}")), |f| Ok(format!("no: {f}")))
    /// };
    /// assert_eq!(testing::success_of(describe(Deferred::succeed(1))), "got 1");
    /// assert_eq!(testing::success_of(describe(Deferred::fail("out"))), "no: out");
    /// ```
    #[doc(alias = "addCallbacks")]
    #[inline]
    #[track_caller]
    pub fn add_callbacks<A: Outcome, B: Recovery<A::Output>>(
        self,
        f: impl FnOnce(T) -> A + Send + 'static,
        g: impl FnOnce(Failure) -> B + Send + 'static,
    ) -> Deferred<A::Output> {
        self.stage(Pair::<_, _, _>(f, g, PhantomData), Location::caller())
    }

    /// Adds one function that runs on either sort of result: Twisted's
    /// `addBoth`.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let d = Deferred::<i32>::fail("out").add_both(|result| Ok(result.is_err()));
    /// assert!(testing::success_of(d));
    /// ```
    #[doc(alias = "addBoth")]
    #[inline]
    #[track_caller]
    pub fn add_both<R: Outcome>(
        self,
        f: impl FnOnce(Result<T, Failure>) -> R + Send + 'static,
    ) -> Deferred<R::Output> {
        self.stage(Both::<_, _>(f, PhantomData), Location::caller())
    }

    /// Adds a function from value to value; a failure passes it by.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// assert_eq!(testing::success_of(Deferred::succeed(6).map(|n| n * 7)), 42);
    /// ```
    #[inline]
    #[track_caller]
    pub fn map<U: Send + 'static>(self, f: impl FnOnce(T) -> U + Send + 'static) -> Deferred<U> {
        self.stage(Map::<_, _>(f, PhantomData), Location::caller())
    }

    /// Adds a function that runs either way; the result passes on as it is.
    ///
    /// If it panics, that is the result.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicBool, Ordering};
    /// use std::sync::Arc;
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let closed = Arc::new(AtomicBool::new(false));
    /// let flag = closed.clone();
    /// let d = Deferred::<()>::fail("broken").finally(move || flag.store(true, Ordering::Relaxed));
    /// assert!(closed.load(Ordering::Relaxed));
    /// assert_eq!(testing::failure_of(d).to_string(), "broken");
    /// ```
    #[inline]
    #[track_caller]
    pub fn finally(self, f: impl FnOnce() + Send + 'static) -> Deferred<T> {
        self.stage(Finally::<_, _>(f, PhantomData), Location::caller())
    }

    /// Adds a function that looks at a failure, which then passes on as
    /// unhandled as it was.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let (tx, rx) = mpsc::channel();
    /// let d = Deferred::<()>::fail("out").inspect_failure(move |f| tx.send(f.to_string()).unwrap());
    /// assert_eq!(rx.recv().unwrap(), "out");
    /// assert_eq!(testing::failure_of(d).to_string(), "out");
    /// ```
    #[inline]
    #[track_caller]
    pub fn inspect_failure(self, f: impl FnOnce(&Failure) + Send + 'static) -> Deferred<T> {
        self.stage(Inspect::<_, _>(f, PhantomData), Location::caller())
    }
}

impl<T: Send + 'static> Deferred<Deferred<T>> {
    /// Makes the inner Deferred's result this one's.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let nested = Deferred::succeed(1).map(|n| Deferred::succeed(n + 1));
    /// assert_eq!(testing::success_of(nested.flatten()), 2);
    /// ```
    #[track_caller]
    pub fn flatten(self) -> Deferred<T> {
        self.add_callback(|inner| inner)
    }
}
