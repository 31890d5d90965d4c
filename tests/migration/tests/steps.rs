//! Every program on the way from one stage of the migrate example to the next is
//! compiled, and does the same as the first one. `build.rs` writes them.

#![allow(
    unused,
    reason = "what a step no longer needs may go with the next one"
)]
#![allow(clippy::all, reason = "the steps are put together by a program")]

include!(concat!(env!("OUT_DIR"), "/steps.rs"));
