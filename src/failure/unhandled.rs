//! The report of a failure that nobody handled.
//!
//! A report goes to the innermost capture of this thread, else to the hook,
//! else to `tracing`, else (no subscriber in this thread) to stderr.

use super::panic::is_heard;
use super::{Failure, catch_and_log};
use crate::sync::lock;
use std::cell::RefCell;
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Mutex};

/// A failure that nobody handled, and the Deferred it was found in.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, testing};
///
/// let reports = testing::capture_unhandled(|| {
///     drop(Deferred::<()>::fail("out of paper").label("print"));
/// });
/// assert_eq!(reports[0].label(), Some("print"));
/// assert_eq!(reports[0].made_at().file(), file!());
/// assert_eq!(reports[0].failure().to_string(), "out of paper");
/// ```
#[derive(Clone)]
pub struct Unhandled {
    failure: Failure,
    made: &'static Location<'static>,
    label: Option<&'static str>,
}

impl Unhandled {
    /// Returns the failure.
    pub fn failure(&self) -> &Failure {
        &self.failure
    }

    /// Returns where the Deferred was made.
    pub fn made_at(&self) -> &'static Location<'static> {
        self.made
    }

    /// Returns the Deferred's label, if it had one.
    pub fn label(&self) -> Option<&'static str> {
        self.label
    }
}

impl fmt::Debug for Unhandled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unhandled failure in the Deferred made at {}", self.made)?;
        if let Some(label) = self.label {
            write!(f, " ({label})")?;
        }
        write!(f, ": {:?}", self.failure)
    }
}

type Hook = Arc<dyn Fn(&Unhandled) + Send + Sync>;

static HOOK: Mutex<Option<Hook>> = Mutex::new(None);

thread_local! {
    static CAPTURES: RefCell<Vec<Arc<Mutex<Vec<Unhandled>>>>> = const { RefCell::new(Vec::new()) };
}

/// Sends the reports of unhandled failures to `hook` from now on, in place of
/// `tracing` and stderr, and returns whether another hook was replaced.
///
/// It runs on the thread that let the failure go, once for each failure, under
/// no lock; it may use Deferreds. A panic in it is caught.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
/// use tokio_deferred::{Deferred, debug};
///
/// let (tx, rx) = mpsc::channel();
/// debug::set_unhandled_hook(move |report| {
///     let _ = tx.send(report.failure().to_string());
/// });
/// drop(Deferred::<()>::fail("nobody saw this"));
/// assert_eq!(rx.recv().unwrap(), "nobody saw this");
/// ```
pub fn set_unhandled_hook(hook: impl Fn(&Unhandled) + Send + Sync + 'static) -> bool {
    let hook: Hook = Arc::new(hook);
    let old = lock(&HOOK).replace(hook);
    let replaced = old.is_some();
    // The old hook is a user's value: its drop runs after the lock.
    catch_and_log("the drop of an unhandled-failure hook", || drop(old));
    replaced
}

/// A function that the reports of unhandled failures go to; see
/// [`take_unhandled_hook`].
pub type UnhandledHook = Box<dyn Fn(&Unhandled) + Send + Sync>;

/// Takes the hook away that [`set_unhandled_hook`] set, and returns it: reports
/// go to `tracing` or stderr again.
///
/// The hook can be set again, alone or inside of another one, as that of
/// [`std::panic::take_hook`] can.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
/// use tokio_deferred::{Deferred, debug};
///
/// let (tx, rx) = mpsc::channel();
/// debug::set_unhandled_hook(move |report| tx.send(report.failure().to_string()).unwrap());
///
/// // A hook around it:
/// let inner = debug::take_unhandled_hook().unwrap();
/// assert!(debug::take_unhandled_hook().is_none());
/// debug::set_unhandled_hook(move |report| {
///     if !report.failure().is_cancelled() {
///         inner(report);
///     }
/// });
/// let (_resolver, d) = Deferred::<()>::new();
/// d.cancel();
/// drop(d);
/// drop(Deferred::<()>::fail("nobody saw this"));
/// assert_eq!(rx.recv().unwrap(), "nobody saw this");
/// ```
pub fn take_unhandled_hook() -> Option<UnhandledHook> {
    let hook = lock(&HOOK).take()?;
    Some(Box::new(move |report| hook(report)))
}

/// Collects this thread's reports while it lives.
pub(crate) struct Capture(Arc<Mutex<Vec<Unhandled>>>);

impl Capture {
    pub(crate) fn start() -> Self {
        let reports = Arc::new(Mutex::new(Vec::new()));
        CAPTURES.with_borrow_mut(|all| all.push(reports.clone()));
        Capture(reports)
    }

    pub(crate) fn take(&self) -> Vec<Unhandled> {
        std::mem::take(&mut lock(&self.0))
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = CAPTURES.try_with(|all| all.borrow_mut().retain(|c| !Arc::ptr_eq(c, &self.0)));
    }
}

#[cold]
pub(crate) fn report(
    failure: Failure,
    made: &'static Location<'static>,
    label: Option<&'static str>,
) {
    if failure.is_quiet() {
        catch_and_log("the drop of an error", || drop(failure));
        return;
    }
    let unhandled = Unhandled {
        failure,
        made,
        label,
    };
    // A thread that is going away has no captures any more.
    let capture = CAPTURES.try_with(|all| all.borrow().last().cloned());
    if let Ok(Some(reports)) = capture {
        lock(&reports).push(unhandled);
        return;
    }
    super::audit::unhandled(&unhandled);
    let hook = lock(&HOOK).clone();
    #[cfg(tokio_deferred_break)]
    if let Some(hook) = &hook
        && crate::fault_injection::strikes(crate::fault_injection::Fault::DoubleRun)
    {
        hook(&unhandled);
    }
    catch_and_log("the report of an unhandled failure", || match &hook {
        Some(hook) => hook(&unhandled),
        None => announce(&unhandled),
    });
    // The error is a user's value, and so is a hook that was replaced meanwhile.
    catch_and_log("the drop of an error", || drop((unhandled, hook)));
}

fn announce(unhandled: &Unhandled) {
    if !is_heard() {
        eprintln!("{unhandled:?}");
        return;
    }
    tracing::error!(
        target: "tokio_deferred::unhandled",
        error = format_args!("{:#}", unhandled.failure),
        label = unhandled.label,
        raised_at = %unhandled.failure.trace().raised_at(),
        made_at = %unhandled.made,
        "unhandled failure in a Deferred",
    );
}
