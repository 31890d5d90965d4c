//! Programs as bytes: what the fuzzer changes.
//!
//! Any bytes are a sequence of operations; those that break a rule are left to
//! the model to take out. Where the bytes end there are zeros, and each number is
//! taken modulo what there is to choose from, so that most changes of one byte
//! change one detail.

pub mod decode;
pub mod encode;

/// Names are below this, in a program as bytes.
const NAMES: u8 = 24;

/// Actions within actions go this deep.
const DEPTH: usize = 4;

/// How many operations one action has, or children a list, less than.
const WIDTH: u8 = 8;

/// How many operations a program has at most.
const LENGTH: usize = 96;
