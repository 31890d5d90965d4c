//! What is to be done after a run, as a stack that the runner keeps: see
//! [`due_run`](super::due_run), which fills it.

use crate::core::memory::ptr::ChainPtr;
use crate::core::memory::record::{After, Flow};
use crate::failure::catch_and_log;

impl After {
    /// Puts this on top of `stack`, and returns the chain to run first.
    pub(crate) fn push(mut self: Box<Self>, stack: &mut Option<Box<After>>) -> ChainPtr {
        self.outer = stack.take();
        let chain = self.chain;
        *stack = Some(self);
        chain
    }

    /// Does what comes next, and returns the chain that is to run, if there is
    /// one.
    pub(crate) fn pop(stack: &mut Option<Box<After>>) -> Option<ChainPtr> {
        while let Some(after) = stack.take() {
            let After { then, outer, .. } = *after;
            *stack = outer;
            let mut flow = Flow::Finished;
            catch_and_log("what follows a run", || flow = then());
            match flow {
                Flow::Fired(chain) => return Some(chain),
                Flow::FiredThen(after) => return Some(after.push(stack)),
                _ => {}
            }
        }
        None
    }
}
