//! Deliberate faults: `ci/faults.toml` lists changes of the source, and the test
//! that has to notice each.
//!
//! [`trial`] puts one after the other into a copy of this checkout and looks
//! whether its test fails. That takes long; what runs every time is [`check`],
//! which finds the entries that are not about this code any more.

pub(crate) mod trial;

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;

use crate::tools::Tools;

/// One change of the source, and the test that has to notice.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    pub(crate) name: String,
    /// The file that is changed.
    pub(crate) file: String,
    before: String,
    after: String,
    pub(crate) check: Test,
}

/// How a test is built and run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A test of the library's own.
    Unit,
    /// A test of the library's own, under the model checker.
    Model,
    /// A test of a test program.
    Integration,
    /// The same, under valgrind.
    Valgrind,
}

/// One test: `unit NAME`, `model NAME`, `test PROGRAM NAME` or
/// `valgrind PROGRAM NAME`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Test {
    pub(crate) kind: Kind,
    /// Empty for the library's own.
    pub(crate) program: String,
    pub(crate) name: String,
    text: String,
}

impl TryFrom<String> for Test {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (kind, program, name) = match words[..] {
            ["unit", name] => (Kind::Unit, "", name),
            ["model", name] => (Kind::Model, "", name),
            ["test", program, name] => (Kind::Integration, program, name),
            ["valgrind", program, name] => (Kind::Valgrind, program, name),
            _ => return Err(format!("no such check: {text}")),
        };
        let (program, name) = (program.to_owned(), name.to_owned());
        Ok(Self {
            kind,
            program,
            name,
            text,
        })
    }
}

impl std::fmt::Display for Test {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Fault {
    /// Changes the file in the checkout at `root`, and returns its old text.
    pub(crate) fn apply(&self, root: &Path) -> Result<String> {
        let path = root.join(&self.file);
        let text = fs::read_to_string(&path).with_context(|| format!("no file {}", self.file))?;
        let [before, after] = [&self.before, &self.after].map(|part| part.trim_matches('\n'));
        match text.matches(before).count() {
            1 => fs::write(path, text.replace(before, after))?,
            found => bail!("its text stands {found} times in {}", self.file),
        }
        Ok(text)
    }
}

/// Reads the list of the checkout at `root`.
pub(crate) fn list(root: &Path) -> Result<Vec<Fault>> {
    #[derive(Deserialize)]
    struct List {
        fault: Vec<Fault>,
    }
    let text = fs::read_to_string(root.join("ci/faults.toml"))?;
    let List { fault: faults } = toml::from_str(&text)?;
    let mut names = HashSet::new();
    match faults.iter().find(|fault| !names.insert(&fault.name)) {
        Some(twice) => Err(anyhow!("two faults are called {}", twice.name)),
        None => Ok(faults),
    }
}

/// Fails if the text of a fault does not stand once, and only once, in its file,
/// or if the name of its test occurs nowhere.
pub(crate) fn check(tools: &Tools) -> Result<()> {
    let root = &tools.sh.current_dir();
    let mut tests = String::new();
    for folder in ["src", "tests"] {
        read_all(&root.join(folder), &mut tests)?;
    }
    let faults = list(root)?;
    let mut stale = Vec::new();
    for fault in &faults {
        let text = fs::read_to_string(root.join(&fault.file)).unwrap_or_default();
        let found = text.matches(fault.before.trim_matches('\n')).count();
        if found != 1 {
            stale.push(format!(
                "{}: its text stands {found} times in {}",
                fault.name, fault.file
            ));
        }
        let test = fault.check.name.rsplit("::").next().unwrap_or_default();
        // Some are named by a macro, which has the name too.
        if !tests.contains(test) {
            stale.push(format!(
                "{}: there is no test {}",
                fault.name, fault.check.name
            ));
        }
    }
    match stale.is_empty() {
        true => {
            println!("{} faults have their places and their tests", faults.len());
            Ok(())
        }
        false => bail!("{} entries are stale:\n{}", stale.len(), stale.join("\n")),
    }
}

/// Appends the text of every Rust file below `folder`.
fn read_all(folder: &Path, texts: &mut String) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read_all(&path, texts)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            texts.push_str(&fs::read_to_string(path)?);
        }
    }
    Ok(())
}
