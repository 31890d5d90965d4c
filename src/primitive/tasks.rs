//! Lists of Tokio tasks.
//!
//! The tasks are in a `JoinSet`, and whoever ends one wakes [`Next`], which
//! fires the Deferred of that task: no task waits for the others, and no
//! runtime is needed but the one they run on. Only `Next` touches the set, so
//! a cancel of tasks that have no handle of their own leaves word for it.

use super::DeferredList;
use crate::bridge::{find_runtime, run_each, task_failure};
use crate::chain::{Deferred, Resolver};
use crate::failure::{Failure, NoRuntime, catch_and_log};
use futures::task::AtomicWaker;
use std::collections::HashMap;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::task::{Id, JoinError, JoinSet};

/// Whether the tasks are to be aborted, and who does it.
#[derive(Default)]
struct Abort {
    wanted: AtomicBool,
    next: AtomicWaker,
}

impl Abort {
    fn all(&self) {
        // ORDERING: Release: the one who is woken, or registers at the same
        // time, sees it; see AtomicWaker.
        if !self.wanted.swap(true, Ordering::Release) {
            self.next.wake();
        }
    }
}

/// The next task that ends: the set it was in, and what it came to.
struct Next<T> {
    set: Option<JoinSet<T>>,
    abort: Arc<Abort>,
}

type Ended<T> = Result<(Id, T), JoinError>;

impl<T: Send + 'static> Future for Next<T> {
    type Output = Option<(Self, Ended<T>)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.abort.next.register(cx.waker());
        let this = &mut *self;
        let Some(set) = &mut this.set else {
            return Poll::Ready(None);
        };
        // ORDERING: Acquire: as above.
        if this.abort.wanted.load(Ordering::Acquire) {
            set.abort_all();
        }
        set.poll_join_next_with_id(cx).map(|ended| {
            let ended = ended?;
            let (set, abort) = (this.set.take(), this.abort.clone());
            Some((Next { set, abort }, ended))
        })
    }
}

/// Fires with the result of each task the resolver that `whose` finds for it.
fn fire_each<T: Send + 'static>(
    set: JoinSet<T>,
    abort: Arc<Abort>,
    mut whose: impl FnMut(Id) -> Option<Resolver<T>> + Send + 'static,
    made: &'static Location<'static>,
) {
    let set = Some(set);
    run_each(Next { set, abort }, move |ended| {
        let (next, ended) = ended?;
        let (id, result) = match ended {
            Ok((id, value)) => (id, Ok(value)),
            Err(error) => (error.id(), Err(error)),
        };
        if let Some(resolver) = whose(id) {
            match result {
                // The canceller that aborted the task knows the reason.
                Err(error) if error.is_cancelled() && resolver.is_cancelled() => drop(resolver),
                result => resolver.fire(result.map_err(|error| task_failure(error, made))),
            }
        }
        Some(next)
    });
}

impl<T: Send + 'static> DeferredList<T> {
    /// Spawns each future as a Tokio task, in a `JoinSet`, and makes a list of
    /// them, in the order of the futures.
    ///
    /// A task that panics, or is aborted from elsewhere, is a failure in its
    /// place. Cancelling a child, as cancelling the list does with all of them,
    /// aborts its task and fails it with [`Cancelled`](crate::Cancelled) at
    /// once. Dropping the list, or its Deferred, leaves the tasks running.
    ///
    /// The tasks run on the current runtime, else on the default one; if there
    /// is none, each child fails with [`NoRuntime`].
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::DeferredList;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let list = DeferredList::spawn((1..=3).map(|n| async move {
    ///     assert!(n != 2, "two is too much");
    ///     n * 10
    /// }));
    /// let results = list.await.unwrap();
    /// assert_eq!(*results[0].as_ref().unwrap(), 10);
    /// assert!(results[1].as_ref().unwrap_err().is_panic());
    /// assert_eq!(*results[2].as_ref().unwrap(), 30);
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn<F>(futures: impl IntoIterator<Item = F>) -> Self
    where
        F: Future<Output = T> + Send + 'static,
    {
        let made = Location::caller();
        let mut children = Vec::new();
        let Ok(runtime) = find_runtime(None) else {
            for future in futures {
                catch_and_log("the drop of a future without a task", || drop(future));
                let failure = Failure::from_error(NoRuntime::not_found(), made);
                children.push(Deferred::ready(Err(failure), made));
            }
            return DeferredList::of(children, made);
        };
        let mut set = JoinSet::new();
        let mut resolvers = HashMap::new();
        for future in futures {
            let task = set.spawn_on(future, &runtime);
            let id = task.id();
            let (resolver, child) = Deferred::with_canceller(move || {
                task.abort();
                None
            });
            resolvers.insert(id, resolver);
            children.push(child.fired_by("a task"));
        }
        fire_each(set, Arc::default(), move |id| resolvers.remove(&id), made);
        DeferredList::of(children, made)
    }

    /// Makes a list of the tasks of a `JoinSet`, in the order in which they
    /// end.
    ///
    /// As [`spawn`](DeferredList::spawn) in all else. It needs no runtime but
    /// the one that the tasks are on.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::DeferredList;
    /// use tokio::task::JoinSet;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut tasks = JoinSet::new();
    /// tasks.spawn(async {
    ///     tokio::task::yield_now().await;
    ///     "slow"
    /// });
    /// tasks.spawn(async { "quick" });
    /// let results = DeferredList::from_join_set(tasks).await.unwrap();
    /// assert_eq!(*results[0].as_ref().unwrap(), "quick");
    /// assert_eq!(*results[1].as_ref().unwrap(), "slow");
    /// # }
    /// ```
    #[track_caller]
    pub fn from_join_set(tasks: JoinSet<T>) -> Self {
        let made = Location::caller();
        let abort = Arc::new(Abort::default());
        let mut children = Vec::with_capacity(tasks.len());
        let mut resolvers = Vec::with_capacity(tasks.len());
        for _ in 0..tasks.len() {
            let abort = abort.clone();
            // Children are cancelled all together, or all that are left.
            let (resolver, child) = Deferred::with_canceller(move || {
                abort.all();
                None
            });
            resolvers.push(resolver);
            children.push(child.fired_by("a task"));
        }
        let mut in_order = resolvers.into_iter();
        fire_each(tasks, abort, move |_| in_order.next(), made);
        DeferredList::of(children, made)
    }
}
