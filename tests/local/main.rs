//! Deferreds that stay on one thread.

mod auto_traits;
mod chains;
mod coroutine;
mod hop;
mod limits;
mod loops;
mod support;
mod thread_ends;
