//! Performs conformance programs with the library and writes down what happens.
//!
//! A program is a list of operations on deferreds, semaphores, locks and queues
//! together with the trace that Twisted 26.10 leaves when it performs them. The
//! modules here read programs, map each operation to one call of the library's
//! public API, collect the trace and compare it. Nothing in them decides what a
//! cancel, a list or a queue does.

pub mod compare;
pub mod corpus;
pub mod program;
pub mod run;

mod ops;
mod parse;
mod stages;
mod unhandled;
pub mod value;
mod world;
