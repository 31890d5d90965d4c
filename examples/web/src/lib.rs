//! The program is in `main.rs`. This is here for the example on its page in the
//! guide, which `cargo test -p web` compiles and runs.

#![cfg_attr(doctest, doc = include_str!("../../../docs/examples/web.md"))]
