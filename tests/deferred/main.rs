//! The Deferred itself, an axis a module.

mod asking;
mod awaiting;
mod cancel;
mod cancel_while_running;
mod convert;
mod coroutine;
mod coroutine_awaits;
mod coroutine_ends;
mod coroutine_inline;
mod errors;
mod handles;
mod order;
mod panics;
mod pause;
mod returned;
mod shared_resolver;
mod spans;
mod starting;
mod traces;
mod unhandled;
mod waiting;
