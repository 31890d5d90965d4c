//! Moving the later stages of a chain to a runtime.

use crate::chain::{Deferred, Resolver};
use crate::core::{CancelRequest, Delegate, Handle as ChainHandle};
use crate::failure::{Failure, catch_and_log};
use std::panic::Location;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Passes a cancel of the later part on to the earlier one.
struct Upstream(ChainHandle);

impl Delegate for Upstream {
    fn cancel(self: Arc<Self>, request: CancelRequest) {
        self.0.cancel(request);
    }
}

/// The result on its way. A runtime that goes away drops it in a task that
/// nobody looks at.
struct OnItsWay<T>(Option<Result<T, Failure>>);

impl<T> Drop for OnItsWay<T> {
    fn drop(&mut self) {
        let result = self.0.take();
        catch_and_log("the drop of a value", || drop(result));
    }
}

/// The task that goes on. Dropped by a runtime that shut down, it drops the
/// resolver, which says so.
async fn go_on<T: Send + 'static>(resolver: Resolver<T>, mut result: OnItsWay<T>) {
    if let Some(result) = result.0.take() {
        resolver.fire(result);
    }
}

impl<T: Send + 'static> Deferred<T> {
    /// Makes the stages added from here on run in a task of `handle`'s runtime,
    /// one task for the run, whoever fires.
    ///
    /// So a thread that fires, a driver's or a C library's, gets away at once,
    /// and long chains do not hold it up. Cancelling reaches the stages before.
    /// If the runtime is gone, the later stages get
    /// [`ResolverDropped`](crate::ResolverDropped).
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::Deferred;
    ///
    /// let runtime = tokio::runtime::Runtime::new().unwrap();
    /// let here = std::thread::current().id();
    /// let (resolver, d) = Deferred::new();
    /// let d = d.via(runtime.handle()).map(|()| std::thread::current().id());
    /// resolver.callback(());
    /// assert_ne!(runtime.block_on(d).unwrap(), here);
    /// ```
    #[track_caller]
    pub fn via(mut self, handle: &Handle) -> Deferred<T> {
        let upstream = Arc::new(Upstream(self.core_handle()));
        let (resolver, d) = Deferred::with_delegate(Location::caller(), upstream);
        let handle = handle.clone();
        self.end(move |result| {
            handle.spawn(go_on(resolver, OnItsWay(Some(result))));
        });
        d.fired_by("a task")
    }
}
