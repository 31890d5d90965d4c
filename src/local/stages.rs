//! The stages of a local chain: those of any chain, with functions that stay
//! on their thread.

use super::{LocalDeferred, LocalOutcome, OnThread};
use crate::chain::stages::{Both, Callback, Errback, Finally, Inspect, Map, Pair};
use crate::core::Stage;
use crate::failure::{BoxError, Failure};
use std::marker::PhantomData;
use std::panic::Location;

/// A function of a value that stays on this thread, as one that may be stored
/// in a chain.
fn of_value<T, R, F>(f: F) -> impl FnOnce(OnThread<T>) -> OnThread<R> + Send
where
    F: FnOnce(T) -> R + 'static,
{
    let f = OnThread::new(f);
    move |value: OnThread<T>| OnThread::new(f.into_inner()(value.into_inner()))
}

/// The same of a failure.
fn of_failure<R, F>(f: F) -> impl FnOnce(Failure) -> OnThread<R> + Send
where
    F: FnOnce(Failure) -> R + 'static,
{
    let f = OnThread::new(f);
    move |failure| OnThread::new(f.into_inner()(failure))
}

fn callback<T, R, F>(f: F) -> impl Stage<In = OnThread<T>, Out = OnThread<R::Output>>
where
    T: 'static,
    R: LocalOutcome,
    F: FnOnce(T) -> R + 'static,
{
    Callback::<_, _, F>(of_value(f), PhantomData)
}

fn errback<T, R, F>(f: F) -> impl Stage<In = OnThread<T>, Out = OnThread<T>>
where
    T: 'static,
    R: LocalOutcome<Output = T>,
    F: FnOnce(Failure) -> R + 'static,
{
    Errback::<_, _, F>(of_failure(f), PhantomData)
}

fn pair<T, A, B, F, G>(f: F, g: G) -> impl Stage<In = OnThread<T>, Out = OnThread<A::Output>>
where
    T: 'static,
    A: LocalOutcome,
    B: LocalOutcome<Output = A::Output>,
    F: FnOnce(T) -> A + 'static,
    G: FnOnce(Failure) -> B + 'static,
{
    Pair::<_, _, _, F, G>(of_value(f), of_failure(g), PhantomData)
}

fn both<T, R, F>(f: F) -> impl Stage<In = OnThread<T>, Out = OnThread<R::Output>>
where
    T: 'static,
    R: LocalOutcome,
    F: FnOnce(Result<T, Failure>) -> R + 'static,
{
    let f = OnThread::new(f);
    let f = move |result: Result<OnThread<T>, Failure>| {
        OnThread::new(f.into_inner()(result.map(OnThread::into_inner)))
    };
    Both::<_, _, F>(f, PhantomData)
}

fn map<T, U, F>(f: F) -> impl Stage<In = OnThread<T>, Out = OnThread<U>>
where
    T: 'static,
    U: 'static,
    F: FnOnce(T) -> U + 'static,
{
    Map::<_, _, F>(of_value(f), PhantomData)
}

fn finally<T, F>(f: F) -> impl Stage<In = OnThread<T>, Out = OnThread<T>>
where
    T: 'static,
    F: FnOnce() + 'static,
{
    let f = OnThread::new(f);
    Finally::<_, _, F>(move || f.into_inner()(), PhantomData)
}

fn inspect<T, F>(f: F) -> impl Stage<In = OnThread<T>, Out = OnThread<T>>
where
    T: 'static,
    F: FnOnce(&Failure) + 'static,
{
    let f = OnThread::new(f);
    let f = move |failure: &Failure| f.into_inner()(failure);
    Inspect::<_, _, F>(f, PhantomData)
}

fn map_err<T, E, F>(
    f: F,
    at: &'static Location<'static>,
) -> impl Stage<In = OnThread<T>, Out = OnThread<T>>
where
    T: 'static,
    E: Into<BoxError> + 'static,
    F: FnOnce(Failure) -> E + 'static,
{
    let f = OnThread::new(f);
    let f = move |failure| {
        let error = f.into_inner()(failure);
        OnThread::new(Err::<T, _>(Failure::from_box(error.into(), at)))
    };
    Errback::<_, _, F>(f, PhantomData)
}

fn inspect_value<T, F>(f: F) -> impl Stage<In = OnThread<T>, Out = OnThread<T>>
where
    T: 'static,
    F: FnOnce(&T) + 'static,
{
    let f = OnThread::new(f);
    let f = move |value: OnThread<T>| {
        f.into_inner()(value.get());
        value
    };
    Map::<_, _, F>(f, PhantomData)
}

/// # Stages, under Rust's names
///
/// They are eager, as all stages: added, they run, awaited or not.
impl<T: 'static> LocalDeferred<T> {
    /// Adds a function that runs on a value and may fail or return another
    /// Deferred: [`add_callback`](LocalDeferred::add_callback).
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let d = LocalDeferred::succeed("7").and_then(|s| Ok(s.parse::<i32>()?));
    /// assert_eq!(d.try_result().unwrap().unwrap(), 7);
    /// ```
    #[inline]
    #[track_caller]
    pub fn and_then<R: LocalOutcome>(
        self,
        f: impl FnOnce(T) -> R + 'static,
    ) -> LocalDeferred<R::Output> {
        self.add_callback(f)
    }

    /// Adds a function that runs on a failure and may recover:
    /// [`add_errback`](LocalDeferred::add_errback).
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let d = LocalDeferred::<i32>::fail("no number").or_else(|_failure| Ok(0));
    /// assert_eq!(d.try_result().unwrap().unwrap(), 0);
    /// ```
    #[inline]
    #[track_caller]
    pub fn or_else<R: LocalOutcome<Output = T>>(
        self,
        f: impl FnOnce(Failure) -> R + 'static,
    ) -> LocalDeferred<T> {
        self.add_errback(f)
    }

    /// Adds a function from failure to error; a value passes it by. As
    /// [`Deferred::map_err`](crate::Deferred::map_err).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io;
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let d = LocalDeferred::<i32>::fail("no number")
    ///     .map_err(|failure| io::Error::other(failure.to_string()));
    /// assert!(d.try_result().unwrap().unwrap_err().is::<io::Error>());
    /// ```
    #[inline]
    #[track_caller]
    pub fn map_err<E: Into<BoxError> + 'static>(
        self,
        f: impl FnOnce(Failure) -> E + 'static,
    ) -> LocalDeferred<T> {
        let at = Location::caller();
        self.stage(map_err(f, at), at)
    }

    /// Adds a function that looks at a value, which then passes on; a failure
    /// passes it by.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::Cell;
    /// use std::rc::Rc;
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let seen = Rc::new(Cell::new(0));
    /// let look = seen.clone();
    /// let d = LocalDeferred::succeed(7).inspect(move |n| look.set(*n));
    /// assert_eq!((seen.get(), d.try_result().unwrap().unwrap()), (7, 7));
    /// ```
    #[inline]
    #[track_caller]
    pub fn inspect(self, f: impl FnOnce(&T) + 'static) -> LocalDeferred<T> {
        self.stage(inspect_value(f), Location::caller())
    }

    /// Adds a function that looks at a failure, which then passes on as
    /// unhandled as it was: for errbacks that only log.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let d = LocalDeferred::<()>::fail("out").inspect_err(|failure| println!("{failure}"));
    /// assert_eq!(d.try_result().unwrap().unwrap_err().to_string(), "out");
    /// ```
    #[inline]
    #[track_caller]
    pub fn inspect_err(self, f: impl FnOnce(&Failure) + 'static) -> LocalDeferred<T> {
        self.inspect_failure(f)
    }
}

impl<T: 'static> LocalDeferred<T> {
    #[inline]
    fn stage<S, U>(self, stage: S, place: &'static Location<'static>) -> LocalDeferred<U>
    where
        S: Stage<In = OnThread<T>, Out = OnThread<U>>,
    {
        LocalDeferred::wrap(self.inner.into_inner().stage(stage, place))
    }

    /// Adds a callback, which runs on a value; as [`Deferred::add_callback`].
    ///
    /// It runs on this thread: when the Deferred fires, or before
    /// `add_callback` returns if the result is there already.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let words = Rc::new(["seven", "7"]);
    /// let d = LocalDeferred::succeed(1).add_callback({
    ///     let words = words.clone();
    ///     move |index: usize| Ok(words[index].parse::<i32>()?)
    /// });
    /// assert_eq!(d.try_result().unwrap().unwrap(), 7);
    /// ```
    ///
    /// [`Deferred::add_callback`]: crate::Deferred::add_callback
    #[doc(alias = "addCallback")]
    #[doc(alias = "then")]
    #[inline]
    #[track_caller]
    pub fn add_callback<R: LocalOutcome>(
        self,
        f: impl FnOnce(T) -> R + 'static,
    ) -> LocalDeferred<R::Output> {
        self.stage(callback(f), Location::caller())
    }

    /// Adds an errback, which runs on a failure; as [`Deferred::add_errback`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let fallback = Rc::new(0);
    /// let d = LocalDeferred::fail("no number").add_errback(move |_| Ok(fallback));
    /// assert_eq!(*d.try_result().unwrap().unwrap(), 0);
    /// ```
    ///
    /// [`Deferred::add_errback`]: crate::Deferred::add_errback
    #[doc(alias = "addErrback")]
    #[doc(alias = "catch")]
    #[inline]
    #[track_caller]
    pub fn add_errback<R: LocalOutcome<Output = T>>(
        self,
        f: impl FnOnce(Failure) -> R + 'static,
    ) -> LocalDeferred<T> {
        self.stage(errback(f), Location::caller())
    }

    /// Adds a callback and an errback as one stage; as
    /// [`Deferred::add_callbacks`].
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let describe = |d: LocalDeferred<i32>| {
    ///     d.add_callbacks(|n| Ok(format!("got {n}")), |f| Ok(format!("no: {f}")))
    /// };
    /// let text = |d: LocalDeferred<String>| d.try_result().unwrap().unwrap();
    /// assert_eq!(text(describe(LocalDeferred::succeed(1))), "got 1");
    /// assert_eq!(text(describe(LocalDeferred::fail("out"))), "no: out");
    /// ```
    ///
    /// [`Deferred::add_callbacks`]: crate::Deferred::add_callbacks
    #[doc(alias = "addCallbacks")]
    #[inline]
    #[track_caller]
    pub fn add_callbacks<A: LocalOutcome, B: LocalOutcome<Output = A::Output>>(
        self,
        f: impl FnOnce(T) -> A + 'static,
        g: impl FnOnce(Failure) -> B + 'static,
    ) -> LocalDeferred<A::Output> {
        self.stage(pair(f, g), Location::caller())
    }

    /// Adds one function that runs on either sort of result; as
    /// [`Deferred::add_both`].
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let d = LocalDeferred::<i32>::fail("out").add_both(|result| Ok(result.is_err()));
    /// assert!(d.try_result().unwrap().unwrap());
    /// ```
    ///
    /// [`Deferred::add_both`]: crate::Deferred::add_both
    #[doc(alias = "addBoth")]
    #[inline]
    #[track_caller]
    pub fn add_both<R: LocalOutcome>(
        self,
        f: impl FnOnce(Result<T, Failure>) -> R + 'static,
    ) -> LocalDeferred<R::Output> {
        self.stage(both(f), Location::caller())
    }

    /// Adds a function from value to value; as [`Deferred::map`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let d = LocalDeferred::succeed(6).map(|n| Rc::new(n * 7));
    /// assert_eq!(*d.try_result().unwrap().unwrap(), 42);
    /// ```
    ///
    /// [`Deferred::map`]: crate::Deferred::map
    #[inline]
    #[track_caller]
    pub fn map<U: 'static>(self, f: impl FnOnce(T) -> U + 'static) -> LocalDeferred<U> {
        self.stage(map(f), Location::caller())
    }

    /// Adds a function that runs either way; the result passes on as it is. As
    /// [`Deferred::finally`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::Cell;
    /// use std::rc::Rc;
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let closed = Rc::new(Cell::new(false));
    /// let flag = closed.clone();
    /// let d = LocalDeferred::<()>::fail("broken").finally(move || flag.set(true));
    /// assert!(closed.get());
    /// assert!(d.try_result().unwrap().is_err());
    /// ```
    ///
    /// [`Deferred::finally`]: crate::Deferred::finally
    #[inline]
    #[track_caller]
    pub fn finally(self, f: impl FnOnce() + 'static) -> LocalDeferred<T> {
        self.stage(finally(f), Location::caller())
    }

    /// Adds a function that looks at a failure, which then passes on as
    /// unhandled as it was; as [`Deferred::inspect_failure`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::RefCell;
    /// use std::rc::Rc;
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let seen = Rc::new(RefCell::new(String::new()));
    /// let text = seen.clone();
    /// let d = LocalDeferred::<()>::fail("out").inspect_failure(move |f| text.replace(f.to_string()).clear());
    /// assert_eq!(*seen.borrow(), "out");
    /// assert!(d.try_result().unwrap().is_err());
    /// ```
    ///
    /// [`Deferred::inspect_failure`]: crate::Deferred::inspect_failure
    #[inline]
    #[track_caller]
    pub fn inspect_failure(self, f: impl FnOnce(&Failure) + 'static) -> LocalDeferred<T> {
        self.stage(inspect(f), Location::caller())
    }
}

impl<T: 'static> LocalDeferred<LocalDeferred<T>> {
    /// Makes the inner Deferred's result this one's; as
    /// [`Deferred::flatten`](crate::Deferred::flatten).
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::local::LocalDeferred;
    ///
    /// let nested = LocalDeferred::succeed(1).map(|n| LocalDeferred::succeed(n + 1));
    /// assert_eq!(nested.flatten().try_result().unwrap().unwrap(), 2);
    /// ```
    #[track_caller]
    pub fn flatten(self) -> LocalDeferred<T> {
        self.add_callback(|inner| inner)
    }
}
