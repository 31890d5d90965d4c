//! Random programs on one thread, compared with the sequential model; and the
//! model, compared with Twisted.

#[path = "../fuzz/codec/mod.rs"]
mod codec;
#[path = "../model/mod.rs"]
mod model;
#[allow(dead_code)] // Corpora are read here, and replayed elsewhere.
#[path = "../../examples/replay/replayer/mod.rs"]
mod replayer;

/// How many of the recorded programs are worth their time.
const RECORDED: usize = if cfg!(miri) { 10 } else { usize::MAX };

mod faithful;
mod generate;
mod kept;
mod random;
mod shrink;
