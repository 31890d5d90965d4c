//! Pauses.

use crate::core::engine::run::run;
use crate::core::memory::ptr::ChainPtr;
use crate::core::state::Unpause;

/// One pause of a chain; its drop undoes it, and if it was the last one runs
/// what was held up.
pub(crate) struct PauseGuard(ChainPtr);

// SAFETY: as for Handle: only the atomic state is used, and what runs at an
// unpause is Send.
unsafe impl Send for PauseGuard {}
// SAFETY: through a shared one nothing can be done.
unsafe impl Sync for PauseGuard {}

impl PauseGuard {
    /// By the owner of the consumer.
    pub(in crate::core) fn new(chain: ChainPtr) -> Self {
        chain.state().pause();
        PauseGuard(chain)
    }
}

impl Drop for PauseGuard {
    fn drop(&mut self) {
        match self.0.state().unpause() {
            Unpause::Nothing => {}
            // SAFETY: [one runner]: the unpause made us the runner, with our
            // reference; a fired chain that runs no more has its value in the slot,
            // or no record.
            Unpause::Run => unsafe { run(self.0) },
            // SAFETY: [references]: ours is the last one.
            Unpause::Last => unsafe { self.0.free() },
        }
    }
}
