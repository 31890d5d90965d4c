//! What the tests of local chains share.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::thread::{self, ThreadId};
use tokio_deferred::Failure;
use tokio_deferred::local::LocalDeferred;

/// Lines in the order in which they were written.
#[derive(Clone, Default)]
pub(crate) struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub(crate) fn add(&self, line: impl Into<String>) {
        self.0.borrow_mut().push(line.into());
    }

    #[track_caller]
    pub(crate) fn assert(&self, lines: &[&str]) {
        assert_eq!(self.0.take(), lines);
    }
}

#[track_caller]
pub(crate) fn value_of<T: std::fmt::Debug + 'static>(d: LocalDeferred<T>) -> T {
    d.try_result().expect("it fired").expect("it has a value")
}

#[track_caller]
pub(crate) fn failure_of<T: std::fmt::Debug + 'static>(d: LocalDeferred<T>) -> Failure {
    d.try_result().expect("it fired").expect_err("it failed")
}

/// Says where it is dropped, and panics if that is another thread than the one
/// that made it.
pub(crate) struct Here {
    thread: ThreadId,
    // Not `Send`, as what users have.
    _rc: Rc<()>,
}

impl Here {
    pub(crate) fn new() -> Self {
        Here {
            thread: thread::current().id(),
            _rc: Rc::new(()),
        }
    }

    #[track_caller]
    pub(crate) fn check(&self) {
        assert_eq!(self.thread, thread::current().id());
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        if self.thread != thread::current().id() {
            eprintln!("a value of a local chain was dropped on another thread");
            std::process::abort();
        }
    }
}

/// Waits once for a wake by the waker that it puts into `place`.
pub(crate) async fn wait_for_wake(place: Rc<RefCell<Option<Waker>>>) {
    let mut is_first = true;
    poll_fn(|cx| {
        if std::mem::take(&mut is_first) {
            *place.borrow_mut() = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}
