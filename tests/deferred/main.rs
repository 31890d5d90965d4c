//! The Deferred itself, an axis a module.

mod awaiting;
mod cancel;
mod cancel_while_running;
mod convert;
mod coroutine;
mod coroutine_ends;
mod errors;
mod handles;
mod order;
mod panics;
mod pause;
mod returned;
mod spans;
mod traces;
mod unhandled;
