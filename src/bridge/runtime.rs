//! Which Tokio runtime is used: the one given, else the current one, else the
//! one remembered by the caller, else the default.

use crate::failure::NoRuntime;
use crate::sync::lock;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::runtime::{EnterGuard, Handle};
use tokio::task::JoinHandle;

static DEFAULT: Mutex<Option<Handle>> = Mutex::new(None);
static IS_SET: AtomicBool = AtomicBool::new(false);

/// Sets the runtime for what has to wait where none is current: callbacks that
/// run on the threads of a C library, of rayon, of a file watcher.
///
/// It is used after an explicit handle, the current runtime, and the one that
/// was current when [`inline_callbacks`](crate::inline_callbacks()) wrapped a
/// function. It does not keep the runtime alive. Returns the one that was set
/// before, so that a test can put it back.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, set_default_runtime};
///
/// let runtime = tokio::runtime::Runtime::new().unwrap();
/// set_default_runtime(runtime.handle());
/// // No runtime is current here, and the coroutine has to wait.
/// let d = Deferred::from_infallible(async {
///     tokio::task::yield_now().await;
///     7
/// });
/// assert_eq!(runtime.block_on(d).unwrap(), 7);
/// ```
pub fn set_default_runtime(handle: &Handle) -> Option<Handle> {
    let old = lock(&DEFAULT).replace(handle.clone());
    // ORDERING: Release: who sees the flag finds a handle.
    IS_SET.store(true, Ordering::Release);
    old
}

fn default_runtime() -> Option<Handle> {
    // ORDERING: Acquire: see above.
    if IS_SET.load(Ordering::Acquire) {
        lock(&DEFAULT).clone()
    } else {
        None
    }
}

/// Returns the current runtime, else `remembered`, else the default.
///
/// # Errors
///
/// If there is none.
pub(crate) fn find_runtime(remembered: Option<&Handle>) -> Result<Handle, NoRuntime> {
    Handle::try_current()
        .ok()
        .or_else(|| remembered.cloned())
        .or_else(default_runtime)
        .ok_or_else(NoRuntime::not_found)
}

/// Returns the runtime to enter before a first poll, if none is current.
pub(crate) fn runtime_to_enter(remembered: Option<&Handle>) -> Option<Handle> {
    // Most programs set no default, and then there is nothing to look for.
    // ORDERING: as above.
    if remembered.is_none() && !IS_SET.load(Ordering::Acquire) {
        return None;
    }
    match Handle::try_current() {
        Ok(_) => None,
        // Nothing can be entered here: see `enter`.
        Err(error) if error.is_thread_local_destroyed() => None,
        Err(_) => remembered.cloned().or_else(default_runtime),
    }
}

/// Enters `runtime` on this thread, unless the thread is ending and Tokio's
/// thread-locals are gone: there Tokio would panic.
pub(crate) fn enter(runtime: &Handle) -> Option<EnterGuard<'_>> {
    match Handle::try_current() {
        Err(error) if error.is_thread_local_destroyed() => None,
        _ => Some(runtime.enter()),
    }
}

/// Spawns `future` where [`find_runtime`] says.
///
/// # Errors
///
/// The future, if there is no runtime.
pub(crate) fn spawn_or<F>(
    remembered: Option<&Handle>,
    future: F,
) -> Result<JoinHandle<F::Output>, (F, NoRuntime)>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    match find_runtime(remembered) {
        Ok(runtime) => Ok(runtime.spawn(future)),
        Err(none) => Err((future, none)),
    }
}
