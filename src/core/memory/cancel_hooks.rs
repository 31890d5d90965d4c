//! What an unfired chain's slot holds for the case of a cancel, and the cancel
//! itself on its way.

use super::slot::Slot;
use crate::failure::{BoxError, Failure, catch_and_log};
use std::any::Any;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::task::Waker;

/// A cancel on its way.
pub(crate) struct CancelRequest {
    pub(crate) reason: Option<BoxError>,
    /// Whether the failure it makes is reported if nobody handles it.
    pub(crate) quiet: bool,
    pub(crate) at: &'static Location<'static>,
}

impl CancelRequest {
    /// The cancel of what nobody is going to look at any more: what comes of it
    /// is not reported.
    pub(crate) fn unwanted(at: &'static Location<'static>) -> Self {
        CancelRequest {
            reason: None,
            quiet: true,
            at,
        }
    }

    pub(crate) fn into_failure(self) -> Failure {
        Failure::cancelled(self.reason, self.quiet, self.at)
    }

    /// Drops it, where it comes to nothing.
    pub(crate) fn give_up(self) {
        catch_and_log("the drop of the reason of a cancel", || drop(self));
    }
}

/// Cancels what will fire a Deferred, as often as it is asked to while the
/// Deferred is unfired; the Deferred itself is left alone.
pub(crate) trait Delegate: Send + Sync {
    fn cancel(self: Arc<Self>, request: CancelRequest);

    /// The Deferred was dropped, unfired and with nothing on it: nobody will
    /// see its result.
    fn unseen(&self) {}
}

/// Puts what a canceller returned into the slot.
pub(crate) type Answer = Box<dyn FnOnce(&mut Slot) + Send>;

pub(crate) type Canceller = Box<dyn FnOnce() -> Option<Answer> + Send>;

// They are put into the slot under `LOCKED`, so they must not be boxed.
const _: () = assert!(Slot::<3>::fits::<CancelHooks>());

/// What an unfired chain's slot holds for the case of a cancel.
pub(crate) enum CancelHooks {
    /// Each cancel is passed on, and nothing else is to be called.
    Delegate(Arc<dyn Delegate>),
    /// The first cancel calls these, and each is passed on, if there is a
    /// delegate.
    Calls(Box<CancelCalls>),
}

/// What a cancel calls, and a fire drops uncalled.
#[derive(Default)]
pub(crate) struct CancelCalls {
    /// The first cancel calls it, and it decides.
    pub(crate) canceller: Option<Canceller>,
    /// Each cancel is passed on to it, in place of a canceller.
    pub(crate) delegate: Option<Arc<dyn Delegate>>,
    pub(crate) tell: Tell,
}

/// What tells the producer of the first cancel.
#[derive(Default)]
pub(crate) struct Tell {
    /// Newest first.
    pub(crate) hooks: Option<Box<Hook>>,
    /// Of the producer that awaits a cancel.
    pub(crate) waker: Option<Waker>,
}

/// One function of the producer's, and those that were added before it.
pub(crate) struct Hook {
    pub(crate) call: Box<dyn FnOnce() + Send>,
    pub(crate) older: Option<Box<Hook>>,
}

impl Drop for Tell {
    /// Drops the functions one by one: a list of any length needs no stack.
    fn drop(&mut self) {
        let mut next = self.hooks.take();
        let mut panicked = None;
        while let Some(mut hook) = next {
            next = hook.older.take();
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(hook))) {
                panicked = Some(payload);
            }
        }
        if let Some(payload) = panicked {
            // To who drops this, for whom it is the chain's result.
            resume_unwind(payload);
        }
    }
}

impl Tell {
    /// Tells the producer. Returns the panic of a hook, if one panicked.
    pub(crate) fn run(mut self) -> Result<(), Box<dyn Any + Send>> {
        let mut result = Ok(());
        let mut oldest = None;
        let mut hook = self.hooks.take();
        while let Some(mut this) = hook {
            hook = this.older.take();
            this.older = oldest;
            oldest = Some(this);
        }
        while let Some(this) = oldest {
            let Hook { call, older } = *this;
            oldest = older;
            if let Err(payload) = catch_unwind(AssertUnwindSafe(call)) {
                result = Err(payload);
            }
        }
        if let Some(waker) = self.waker.take() {
            catch_and_log("a waker", || waker.wake());
        }
        result
    }
}

impl CancelCalls {
    /// Tells the producer, then asks the canceller.
    pub(crate) fn run(self) -> Result<Option<Answer>, Box<dyn Any + Send>> {
        let CancelCalls {
            canceller, tell, ..
        } = self;
        let told = tell.run();
        match canceller.map(|canceller| catch_unwind(AssertUnwindSafe(canceller))) {
            Some(Ok(answer)) => told.map(|()| answer),
            Some(Err(payload)) => Err(payload),
            None => told.map(|()| None),
        }
    }
}
