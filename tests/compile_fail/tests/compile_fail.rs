//! What must not compile does not, and the compiler's words help.
//!
//! The expected messages are those of one version of rustc, as others word
//! them differently: elsewhere the test says so and does nothing. A new
//! version needs `TRYBUILD=overwrite cargo test --test compile_fail`, a look at
//! the difference, and its number here.

#![cfg(not(miri))]

use std::process::Command;

const RECORDED_WITH: &str = "rustc 1.95.";

#[test]
fn mistakes_are_explained() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output();
    let version = String::from_utf8(output.expect("rustc runs").stdout).expect("text");
    if !version.starts_with(RECORDED_WITH) {
        println!("left out: the messages are those of {RECORDED_WITH}x, this is {version}");
        return;
    }
    let cases = trybuild::TestCases::new();
    cases.compile_fail("cases/*.rs");
    // It also makes this a build, and no check:
    // so the dependencies are built for both.
    cases.pass("pass/corrected.rs");
}
