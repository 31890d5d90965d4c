//! Each future of the library, and coroutines that await them, dropped at each
//! of their await points: by hand, by a cancel, and by a runtime's end.
//!
//! A subject is a future and the events that let it go on, one after the other.
//! It is dropped after each number of polls that it can have; the events that
//! are left then happen all the same.

mod groups;
mod limits;
mod singles;
mod times;

use crate::runs::{run, runtime, watched, without_leak};
use crate::trial::{Kind, Trial};
use crate::user::{Task, Thing, Value};
use std::pin::Pin;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::task::yield_now;
use tokio_deferred::{CancelHandle, Deferred, DeferredError, Resolver};

type Body = Pin<Box<dyn Future<Output = ()> + Send>>;
type Event = Box<dyn FnOnce(&World)>;

/// What the events of a run can reach.
struct World {
    trial: Trial,
    runtime: Option<Runtime>,
}

/// A future and what happens to it.
struct Course {
    body: Body,
    events: Vec<Event>,
}

type Subject = fn(&World) -> Course;

impl Course {
    fn new(
        w: &World,
        body: impl Future<Output = Result<(), DeferredError>> + Send + 'static,
    ) -> Self {
        let thing = Thing::new(&w.trial, Kind::FutureDrop);
        let trial = w.trial.clone();
        Course {
            body: Box::pin(async move {
                trial.look_at(body.await);
                drop(thing);
            }),
            events: Vec::new(),
        }
    }

    fn then(mut self, event: impl FnOnce(&World) + 'static) -> Self {
        self.events.push(Box::new(event));
        self
    }
}

impl World {
    fn enter(&self) -> Option<tokio::runtime::EnterGuard<'_>> {
        self.runtime.as_ref().map(Runtime::enter)
    }

    /// Lets the tasks of the runtime do what they can.
    fn settle(&self) {
        if let Some(runtime) = &self.runtime {
            runtime.block_on(async {
                for _ in 0..16 {
                    yield_now().await;
                }
            });
        }
    }

    /// Fires, and drops what comes back.
    fn offer(&self, resolver: Resolver<Value>) {
        let refused = resolver.try_callback(self.trial.value());
        self.trial.own(|| drop(refused));
    }

    fn advance(&self, by: Duration) {
        if let Some(runtime) = &self.runtime {
            runtime.block_on(tokio::time::advance(by));
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// The body is polled and dropped by hand.
    Drop,
    /// It is a coroutine's, which is cancelled.
    Cancel,
    /// It is a coroutine's, whose runtime goes away.
    Shutdown,
}

/// One run: the end comes after `point` polls, or events.
fn undergo(trial: &Trial, subject: Subject, way: Way, point: usize) {
    // Who would hear of a panic is gone, mostly.
    trial.all_may_vanish();
    let mut world = World {
        trial: trial.clone(),
        runtime: Some(runtime(trial)),
    };
    let Course { body, events } = {
        let _entered = world.enter();
        subject(&world)
    };
    match way {
        Way::Drop => drop_by_hand(&world, body, events, point),
        Way::Cancel | Way::Shutdown => {
            let mut handle = {
                let _entered = world.enter();
                let mut d = Deferred::from_infallible(body);
                let handle = d.cancel_handle();
                trial.watch(d);
                Some(handle)
            };
            let end = |world: &mut World, handle: Option<CancelHandle>| match way {
                Way::Cancel => {
                    handle.iter().for_each(|handle| {
                        handle.cancel();
                    });
                }
                // Its threads are not waited for: an event lets them go on.
                _ => world
                    .runtime
                    .take()
                    .into_iter()
                    .for_each(Runtime::shutdown_background),
            };
            for (number, event) in events.into_iter().enumerate() {
                if number == point {
                    end(&mut world, handle.take());
                }
                world.settle();
                event(&world);
            }
            world.settle();
            if let Some(handle) = handle {
                end(&mut world, Some(handle));
            }
        }
    }
    world.settle();
}

fn drop_by_hand(world: &World, body: Body, events: Vec<Event>, point: usize) {
    let trial = &world.trial;
    let task = Task::new(trial);
    let mut body = Some(body);
    let mut events = events.into_iter();
    let mut polls = 0;
    loop {
        if polls == point {
            trial.own(|| drop(body.take()));
        }
        if let Some(future) = &mut body {
            let _entered = world.enter();
            let woken = task.was_woken();
            let polled = task.begin(future.as_mut());
            polls += 1;
            if polled.is_none_or(|polled| polled.is_ready()) {
                let awaited = polls > 1 && !woken && !trial.is_hit();
                assert!(!awaited, "ready after {polls} polls, but not woken");
                trial.own(|| drop(body.take()));
            }
        }
        world.settle();
        match events.next() {
            Some(event) => event(world),
            None if body.is_none() => return,
            None => {}
        }
        world.settle();
        assert!(polls < 100, "it never ends");
    }
}

/// Runs each of `subjects` for each way, and each point of its course.
#[track_caller]
fn examine(name: &str, threads: bool, subjects: &[(&'static str, Subject)]) {
    let (subjects, count) = (subjects.to_vec(), subjects.len());
    let runs = watched(name, false, move |reports| {
        for (name, subject) in subjects {
            for way in [Way::Drop, Way::Cancel, Way::Shutdown] {
                // One more than there can be: then it ends by itself.
                for point in 0..points(subject) {
                    let once = |armed| {
                        let run = || {
                            let trial = Trial::new(armed);
                            run(trial, name, |trial| undergo(trial, subject, way, point))
                        };
                        let verdict = if threads { run() } else { without_leak(run) };
                        let report = match &verdict.problems[..] {
                            [] => Ok(()),
                            all => {
                                let panicked = armed.zip(verdict.hit);
                                let all = all.join("; ");
                                Err(format!("{name}, {way:?} at {point}, {panicked:?}: {all}"))
                            }
                        };
                        let _ = reports.send(report);
                        verdict.sites.len()
                    };
                    for site in 0..once(None) {
                        once(Some(site));
                    }
                }
            }
        }
    });
    println!("{name}: {count} subjects, {runs} runs");
}

fn points(subject: Subject) -> usize {
    let trial = Trial::new(None);
    let world = World {
        runtime: Some(runtime(&trial)),
        trial,
    };
    let _entered = world.enter();
    subject(&world).events.len() + 3
}

macro_rules! subjects {
    ($($name:ident: $threads:expr, [$($module:ident::$subject:ident),* $(,)?];)*) => {
        $(#[test]
        fn $name() {
            let subjects: &[(&'static str, Subject)] =
                &[$((stringify!($subject), $module::$subject)),*];
            examine(stringify!($name), $threads, subjects);
        })*
    };
}

subjects! {
    drops_of_single_ones: false, [
        singles::pending_then_fired,
        singles::with_stages_and_a_returned_one,
        singles::cancel_on_drop,
        singles::awaited_by_reference_in_a_select,
        singles::cancelled_of_the_resolver,
        singles::coroutine_in_a_coroutine,
        singles::inline_callbacks_that_call_another,
        singles::via,
        singles::tokios_own,
    ];
    drops_of_limits: false, [
        limits::acquire,
        limits::acquire_many,
        limits::run_with_a_permit,
        limits::lock,
        limits::queue_get,
        limits::queue_get_with_a_stage,
        limits::filesystem_lock,
    ];
    drops_of_groups: false, [
        groups::gather,
        groups::list,
        groups::race,
        groups::join,
        groups::share,
        groups::map_over_items,
        groups::tasks,
    ];
    drops_of_times: false, [
        times::timeout,
        times::cancel_when,
        times::later,
        times::looping_call,
        times::when_done,
        times::iterate,
    ];
    drops_of_threads: true, [
        times::defer_to_thread,
    ];
}
