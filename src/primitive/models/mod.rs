//! Models of what is built on the core, for the model checker: their locks and
//! the core's atomics, with every interleaving of a few operations.
//!
//! They run with those of the core; see there.

#[cfg(test)]
mod cancel_scope;
mod event;
#[cfg(test)]
mod group;
mod queue;
mod resolver_map;
mod set;
mod share;
mod wait_queue;
