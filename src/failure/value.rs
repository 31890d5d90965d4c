//! The failure itself.

use super::group::Agreed;
use super::panic::PanicError;
use super::trace::{Path, Picture, Place, Trace};
use super::{BoxError, Cancelled, DeferredError, FailureGroup, ResolverDropped, TimedOut, Trapped};
use crate::sync::lock;
use std::any::Any;
use std::error::Error;
use std::fmt;
use std::ops::Deref;
use std::panic::Location;
use std::sync::{Arc, Mutex};

/// An error on its way down a chain of callbacks: Twisted's `Failure`.
///
/// It holds any `std::error::Error`, is cheap to clone (clones are the same
/// failure), derefs to the error, and remembers where it was raised and which
/// way it took: `Debug` prints that [`Trace`], and the diagrams of those chains
/// that were made while [debugging was on](crate::debug::set_debugging).
///
/// `?` makes one from any error, at the line of the `?`. `Failure` itself is
/// not an [`Error`], or that conversion could not exist; where an `Error` is
/// wanted, [`DeferredError`] is the same failure as one.
///
/// [`is`](Failure::is), [`check`](Failure::check) and
/// [`trap`](Failure::trap) look at the error and then along its `source()`s,
/// so an error wrapped by `anyhow` or a `thiserror` enum is found as well.
///
/// # Examples
///
/// ```
/// use std::num::ParseIntError;
/// use tokio_deferred::{Deferred, testing};
///
/// let d = Deferred::succeed("seven")
///     .add_callback(|s| Ok(s.parse::<i32>()?))
///     .add_errback(|failure| {
///         let error = failure.trap::<ParseIntError>()?; // other errors go on
///         assert_eq!(error.to_string(), "invalid digit found in string");
///         Ok(7)
///     });
/// assert_eq!(testing::success_of(d), 7);
/// ```
#[derive(Clone)]
pub struct Failure {
    inner: Arc<Inner<dyn Holder>>,
}

struct Inner<H: ?Sized> {
    path: Mutex<Path>,
    // A cancellation that was asked for by dropping: nobody wants its report.
    quiet: bool,
    /// What the failures of a group agree on, if this is the failure of one.
    agreed: Option<Agreed>,
    holder: H,
}

/// What an error is in: itself, or the box that it came in. A question to the
/// error for its type would take longer than this.
pub(super) trait Holder: Send + Sync + 'static {
    fn error(&self) -> &(dyn Error + Send + Sync + 'static);

    /// Moves the failures that the error consists of to `into`, before it is
    /// dropped.
    fn release(&mut self, into: &mut Vec<Failure>) {
        let _ = into;
    }
}

impl<E: Error + Send + Sync + 'static> Holder for E {
    fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        self
    }
}

struct Boxed(BoxError);

impl Holder for Boxed {
    fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0
    }
}

impl Failure {
    /// Makes a failure of `error`, raised at the caller's line.
    ///
    /// An error that carries a failure already (a [`DeferredError`], boxed or
    /// not) gives that failure back instead of wrapping it.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::Failure;
    ///
    /// let failure = Failure::new("out of paper");
    /// assert_eq!(failure.to_string(), "out of paper");
    /// assert_eq!(failure.trace().raised_at().file(), file!());
    /// ```
    #[track_caller]
    pub fn new(error: impl Into<BoxError>) -> Self {
        Failure::from_box(error.into(), Location::caller())
    }

    pub(crate) fn from_box(error: BoxError, at: &'static Location<'static>) -> Self {
        match error.downcast::<DeferredError>() {
            Ok(carrier) => carrier.into_failure(),
            Err(error) => Failure::raised(Boxed(error), at),
        }
    }

    pub(crate) fn from_error<E>(error: E, at: &'static Location<'static>) -> Self
    where
        E: Error + Send + Sync + 'static,
    {
        let mut error = Some(error);
        let any: &mut dyn Any = &mut error;
        if let Some(carrier) = any
            .downcast_mut::<Option<DeferredError>>()
            .and_then(Option::take)
        {
            return carrier.into_failure();
        }
        let error = error.expect("only a DeferredError is taken out");
        Failure::raised(error, at)
    }

    #[inline]
    fn raised(holder: impl Holder, at: &'static Location<'static>) -> Self {
        match holder.error().source().and_then(carried) {
            // A branch of its own: an Option of a path would pass through memory,
            // which is 3 of the 130 ns of a chain that fails and recovers.
            None => Failure::build(holder, Path::new(at), false, None),
            Some(wrapped) => {
                let (path, quiet) = (wrapped.path(), wrapped.is_quiet());
                Failure::wrapped(holder, path, quiet)
            }
        }
    }

    /// One that was wrapped on its way (by a context, say) keeps the path that
    /// it had; and if nobody wanted a report of it, nobody wants one of this.
    #[cold]
    #[inline(never)]
    fn wrapped(holder: impl Holder, path: Path, quiet: bool) -> Self {
        Failure::build(holder, path, quiet, None)
    }

    /// The failure of a group, which consists of other failures.
    #[cold]
    pub(super) fn of_group(
        holder: impl Holder,
        agreed: Agreed,
        at: &'static Location<'static>,
    ) -> Self {
        Failure::build(holder, Path::new(at), agreed.quiet, Some(agreed))
    }

    pub(crate) fn cancelled(
        reason: Option<BoxError>,
        quiet: bool,
        at: &'static Location<'static>,
    ) -> Self {
        Failure::build(Cancelled { reason }, Path::new(at), quiet, None)
    }

    /// For a Deferred whose failure nobody can see.
    pub(crate) fn unseen(at: &'static Location<'static>) -> Self {
        Failure::cancelled(None, true, at)
    }

    pub(crate) fn panicked(payload: Box<dyn Any + Send>, at: &'static Location<'static>) -> Self {
        Failure::build(PanicError::new(payload), Path::new(at), false, None)
    }

    fn build(holder: impl Holder, path: Path, quiet: bool, agreed: Option<Agreed>) -> Self {
        let path = Mutex::new(path);
        let inner = Arc::new(Inner {
            path,
            quiet,
            agreed,
            holder,
        });
        Failure { inner }
    }

    /// Returns the error.
    pub fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        self.inner.holder.error()
    }

    /// Returns whether the error, or one of its sources, is an `E`.
    pub fn is<E: Error + 'static>(&self) -> bool {
        self.check::<E>().is_some()
    }

    /// Returns the error, or the first of its sources, that is an `E`:
    /// Twisted's `Failure.check`.
    pub fn check<E: Error + 'static>(&self) -> Option<&E> {
        let mut next: Option<&(dyn Error + 'static)> = Some(self.error());
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<E>() {
                return Some(found);
            }
            next = error.source();
        }
        None
    }

    /// Returns the `E` that [`check`](Failure::check) finds, or this failure
    /// as the error, so that `?` sends it on: Twisted's `Failure.trap`.
    ///
    /// # Errors
    ///
    /// This failure, unchanged, if neither the error nor a source is an `E`.
    pub fn trap<E: Error + 'static>(self) -> Result<Trapped<E>, Failure> {
        Trapped::new(self)
    }

    /// Returns whether this is a [`Cancelled`], or a
    /// [`FailureGroup`](crate::FailureGroup) of nothing else.
    pub fn is_cancelled(&self) -> bool {
        match self.inner.agreed {
            Some(agreed) => agreed.cancelled,
            None => self.is_each::<Cancelled>(Failure::is_cancelled),
        }
    }

    /// Returns whether this is a [`TimedOut`], or a
    /// [`FailureGroup`](crate::FailureGroup) of nothing else.
    pub fn is_timed_out(&self) -> bool {
        match self.inner.agreed {
            Some(agreed) => agreed.timed_out,
            None => self.is_each::<TimedOut>(Failure::is_timed_out),
        }
    }

    /// Whether the error, or one of its sources, is an `E`, or a group of
    /// failures that are.
    fn is_each<E: Error + 'static>(&self, is: impl Fn(&Failure) -> bool) -> bool {
        let mut next: Option<&(dyn Error + 'static)> = Some(self.error());
        while let Some(error) = next {
            if error.is::<E>() {
                return true;
            }
            if let Some(group) = error.downcast_ref::<FailureGroup>() {
                return !group.failures.is_empty() && group.failures.iter().all(is);
            }
            next = error.source();
        }
        false
    }

    /// Returns whether this is a panic that was caught in a callback, a
    /// canceller, a coroutine, a thread or a task.
    pub fn is_panic(&self) -> bool {
        self.is::<PanicError>()
    }

    /// Returns whether this is a [`ResolverDropped`].
    pub fn is_resolver_dropped(&self) -> bool {
        self.is::<ResolverDropped>()
    }

    /// Returns the payload of the panic, to resume it elsewhere.
    ///
    /// There is one payload, and the first asker among the clones gets it.
    ///
    /// # Errors
    ///
    /// This failure, if it is no panic or the payload was taken before.
    pub fn into_panic(self) -> Result<Box<dyn Any + Send>, Failure> {
        let payload = self.check::<PanicError>().and_then(PanicError::take);
        payload.ok_or(self)
    }

    /// Returns the path this failure took up to now.
    pub fn trace(&self) -> Trace {
        self.path().into()
    }

    fn path(&self) -> Path {
        lock(&self.inner.path).clone()
    }

    #[inline(always)]
    pub(crate) fn note(&mut self, place: Place) {
        // The usual failure has one owner, and then no lock is needed.
        match Arc::get_mut(&mut self.inner) {
            Some(inner) => inner
                .path
                .get_mut()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .push(place),
            None => lock(&self.inner.path).push(place),
        }
    }

    /// Keeps the picture of a chain that this failure came through, for its
    /// `Debug`.
    pub(crate) fn came_through(&self, chain: Arc<Picture>) {
        lock(&self.inner.path).push_chain(chain);
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.inner.quiet
    }

    /// Moves the failures that this one consists of to `into`, if it is going
    /// to be dropped and has no clone.
    pub(super) fn release(&mut self, into: &mut Vec<Failure>) {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.holder.release(into);
        }
    }
}

/// The failure that `error` or a source of it carries.
fn carried<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Failure> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(carrier) = error.downcast_ref::<DeferredError>() {
            return Some(carrier.failure());
        }
        next = error.source();
    }
    None
}

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    #[track_caller]
    fn from(error: E) -> Self {
        Failure::from_error(error, Location::caller())
    }
}

impl From<Failure> for BoxError {
    fn from(failure: Failure) -> Self {
        Box::new(DeferredError::from(failure))
    }
}

impl Deref for Failure {
    type Target = dyn Error + Send + Sync + 'static;

    fn deref(&self) -> &Self::Target {
        self.error()
    }
}

impl AsRef<dyn Error + Send + Sync + 'static> for Failure {
    fn as_ref(&self) -> &(dyn Error + Send + Sync + 'static) {
        self.error()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.error(), f)
    }
}

/// How many causes `Debug` shows: groups of groups have as many as they have
/// levels.
const CAUSES_SHOWN: usize = 32;

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failure: {}", self.error())?;
        let mut source = self.error().source();
        for _ in 0..CAUSES_SHOWN {
            let Some(error) = source else { break };
            write!(f, "\n  caused by: {error}")?;
            source = error.source();
        }
        if source.is_some() {
            f.write_str("\n  ..")?;
        }
        let trace = self.trace();
        write!(f, "\n{trace}")?;
        for chain in trace.chains() {
            write!(f, "\n{chain}")?;
        }
        Ok(())
    }
}
