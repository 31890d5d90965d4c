//! What the compiler and its tools say about the source.

use anyhow::Result;
use xshell::cmd;

use crate::tools::Tools;

pub(crate) fn fmt(tools: &Tools) -> Result<()> {
    let sh = &tools.sh;
    cmd!(sh, "cargo fmt --all --check").run()?;
    cmd!(
        sh,
        "cargo fmt --check --manifest-path tests/fuzz/Cargo.toml"
    )
    .run()?;
    Ok(())
}

pub(crate) fn clippy(tools: &Tools) -> Result<()> {
    let sh = &tools.sh;
    cmd!(sh, "cargo clippy --workspace --all-targets -- -D warnings").run()?;
    Ok(())
}

pub(crate) fn doc(tools: &Tools) -> Result<()> {
    let sh = &tools.sh;
    let _flags = sh.push_env("RUSTDOCFLAGS", "-D warnings");
    cmd!(sh, "cargo doc --no-deps").run()?;
    // The private modules explain the core to those who change it. Their rules
    // stand in brackets, which are no links.
    let _flags = sh.push_env("RUSTDOCFLAGS", "-A rustdoc::broken-intra-doc-links");
    cmd!(sh, "cargo doc --no-deps --document-private-items").run()?;
    Ok(())
}
