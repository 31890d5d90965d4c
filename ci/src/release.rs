//! Whether the library can be published, and what it may depend on.

use anyhow::{Context, Result};
use xshell::cmd;

use crate::tools::{Tools, left_out};

pub(crate) fn package(tools: &Tools) -> Result<()> {
    let sh = &tools.sh;
    // What is not committed is packaged too: a check while working is to pass.
    cmd!(
        sh,
        "cargo package --package tokio-deferred-macros --package tokio-deferred --allow-dirty"
    )
    .run()?;
    Ok(())
}

/// A target with 32-bit pointers, one without threads, one without 64-bit
/// atomics.
const TARGETS: [&str; 3] = [
    "i686-unknown-linux-gnu",
    "wasm32-unknown-unknown",
    "powerpc-unknown-linux-gnu",
];

pub(crate) fn targets(tools: &Tools) -> Result<()> {
    let sh = &tools.sh;
    let mut missing = Vec::new();
    for target in TARGETS {
        if tools.target_library(target) {
            cmd!(
                sh,
                "cargo check --package tokio-deferred --lib --target {target}"
            )
            .run()?;
        } else {
            missing.push(target);
        }
    }
    match missing.is_empty() {
        true => Ok(()),
        false => Err(left_out(format!("no library for {}", missing.join(", ")))),
    }
}

pub(crate) fn wasm(tools: &Tools) -> Result<()> {
    const TARGET: &str = "wasm32-unknown-unknown";
    let sh = &tools.sh;
    if !tools.target_library(TARGET) {
        return Err(left_out(format!("no library for {TARGET}")));
    }
    tools.require("node", "nodejs")?;
    let (manifest, folder) = ("tests/wasm/Cargo.toml", tools.target.join("wasm"));
    cmd!(sh, "cargo fmt --check --manifest-path {manifest}").run()?;
    cmd!(
        sh,
        "cargo build --manifest-path {manifest} --target {TARGET} --target-dir {folder}"
    )
    .run()?;
    let module = folder.join(TARGET).join("debug/wasm_test.wasm");
    cmd!(sh, "node tests/wasm/run.mjs {module}").run()?;
    Ok(())
}

pub(crate) fn deny(tools: &Tools) -> Result<()> {
    let sh = &tools.sh;
    if !tools.has_cargo("deny") {
        return Err(left_out(
            "cargo-deny is missing; the workflow has a job for it",
        ));
    }
    cmd!(sh, "cargo deny check bans licenses sources").run()?;
    cmd!(sh, "cargo deny fetch db")
        .run()
        .map_err(|_| left_out("the database of advisories is out of reach"))?;
    cmd!(sh, "cargo deny check --disable-fetch advisories")
        .run()
        .context("advisories")
}
