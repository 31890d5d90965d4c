//! Moving the later stages of a chain to a runtime, or to any other loop.
//!
//! The chain is cut in two. When the earlier part has its result, a [`Job`] is
//! posted that fires the later part with it: that is a hop. The [`Hop`] is shared
//! by the end of the earlier part, the job, and the cancels of the later part.
//!
//! Rules, by [`State`]:
//!
//! - *\[before\]* `Upstream`: a cancel of the later part goes on to the earlier one.
//!   If that runs a stage on another thread, the cancel looks again when the run
//!   is over: the result may have come here by then.
//! - *\[under way\]* `UnderWay`: the result is here and a job was posted. The job
//!   and a cancel may both end the hop; the one that takes the result and the
//!   resolver out does. So a cancel strikes also where the job is never run.
//! - *\[no lock over user code\]* Results are dropped, and the later part is fired,
//!   under no lock.

use super::failed_start::fail_start;
use crate::chain::{Deferred, Resolver};
use crate::core::{Attempt, CancelRequest, Delegate, Handle as ChainHandle};
use crate::failure::{Failure, NoRuntime, catch_and_log};
use crate::sync::lock;
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Mutex};
use tokio::runtime::Handle;

/// A [`Job`] was dropped without being run, so the stages behind
/// [`via_with`](Deferred::via_with) cannot run where they should.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, JobDropped, testing};
///
/// let d = Deferred::succeed(1).via_with(|job| drop(job));
/// assert!(testing::failure_of(d).is::<JobDropped>());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the job that runs the later stages was dropped")]
#[non_exhaustive]
pub struct JobDropped;

/// The later stages of a chain, on their way to where they run: see
/// [`Deferred::via_with`].
///
/// Dropped without being run, it fails those stages with [`JobDropped`], on the
/// thread that drops it.
#[must_use = "a Job that is dropped fails what follows with JobDropped"]
pub struct Job {
    hop: Arc<dyn Deliver>,
    is_run: bool,
    /// Makes the failure for the case that the job is dropped.
    lost: fn(&'static Location<'static>) -> Failure,
}

impl Job {
    /// Runs the later stages on this thread. No panic of theirs comes out of it.
    ///
    /// Does nothing if the Deferred was cancelled meanwhile.
    pub fn run(mut self) {
        self.is_run = true;
        self.hop.deliver(None);
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if !self.is_run {
            self.hop.deliver(Some(self.lost));
        }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").finish_non_exhaustive()
    }
}

/// A hop, whatever its value is.
trait Deliver: Send + Sync {
    /// Fires the later part, unless a cancel did: with the result, or with what
    /// `instead` makes.
    fn deliver(&self, instead: Option<fn(&'static Location<'static>) -> Failure>);
}

struct Hop<T: Send + 'static> {
    state: Mutex<State<T>>,
    made: &'static Location<'static>,
}

enum State<T: Send + 'static> {
    Upstream {
        cancel: ChainHandle,
        resolver: Resolver<T>,
    },
    UnderWay {
        result: Result<T, Failure>,
        resolver: Resolver<T>,
    },
    Over,
}

fn drop_result<T>(result: Result<T, Failure>) {
    catch_and_log("the drop of a value", || drop(result));
}

impl<T: Send + 'static> Hop<T> {
    /// Takes in the result of the earlier part.
    fn arrive(&self, result: Result<T, Failure>) {
        let mut state = lock(&self.state);
        match std::mem::replace(&mut *state, State::Over) {
            State::Upstream { cancel, resolver } => {
                *state = State::UnderWay { result, resolver };
                drop(state);
                drop(cancel);
            }
            State::UnderWay { .. } | State::Over => unreachable!("a chain has one result"),
        }
    }
}

impl<T: Send + 'static> Deliver for Hop<T> {
    fn deliver(&self, instead: Option<fn(&'static Location<'static>) -> Failure>) {
        let state = std::mem::replace(&mut *lock(&self.state), State::Over);
        let State::UnderWay { result, resolver } = state else {
            return;
        };
        match instead {
            None => resolver.fire(result),
            Some(lost) => {
                drop_result(result);
                fail_start(resolver, lost(self.made), self.made);
            }
        }
    }
}

impl<T: Send + 'static> Delegate for Hop<T> {
    fn cancel(self: Arc<Self>, mut request: CancelRequest) {
        loop {
            let mut state = lock(&self.state);
            let earlier = match &*state {
                State::Upstream { cancel, .. } => cancel.clone(),
                State::UnderWay { .. } => {
                    let state_then = std::mem::replace(&mut *state, State::Over);
                    drop(state);
                    if let State::UnderWay { result, resolver } = state_then {
                        drop_result(result);
                        resolver.fire(Err(request.into_failure()));
                    }
                    return;
                }
                State::Over => {
                    drop(state);
                    return request.give_up();
                }
            };
            drop(state);
            request = match earlier.attempt(request) {
                Attempt::Asked | Attempt::Ignored => return,
                // It brought its result here meanwhile.
                Attempt::Late(late) => late,
                Attempt::Running(stage) if stage.is_sender => return stage.request.give_up(),
                Attempt::Running(stage) => {
                    let again = |request| -> Box<dyn FnOnce() + Send> {
                        let hop = self.clone();
                        Box::new(move || hop.cancel(request))
                    };
                    match stage.chain.after_stage(stage.request, again) {
                        Ok(()) => return,
                        Err(back) => back,
                    }
                }
            };
        }
    }
}

/// # Stages: where they run
impl<T: Send + 'static> Deferred<T> {
    /// Makes the stages added from here on run in a task of `handle`'s runtime,
    /// one task for the run, whichever thread fires.
    ///
    /// So a thread that fires, a driver's or a C library's, gets away at once,
    /// and long chains do not hold it up.
    ///
    /// A cancel reaches the stages before. One that comes while the task is about
    /// to run takes effect at once: the later stages get
    /// [`Cancelled`](crate::Cancelled) on the thread that cancels, and the result
    /// is dropped there. So a cancel or a timeout also ends the wait for a runtime
    /// that never runs the task.
    ///
    /// # Errors
    ///
    /// If the runtime is gone, or shuts down before it runs the task, the later
    /// stages get [`NoRuntime`], on the thread that found out.
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
    pub fn via(self, handle: &Handle) -> Deferred<T> {
        let handle = handle.clone();
        let lost = |made| Failure::from_error(NoRuntime::shut_down(), made);
        let post = move |job: Job| drop(handle.spawn(async move { job.run() }));
        let made = Location::caller();
        self.pass_through(|d| d.hop(lost, "a task", made, post))
    }

    /// Makes the stages added from here on run where `post` sends them: on the
    /// loop of a GUI, on rayon, on a thread of one's own.
    ///
    /// `post` is called once, by the thread that brings the result, and gets a
    /// [`Job`]: the thread that [runs](Job::run) it runs the later stages. A panic
    /// in `post` drops the job.
    ///
    /// A cancel reaches the stages before. One that comes after `post` was called
    /// and before the job is run takes effect at once, on the thread that cancels;
    /// the job then does nothing.
    ///
    /// # Errors
    ///
    /// If the job is dropped, the later stages get [`JobDropped`], on the thread
    /// that drops it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use std::thread;
    /// use tokio_deferred::{Deferred, Job, testing};
    ///
    /// // A loop: it runs the jobs that it is sent.
    /// let (post, jobs) = mpsc::channel::<Job>();
    /// let (resolver, d) = Deferred::new();
    /// let d = d
    ///     .via_with(move |job| post.send(job).unwrap())
    ///     .map(|n: i32| (n + 1, thread::current().id()));
    /// thread::spawn(move || resolver.callback(1)).join().unwrap();
    ///
    /// jobs.into_iter().for_each(Job::run);
    /// assert_eq!(testing::success_of(d), (2, thread::current().id()));
    /// ```
    #[track_caller]
    pub fn via_with(self, post: impl FnOnce(Job) + Send + 'static) -> Deferred<T> {
        let lost = |made| Failure::from_error(JobDropped, made);
        let made = Location::caller();
        self.pass_through(|d| d.hop(lost, "a posted job", made, post))
    }

    fn hop(
        mut self,
        lost: fn(&'static Location<'static>) -> Failure,
        source: &'static str,
        made: &'static Location<'static>,
        post: impl FnOnce(Job) + Send + 'static,
    ) -> Deferred<T> {
        let cancel = self.core_handle();
        let hop = Arc::new(Hop {
            state: Mutex::new(State::Over),
            made,
        });
        let (resolver, d) = Deferred::with_delegate(made, hop.clone());
        let d = d.fired_by(source);
        *lock(&hop.state) = State::Upstream { cancel, resolver };
        self.end(move |result| {
            hop.arrive(result);
            let is_run = false;
            post(Job { hop, is_run, lost });
        });
        d
    }
}
