//! A chain that is fired and holds no result.

use super::types::{Consumer, EmptyChain};
use crate::core::engine::after_stage::Calls;
use crate::core::engine::run::run;
use crate::core::engine::wait::wait;
use crate::core::memory::info::ChainInfo;
use crate::core::memory::ptr::ChainPtr;
use crate::core::state::AtomicState;
use crate::failure::Failure;
use std::panic::Location;

impl EmptyChain {
    /// Makes one, with one reference, at rest.
    pub(crate) fn new(made: &'static Location<'static>) -> Self {
        let chain = ChainPtr::make::<()>(AtomicState::empty(), ChainInfo::new(made));
        if let Some(watch) = chain.block().info.watch() {
            watch.fired();
        }
        EmptyChain::from_ptr(chain)
    }

    pub(in crate::core) fn info(&self) -> &ChainInfo {
        &self.chain().block().info
    }

    /// Whether no pause holds the chain up, and the thread that dropped the last
    /// pause has left it.
    pub(in crate::core) fn is_at_rest(&self) -> bool {
        self.chain().state().load().is_at_rest()
    }

    /// Puts a result in, which the pauses of the chain then hold up.
    pub(crate) fn put<T>(self, result: Result<T, Failure>) -> Consumer<T> {
        let chain = self.into_ptr();
        // SAFETY: the slot is empty, and no runner reads it before a record
        // follows: an unpause finds none ([one writer]).
        unsafe { chain.put_result(result) };
        Consumer::new(chain)
    }

    /// Makes the chain, at rest and not paused, wait for `inner`.
    pub(crate) fn wait_for<T>(self, inner: Consumer<T>) -> Consumer<T> {
        let chain = self.into_ptr();
        chain.state().run_from_rest();
        // SAFETY: [rest]: we may run it; the slot is empty. The reference added is
        // the run's.
        unsafe {
            let mut calls = Calls::new();
            if let Some(next) = wait(chain, inner.into_ptr(), &mut calls) {
                run(next);
            }
            calls.make();
        }
        Consumer::new(chain)
    }
}
