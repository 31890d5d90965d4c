//! Writes the steps between the stages of the migrate example, for `tests/steps.rs`.

use std::env;
use std::fs;
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=../../examples/migrate");
    let folder = env::var_os("OUT_DIR").expect("cargo sets it");
    let steps = Path::new(&folder).join("steps.rs");
    fs::write(steps, migration_steps::program()).expect("the folder can be written to");
}
