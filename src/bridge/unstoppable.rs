//! Work that goes on after its Deferred was cancelled, and what it still needs.
//!
//! A call on a thread cannot be stopped. If it was made under a permit, and its
//! Deferred is cancelled, the Deferred fails at once; the permit must not come
//! back before the call is over, or more calls would run than are allowed. By
//! the Deferred alone nobody can tell that work goes on. So whoever holds
//! something for a job calls it in [`note_work`], where unstoppable work that is
//! started leaves word ([`Work::start`]), and then leaves what it holds to that
//! work as well.
//!
//! Work that the job starts later, in a callback or after its first `.await`, is
//! not noted.

use crate::sync::lock;
use std::any::Any;
use std::cell::RefCell;
use std::sync::{Arc, Mutex};

thread_local! {
    /// The work that was started in the innermost job that is being called here.
    static NOTED: RefCell<Option<Vec<Work>>> = const { RefCell::new(None) };
}

/// Work that cannot be stopped once it has begun. Clones are the same work.
#[derive(Clone)]
pub(crate) struct Work(Arc<Mutex<State>>);

enum State {
    /// What is to be dropped when the work is over.
    Running(Vec<Box<dyn Any + Send>>),
    Over,
}

impl Work {
    /// Notes that work is started, if someone holds something for it.
    pub(crate) fn start() -> Option<WorkGuard> {
        let start = |noted: &RefCell<Option<Vec<Work>>>| {
            let mut noted = noted.borrow_mut();
            let noted = noted.as_mut()?;
            let work = Work(Arc::new(Mutex::new(State::Running(Vec::new()))));
            noted.push(work.clone());
            Some(WorkGuard(work))
        };
        NOTED.try_with(start).ok().flatten()
    }

    /// Drops `held` when the work is over: now, if it is.
    pub(crate) fn hold(&self, held: impl Any + Send) {
        let mut state = lock(&self.0);
        if let State::Running(all) = &mut *state {
            all.push(Box::new(held));
            return;
        }
        drop(state);
        drop(held);
    }
}

/// The work is over when this is dropped.
pub(crate) struct WorkGuard(Work);

impl Drop for WorkGuard {
    fn drop(&mut self) {
        let state = std::mem::replace(&mut *lock(&self.0.0), State::Over);
        drop(state);
    }
}

/// Ends the notes of one job, also if it panics: those around it get them too.
struct Notes {
    outer: Option<Vec<Work>>,
}

impl Notes {
    fn end(&mut self) -> Vec<Work> {
        let outer = self.outer.take();
        let end = |noted: &RefCell<Option<Vec<Work>>>| {
            let mut noted = noted.borrow_mut();
            let own = std::mem::replace(&mut *noted, outer).unwrap_or_default();
            if let Some(outer) = noted.as_mut() {
                outer.extend(own.iter().cloned());
            }
            own
        };
        NOTED.try_with(end).unwrap_or_default()
    }
}

impl Drop for Notes {
    fn drop(&mut self) {
        self.end();
    }
}

/// Calls `job`, and returns with its value the unstoppable work that it started.
pub(crate) fn note_work<R>(job: impl FnOnce() -> R) -> (R, Vec<Work>) {
    let Ok(outer) = NOTED.try_with(|noted| noted.replace(Some(Vec::new()))) else {
        return (job(), Vec::new());
    };
    let mut notes = Notes { outer };
    let value = job();
    let work = notes.end();
    std::mem::forget(notes);
    (value, work)
}
