//! The loop of this thread: where a local coroutine goes on that something
//! else than a local chain wakes.

use crate::failure::{NoRuntime, discard};
use futures::task::{LocalFutureObj, LocalSpawn};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use tokio::runtime::Handle;

thread_local! {
    static SPAWNER: RefCell<Option<Rc<dyn LocalSpawn>>> = const { RefCell::new(None) };
}

/// Sets the loop of this thread: local coroutines, timeouts and results from
/// other threads that have to wait are spawned there from now on. Returns the
/// one that was set before.
///
/// Loops that are made for futures have a [`LocalSpawn`]: glib's
/// `MainContext`, the `LocalSpawner` of `futures::executor::LocalPool`; for
/// others it takes a few lines. On a Tokio `LocalSet` or `LocalRuntime` it
/// need not be set.
///
/// # Examples
///
/// ```
/// use futures::executor::LocalPool;
/// use std::rc::Rc;
/// use tokio_deferred::{Deferred, local::{self, LocalDeferred}};
///
/// let mut pool = LocalPool::new();
/// local::set_spawner(pool.spawner());
///
/// let (resolver, from_afar) = Deferred::new();
/// let d = from_afar.into_local().map(Rc::new);
/// std::thread::spawn(move || resolver.callback(7)).join().unwrap();
/// assert!(!d.is_fired()); // the other thread ran nothing of it
/// assert_eq!(*pool.run_until(d).unwrap(), 7);
/// ```
pub fn set_spawner(spawner: impl LocalSpawn + 'static) -> Option<Rc<dyn LocalSpawn>> {
    let spawner: Rc<dyn LocalSpawn> = Rc::new(spawner);
    // On a thread that is going away nothing is spawned any more.
    let old = SPAWNER.try_with(|place| place.replace(Some(spawner)));
    old.ok().flatten()
}

/// Spawns `future` on the loop of this thread: the one that was set, else the
/// current `LocalSet` or `LocalRuntime` of Tokio.
///
/// # Errors
///
/// If there is none, or it takes no more tasks. The future was dropped then.
pub(super) fn spawn(future: impl Future<Output = ()> + 'static) -> Result<(), NoRuntime> {
    let spawner = SPAWNER.try_with(|place| place.borrow().clone());
    let spawned = match spawner.ok().flatten() {
        Some(spawner) => {
            let future = LocalFutureObj::new(Box::new(future));
            catch_unwind(AssertUnwindSafe(|| spawner.spawn_local_obj(future).is_ok()))
        }
        None if Handle::try_current().is_err() => return Err(NoRuntime::no_loop()),
        // Tokio has no other way to ask whether there is a LocalSet.
        None => catch_unwind(AssertUnwindSafe(|| {
            tokio::task::spawn_local(future);
            true
        })),
    };
    match spawned {
        Ok(true) => Ok(()),
        Ok(false) => Err(NoRuntime::no_loop()),
        Err(payload) => {
            discard(payload);
            Err(NoRuntime::no_loop())
        }
    }
}
