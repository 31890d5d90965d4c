//! Putting faults in, and looking whether their tests fail.
//!
//! First every test has to pass without a fault. Then a fault counts as caught if
//! the library with it still compiles, and its test fails or does not end.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};
use xshell::cmd;

use super::{Fault, Kind, Test, list};
use crate::proof::{MEMCHECK, programs};
use crate::tools::{Tools, ensure};

/// Seconds after which a test hangs.
const LIMIT: u32 = 120;

/// What `timeout` ends with when it has ended something.
const TIMED_OUT: [i32; 2] = [124, 137];

/// Tries all faults, or those that are named, and prints a table.
pub(crate) fn run(tools: &Tools, names: &[String]) -> Result<ExitCode> {
    let mut faults = list(&tools.sh.current_dir())?;
    if let Some(unknown) = names
        .iter()
        .find(|name| !faults.iter().any(|f| f.name == **name))
    {
        bail!("there is no fault {unknown}");
    }
    faults.retain(|fault| names.is_empty() || names.contains(&fault.name));
    let copy = Checkout::copy(tools)?;
    let mut wrong = Vec::new();
    // By kind and program, so that each is built once.
    for test in faults
        .iter()
        .map(|fault| &fault.check)
        .collect::<BTreeSet<_>>()
    {
        match copy.failure_of(test) {
            Ok(None) => {}
            Ok(Some(how)) => wrong.push(format!("{test}: fails without a fault: {how}")),
            Err(error) => wrong.push(format!("{test}: {error:#}")),
        }
    }
    ensure(wrong.is_empty(), wrong.join("\n"))?;
    println!("| fault | check | how it is caught | seconds |\n|---|---|---|---:|");
    for fault in &faults {
        let began = Instant::now();
        let how = match copy.try_fault(fault) {
            Ok(Some(how)) => how.replace('|', "/"),
            Ok(None) => {
                wrong.push(format!("{}: not caught", fault.name));
                "NOT CAUGHT".to_owned()
            }
            Err(error) => {
                wrong.push(format!("{}: {error:#}", fault.name));
                "NOT TRIED".to_owned()
            }
        };
        let seconds = began.elapsed().as_secs();
        println!("| {} | {} | {how} | {seconds} |", fault.name, fault.check);
    }
    println!("{} of {} caught", faults.len() - wrong.len(), faults.len());
    ensure(wrong.is_empty(), wrong.join("\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// A copy of the checkout, where faults do no harm.
struct Checkout<'a> {
    tools: &'a Tools,
    root: PathBuf,
}

impl<'a> Checkout<'a> {
    /// Copies what git knows or would take. It is always the same place, and what
    /// is the same keeps its time: a second run builds only what has changed.
    fn copy(tools: &'a Tools) -> Result<Self> {
        let sh = &tools.sh;
        let (from, root) = (sh.current_dir(), tools.target.join("faults"));
        let listed = cmd!(sh, "git ls-files --cached --others --exclude-standard")
            .quiet()
            .read()?;
        let wanted: HashSet<PathBuf> = listed
            .lines()
            .map(PathBuf::from)
            .filter(|name| from.join(name).is_file())
            .collect();
        for name in wanted
            .iter()
            .map(PathBuf::as_path)
            .chain([Path::new("Cargo.lock")])
        {
            let (source, target) = (from.join(name), root.join(name));
            let text = fs::read(&source)?;
            if fs::read(&target).ok().as_ref() != Some(&text) {
                fs::create_dir_all(target.parent().context("a file is in a folder")?)?;
                fs::write(target, text)?;
            }
        }
        remove_others(&root, &root, &wanted)?;
        Ok(Self { tools, root })
    }

    /// Says how the test of `fault` fails with it; nothing if it passes.
    fn try_fault(&self, fault: &Fault) -> Result<Option<String>> {
        let text = fault.apply(&self.root)?;
        let how = self.failure_of(&fault.check);
        fs::write(self.root.join(&fault.file), text)?;
        how
    }

    /// Says how `test` fails; nothing if it passes.
    fn failure_of(&self, test: &Test) -> Result<Option<String>> {
        let sh = &self.tools.sh;
        let program = self.build(test)?;
        let memcheck: &[&str] = match test.kind {
            Kind::Valgrind => &MEMCHECK,
            _ => &[],
        };
        let (limit, name) = (&self.tools.limit(LIMIT), &test.name);
        let _there = sh.push_dir(&self.root);
        let output = cmd!(
            sh,
            "env {limit...} {memcheck...} {program} --exact {name} --test-threads=1"
        )
        .quiet()
        .ignore_status()
        .output()?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        if output.status.success() {
            ensure(
                said.contains(" 1 passed"),
                format!("there is no test {name}"),
            )?;
            return Ok(None);
        }
        Ok(Some(match output.status.code() {
            Some(code) if TIMED_OUT.contains(&code) => "does not end".to_owned(),
            // A shell's way to say that a signal ended a program.
            Some(code) if code > 128 => "crashes".to_owned(),
            None => format!(
                "crashes by signal {}",
                output.status.signal().unwrap_or_default()
            ),
            Some(_) => reason(&said),
        }))
    }

    /// Builds the program of `test`, and returns its path.
    fn build(&self, test: &Test) -> Result<String> {
        let sh = &self.tools.sh;
        let (program, target) = (&test.program, &self.tools.target);
        let (options, target, flags) = match test.kind {
            Kind::Unit => (vec!["--lib"], target.clone(), ""),
            Kind::Model => (
                vec!["--lib", "--release"],
                target.join("loom"),
                "--cfg tokio_deferred_loom",
            ),
            Kind::Integration | Kind::Valgrind => (vec!["--test", program], target.clone(), ""),
        };
        let _there = sh.push_dir(&self.root);
        let mut build = cmd!(
            sh,
            "cargo test --quiet --no-run --message-format json-render-diagnostics --target-dir {target} {options...}"
        )
        .quiet()
        .ignore_stderr()
        .env("CARGO_INCREMENTAL", "1");
        if !flags.is_empty() {
            build = build.env("RUSTFLAGS", flags);
        }
        let built = programs(build).map_err(|_| anyhow!("it does not compile"))?;
        built.into_iter().last().context("cargo built a program")
    }
}

/// Removes what is left of older copies below `folder`.
fn remove_others(folder: &Path, root: &Path, wanted: &HashSet<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.strip_prefix(root)?;
        if path.is_dir() {
            remove_others(&path, root, wanted)?;
        } else if !wanted.contains(name) && name != Path::new("Cargo.lock") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// The first line of a panic's message, or of what valgrind says.
fn reason(said: &str) -> String {
    let mut lines = said.lines();
    while let Some(line) = lines.next() {
        if line.contains("panicked at ") {
            return lines.next().unwrap_or("panics").trim().to_owned();
        }
        if let Some((process, what)) = line
            .strip_prefix("==")
            .and_then(|line| line.split_once("== "))
            && !process.is_empty()
            && !what.trim().is_empty()
        {
            return what.trim().to_owned();
        }
    }
    "fails".to_owned()
}
