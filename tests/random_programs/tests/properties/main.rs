//! Random programs on one thread, compared with the sequential model; and the
//! model, compared with Twisted.

/// How many of the recorded programs are worth their time.
const RECORDED: usize = if cfg!(miri) { 10 } else { usize::MAX };

mod faithful;
mod generate;
mod kept;
mod random;
mod shrink;
