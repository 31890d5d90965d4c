//! The failure itself.

use super::group::Agreed;
use super::holder::{self, Boxed, Holder, Inner, Plain};
use super::panic::PanicError;
use super::trace::{Path, Picture, Place, Trace};
use super::{BoxError, Cancelled, DeferredError, FailureGroup, ResolverDropped, TimedOut, Trapped};
use std::any::Any;
use std::error::Error;
use std::fmt;
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// An error on its way down a chain of callbacks: Twisted's `Failure`.
///
/// It holds any `std::error::Error`, is cheap to clone, derefs to the error, and
/// remembers where it was raised and which way it took: `Debug` prints that
/// [`Trace`], and the diagrams of those chains that were made while
/// [debugging was on](crate::debug::set_debugging). Clones share the error; each
/// goes its own way from there on.
///
/// `Display` prints the error, and `{:#}` the error and its sources, in one line.
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
///
/// An error enum of one's own takes failures with a `From` of a few lines, which
/// gives the errors that it knows back by value:
///
/// ```
/// use std::io;
/// use tokio_deferred::{Deferred, DeferredError, Failure};
///
/// #[derive(Debug, thiserror::Error)]
/// enum MailError {
///     #[error("the disk failed")]
///     Disk(#[source] io::Error),
///     #[error("the mail was not sent")]
///     Other(#[source] DeferredError),
/// }
///
/// impl From<Failure> for MailError {
///     fn from(failure: Failure) -> Self {
///         match failure.downcast() {
///             Ok(disk) => MailError::Disk(disk),
///             Err(other) => MailError::Other(other.into()),
///         }
///     }
/// }
///
/// impl From<DeferredError> for MailError {
///     fn from(error: DeferredError) -> Self {
///         error.into_failure().into()
///     }
/// }
///
/// async fn send(stored: Deferred<()>) -> Result<(), MailError> {
///     Ok(stored.await?)
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let full = Deferred::fail(io::Error::other("disk full"));
/// assert!(matches!(send(full).await, Err(MailError::Disk(_))));
/// # }
/// ```
#[derive(Clone)]
pub struct Failure {
    inner: Arc<Inner<dyn Holder>>,
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
            Err(error) => Failure::raised(Boxed(Some(error)), at),
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
        debug_assert!(error.is_some(), "only a DeferredError is taken out");
        Failure::raised(Plain(error), at)
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

    /// The failure of an operation that answered the cancel of its timeout with
    /// `answer`, whose path it goes on.
    #[cold]
    pub(crate) fn timed_out(after: Duration, answer: Failure) -> Self {
        let path = answer.path();
        let error = TimedOut::answered(after, answer);
        Failure::build(Plain(Some(error)), path, false, None)
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
        Failure::build(
            Plain(Some(Cancelled { reason })),
            Path::new(at),
            quiet,
            None,
        )
    }

    /// One that is not reported if nobody handles it.
    pub(crate) fn quiet(
        error: impl Error + Send + Sync + 'static,
        at: &'static Location<'static>,
    ) -> Self {
        Failure::build(Plain(Some(error)), Path::new(at), true, None)
    }

    /// Makes it one that is reported if nobody handles it, unless a clone of it is
    /// elsewhere.
    pub(crate) fn reported(mut self) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.quiet = false;
        }
        self
    }

    /// For a Deferred whose failure nobody can see.
    pub(crate) fn unseen(at: &'static Location<'static>) -> Self {
        Failure::cancelled(None, true, at)
    }

    pub(crate) fn panicked(payload: Box<dyn Any + Send>, at: &'static Location<'static>) -> Self {
        let error = PanicError::new(payload);
        Failure::build(Plain(Some(error)), Path::new(at), false, None)
    }

    fn build(holder: impl Holder, path: Path, quiet: bool, agreed: Option<Agreed>) -> Self {
        let inner = Arc::new(Inner {
            path,
            quiet,
            agreed,
            holder,
        });
        Failure { inner }
    }

    /// Returns the error.
    #[must_use]
    pub fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        self.inner.holder.error()
    }

    /// Returns whether the error, or one of its sources, is an `E`.
    #[must_use]
    pub fn is<E: Error + 'static>(&self) -> bool {
        self.check::<E>().is_some()
    }

    /// Returns the error, or the first of its sources, that is an `E`:
    /// Twisted's `Failure.check`.
    #[must_use]
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

    /// Returns the error, or the first of its sources, that is an `E`; the same as
    /// [`check`](Failure::check), under the name that errors in Rust have for it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io;
    /// use tokio_deferred::Failure;
    ///
    /// let failure = Failure::new(io::Error::from(io::ErrorKind::NotFound));
    /// assert_eq!(failure.downcast_ref::<io::Error>().unwrap().kind(), io::ErrorKind::NotFound);
    /// ```
    #[must_use]
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.check::<E>()
    }

    /// Returns the error itself, if it is an `E` and this failure has no clones.
    ///
    /// A failure has no clones unless somebody cloned it: the library does so only
    /// where one failure goes to several consumers, as
    /// [`share`](crate::Deferred::share) does. An error that is only among the
    /// sources of another error stays where it is; [`check`](Failure::check)
    /// finds it.
    ///
    /// # Errors
    ///
    /// This failure, unchanged.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io;
    /// use tokio_deferred::{Deferred, testing};
    ///
    /// let d = Deferred::<()>::fail(io::Error::other("disk full"));
    /// let error: io::Error = testing::failure_of(d).downcast().unwrap();
    /// assert_eq!(error.to_string(), "disk full");
    /// ```
    pub fn downcast<E: Error + 'static>(mut self) -> Result<E, Failure> {
        holder::take(&mut self.inner).ok_or(self)
    }

    /// Returns this failure: what code calls that was written for a
    /// [`DeferredError`], which has the same methods.
    #[must_use]
    pub fn failure(&self) -> &Failure {
        self
    }

    /// Returns this failure, as [`DeferredError::into_failure`] does.
    #[must_use]
    pub fn into_failure(self) -> Failure {
        self
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
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        match self.inner.agreed {
            Some(agreed) => agreed.cancelled,
            None => self.is_each::<Cancelled>(Failure::is_cancelled),
        }
    }

    /// Returns whether this is a [`TimedOut`], or a
    /// [`FailureGroup`](crate::FailureGroup) of nothing else.
    #[must_use]
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
    #[must_use]
    pub fn is_panic(&self) -> bool {
        self.is::<PanicError>()
    }

    /// Returns whether this is a [`ResolverDropped`].
    #[must_use]
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
    #[must_use]
    pub fn trace(&self) -> Trace {
        self.path().into()
    }

    /// The newest place of the path.
    pub(super) fn last_place(&self) -> Place {
        self.inner.path.last()
    }

    fn path(&self) -> Path {
        self.inner.path.clone()
    }

    /// The path, which is no other failure's: see the rules of `holder`.
    #[inline(always)]
    fn own_path(&mut self) -> &mut Path {
        if Arc::strong_count(&self.inner) != 1 {
            self.branch();
        }
        let inner = Arc::get_mut(&mut self.inner);
        &mut inner.expect("it has one owner").path
    }

    #[cold]
    #[inline(never)]
    fn branch(&mut self) {
        self.inner = Arc::new(Inner::branch(&self.inner));
    }

    #[inline(always)]
    pub(crate) fn note(&mut self, place: Place) {
        self.own_path().push(place);
    }

    /// Keeps the picture of a chain that this failure came through, for its
    /// `Debug`.
    pub(crate) fn came_through(&mut self, chain: Arc<Picture>) {
        self.own_path().push_chain(chain);
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
        fmt::Display::fmt(self.error(), f)?;
        if f.alternate() {
            write_sources(self.error(), f)?;
        }
        Ok(())
    }
}

/// Writes the sources of `error` behind it, in one line.
fn write_sources(error: &dyn Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut source = error.source();
    for _ in 0..CAUSES_SHOWN {
        let Some(error) = source else { return Ok(()) };
        write!(f, ": {error}")?;
        source = error.source();
    }
    f.write_str(if source.is_some() { ": .." } else { "" })
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
