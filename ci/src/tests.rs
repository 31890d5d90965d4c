//! The tests, as a user would run them.

use anyhow::{Context, Result};
use serde_json::Value as Json;
use xshell::cmd;

use crate::tools::Tools;

/// The package that runs the commands of the guide; [`examples`] does.
const DOCUMENTED: &str = "documented";

/// Seconds after which tests hang.
const LIMIT: u32 = 1200;

/// The command that the README names.
pub(crate) fn readme(tools: &Tools) -> Result<()> {
    let sh = &tools.sh;
    tools.require("python3", "python3")?;
    tools.require("cc", "gcc")?;
    let limit = &tools.limit(LIMIT);
    cmd!(sh, "env {limit...} cargo test").run()?;
    Ok(())
}

/// All packages that [`readme`] leaves out.
pub(crate) fn workspace(tools: &Tools) -> Result<()> {
    let sh = &tools.sh;
    tools.require("python3", "python3")?;
    tools.require("cc", "gcc")?;
    tools.require("ab", "apache2-utils")?;
    tools.require("wrk", "wrk")?;
    let mut left_out = vec!["--exclude".to_owned(), DOCUMENTED.to_owned()];
    for package in default_members(tools)? {
        left_out.extend(["--exclude".to_owned(), package]);
    }
    let limit = &tools.limit(LIMIT);
    cmd!(sh, "env {limit...} cargo test --workspace {left_out...}").run()?;
    Ok(())
}

/// The example on glib's main loop.
pub(crate) fn gio(tools: &Tools) -> Result<()> {
    let sh = &tools.sh;
    tools.require("glib-compile-resources", "libglib2.0-dev")?;
    let (manifest, limit) = ("examples/gio/Cargo.toml", &tools.limit(LIMIT));
    let target = tools.target.join("gio");
    cmd!(sh, "cargo fmt --check --manifest-path {manifest}").run()?;
    cmd!(
        sh,
        "env {limit...} cargo test --manifest-path {manifest} --target-dir {target}"
    )
    .run()?;
    Ok(())
}

/// The names of the packages that cargo takes where none is named.
fn default_members(tools: &Tools) -> Result<Vec<String>> {
    let sh = &tools.sh;
    let metadata = cmd!(sh, "cargo metadata --no-deps --format-version 1")
        .quiet()
        .read()?;
    let metadata: Json = serde_json::from_str(&metadata)?;
    let members = metadata["workspace_default_members"].as_array();
    let members = members.context("cargo lists the default members")?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo lists the packages")?;
    Ok(packages
        .iter()
        .filter(|package| members.contains(&package["id"]))
        .filter_map(|package| package["name"].as_str().map(str::to_owned))
        .collect())
}

/// The commands that the guide shows, and what they print.
pub(crate) fn examples(tools: &Tools) -> Result<()> {
    let sh = &tools.sh;
    tools.require("curl", "curl")?;
    let limit = &tools.limit(LIMIT);
    cmd!(sh, "env {limit...} cargo test --package {DOCUMENTED}").run()?;
    Ok(())
}
