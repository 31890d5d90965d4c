//! What the checks stand on: a shell, and tools that may be missing.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

/// Why a check was not made; it is no failure.
#[derive(Debug)]
pub(crate) struct LeftOut(String);

impl std::fmt::Display for LeftOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "left out: {}", self.0)
    }
}

impl std::error::Error for LeftOut {}

/// Ends a check that cannot be made, whether `CI` is set or not.
pub(crate) fn left_out(reason: impl Into<String>) -> anyhow::Error {
    LeftOut(reason.into()).into()
}

/// A shell in the root of the repository, and what is known about the machine.
pub(crate) struct Tools {
    pub(crate) sh: Shell,
    /// Where cargo builds.
    pub(crate) target: PathBuf,
    /// The target that the compiler builds for.
    pub(crate) host: String,
    /// Whether missing tools are installed, and what is impossible fails.
    ci: bool,
}

impl Tools {
    pub(crate) fn new() -> Result<Self> {
        let sh = Shell::new()?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("this package is a folder of the repository")?;
        sh.change_dir(root);
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
        let rustc = cmd!(sh, "rustc -vV").quiet().read()?;
        let host = rustc.lines().find_map(|line| line.strip_prefix("host: "));
        Ok(Self {
            target: root.join(target),
            host: host.context("rustc says what it builds for")?.to_owned(),
            ci: env::var_os("CI").is_some_and(|ci| !ci.is_empty()),
            sh,
        })
    }

    /// Says that a check cannot be made: a failure if `CI` is set.
    pub(crate) fn impossible(&self, reason: impl Into<String>) -> anyhow::Error {
        match self.ci {
            true => anyhow::anyhow!(reason.into()),
            false => left_out(reason),
        }
    }

    /// Makes sure that there is a program, which a package of Debian's has.
    pub(crate) fn require(&self, program: &str, package: &str) -> Result<()> {
        let sh = &self.sh;
        if has(program) {
            return Ok(());
        }
        if self.ci && has("apt-get") {
            let sudo: &[&str] = match cmd!(sh, "id -u").quiet().read()?.as_str() {
                "0" => &[],
                _ => &["sudo"],
            };
            cmd!(sh, "env {sudo...} apt-get update -q").quiet().run()?;
            cmd!(
                sh,
                "env {sudo...} apt-get install -qy --no-install-recommends {package}"
            )
            .env("DEBIAN_FRONTEND", "noninteractive")
            .run()?;
        }
        match has(program) {
            true => Ok(()),
            false => Err(self.impossible(format!("{program} is missing"))),
        }
    }

    /// Makes sure that cargo has a command of its own, as `cargo fuzz`.
    pub(crate) fn require_cargo(&self, command: &str) -> Result<()> {
        let sh = &self.sh;
        if self.ci && !self.has_cargo(command) {
            let package = format!("cargo-{command}");
            let tools = self.target.join("tools");
            cmd!(sh, "cargo install --locked --target-dir {tools} {package}").run()?;
        }
        match self.has_cargo(command) {
            true => Ok(()),
            false => Err(self.impossible(format!("cargo-{command} is missing"))),
        }
    }

    pub(crate) fn has_cargo(&self, command: &str) -> bool {
        has(&format!("cargo-{command}"))
    }

    pub(crate) fn require_nightly(&self) -> Result<()> {
        let sh = &self.sh;
        let found = cmd!(sh, "cargo +nightly --version").quiet().ignore_stderr();
        match found.read() {
            Ok(_) => Ok(()),
            Err(_) => Err(self.impossible("the nightly toolchain is missing")),
        }
    }

    /// Asks rustup for a component of the nightly toolchain, and says whether it
    /// is there now. Where rustup cannot reach its server, it is not.
    pub(crate) fn nightly_component(&self, component: &str) -> bool {
        let arguments = ["component", "add", component, "--toolchain", "nightly"];
        self.rustup(&arguments)
    }

    /// Says whether the library of the standard compiler for `target` is there,
    /// and asks rustup for it if it is not.
    pub(crate) fn target_library(&self, target: &str) -> bool {
        let sh = &self.sh;
        let is_there = || {
            let folder = cmd!(sh, "rustc --print target-libdir --target {target}").quiet();
            folder
                .read()
                .is_ok_and(|folder| Path::new(&folder).exists())
        };
        is_there() || (self.rustup(&["target", "add", target]) && is_there())
    }

    fn rustup(&self, arguments: &[&str]) -> bool {
        let sh = &self.sh;
        if !self.ci || !has("rustup") {
            return false;
        }
        let limit = &self.limit(60);
        cmd!(sh, "env {limit...} rustup {arguments...}")
            .run()
            .is_ok()
    }

    /// Words to put before a command that is to end within so many seconds:
    /// deadlocks are to fail, not to last.
    pub(crate) fn limit(&self, seconds: u32) -> Vec<String> {
        match has("timeout") {
            true => ["timeout", "--kill-after=10", &seconds.to_string()]
                .map(str::to_owned)
                .into(),
            false => vec!["env".to_owned()],
        }
    }
}

/// Whether there is such a program on the path.
pub(crate) fn has(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Fails, saying `what`, if `holds` is false.
pub(crate) fn ensure(holds: bool, what: impl std::fmt::Display) -> Result<()> {
    if !holds {
        bail!("{what}");
    }
    Ok(())
}
