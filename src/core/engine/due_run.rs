//! Runs that wait until the runner of this thread has time for them.
//!
//! The end of one chain may fire another: a list fires when its last child
//! does, and may itself be the child of a list. Fired from inside the end of
//! the child, each level would take stack. So the end of a chain returns the
//! run of the chain that it fired, and the loop that ran the one goes on with
//! the other. Where more is to do after that run (a shared result has more
//! subscribers), it is kept with it, and done when the run is over: in the
//! order in which nested calls would have done it, without the nesting.

use super::run::run;
use crate::core::memory::ptr::ChainPtr;
use crate::core::memory::record::{After, Flow};
use std::mem::ManuallyDrop;

/// The run of a chain that was fired, for the one who runs already: who fires
/// a chain at the end of another hands it on in place of running it himself, so
/// that any number of them in a row needs no stack. Dropped, it runs.
#[must_use]
pub(crate) struct DueRun {
    /// We are its runner, with a reference.
    chain: Option<ChainPtr>,
    /// What is to be done when that run is over.
    then: Option<Then>,
}

type Then = Box<dyn FnOnce() -> DueRun>;

impl DueRun {
    /// No chain was fired.
    pub(crate) const NONE: DueRun = DueRun {
        chain: None,
        then: None,
    };

    /// # Safety
    ///
    /// The caller is the runner of `chain`, which is ready to run, and hands
    /// its reference over.
    pub(crate) unsafe fn of(chain: ChainPtr) -> Self {
        DueRun {
            chain: Some(chain),
            then: None,
        }
    }

    /// This run, and `then` when it is over.
    pub(crate) fn and_then(mut self, then: impl FnOnce() -> DueRun + 'static) -> Self {
        if self.chain.is_none() {
            return then();
        }
        debug_assert!(self.then.is_none(), "one thing follows a run");
        self.then = Some(Box::new(then));
        self
    }

    /// This run, or that one, if there is but one of them.
    pub(crate) fn or(self, other: DueRun) -> Self {
        match self.chain {
            None => other,
            // The other one, if there is one, runs by its drop.
            Some(_) => self,
        }
    }

    /// What a runner does next.
    pub(crate) fn into_flow(self) -> Flow {
        let mut this = ManuallyDrop::new(self);
        match (this.chain, this.then.take()) {
            (None, _) => Flow::Finished,
            (Some(chain), None) => Flow::Fired(chain),
            (Some(chain), Some(then)) => Flow::FiredThen(Box::new(After {
                chain,
                then: Box::new(move || then().into_flow()),
                outer: None,
            })),
        }
    }
}

impl From<()> for DueRun {
    fn from((): ()) -> Self {
        DueRun::NONE
    }
}

impl Drop for DueRun {
    fn drop(&mut self) {
        let Some(chain) = self.chain.take() else {
            return;
        };
        // SAFETY: we are its runner, and the reference is the run's.
        unsafe { run(chain) };
        let mut then = self.then.take();
        while let Some(next) = then {
            let mut due = next();
            then = due.then.take();
            if let Some(chain) = due.chain.take() {
                // SAFETY: as above.
                unsafe { run(chain) };
            }
        }
    }
}
