//! Pauses.

use super::block::{ChainPtr, Transition};
use super::run::run;
use super::state::{PAUSE, REF, RUNNING, State};

/// One pause of a chain; its drop undoes it, and if it was the last one runs
/// what was held up.
pub(crate) struct PauseGuard(ChainPtr);

// SAFETY: as for Handle: only the atomic state is used, and what runs at an
// unpause is Send.
unsafe impl Send for PauseGuard {}
// SAFETY: through a shared one nothing can be done.
unsafe impl Sync for PauseGuard {}

impl PauseGuard {
    pub(super) fn new(chain: ChainPtr) -> Self {
        chain.update(|s| Transition::To(s.with_pause().with_ref().0));
        PauseGuard(chain)
    }
}

impl Drop for PauseGuard {
    fn drop(&mut self) {
        let chain = self.0;
        let runs = |s: State| s.has_last_pause() && s.is_idle();
        let (state, _) = chain.update(|s| {
            if runs(s) {
                Transition::To((s.0 - PAUSE) | RUNNING)
            } else if s.is_sole() {
                // We free it below; nobody else can change it.
                Transition::Abort
            } else {
                Transition::To(s.0 - PAUSE - REF)
            }
        });
        if runs(state) {
            // SAFETY: we set RUNNING, our reference is the run's, and a chain
            // that is fired and idle has its value in the slot or no record.
            unsafe { run(chain) }
        } else if state.is_sole() {
            chain.release(1, PAUSE);
        }
    }
}
