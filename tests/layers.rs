//! The layers of the source: each file uses those below it only.
//!
//! The `use` lines and paths of the library are read as text. Tests and models
//! inside of it may use everything.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The layers of the core, lowest first. A file of the core that is in none of
/// them stands beside the chains, and uses the engine at most.
const CORE: [&str; 5] = ["state", "memory", "engine", "ends", "repr"];

/// The modules of the crate, lowest first; those of one line do not use each
/// other.
const CRATE: [&[&str]; 6] = [
    &["sync"],
    &["failure"],
    &["core"],
    &["chain"],
    &["bridge"],
    &["primitive", "task"],
];

/// The files of the library, by path below `src` without the ending, and what
/// each of them uses: paths that begin below `crate`.
fn uses() -> BTreeMap<String, BTreeSet<String>> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&src, &mut files);
    let names = files.iter().map(|file| name_of(&src, file));
    let all: BTreeSet<String> = names.clone().collect();
    let texts = files.iter().map(|file| fs::read_to_string(file).unwrap());
    names
        .zip(texts)
        .filter(|(name, _)| !name.contains("models") && name != "lib")
        .map(|(name, text)| {
            let used = paths(&name, &text).into_iter();
            let used = used.filter_map(|path| file_of(&path, &all));
            let used = used.filter(|used| *used != name && !is_test_code(used));
            let used = used.collect();
            (name, used)
        })
        .collect()
}

fn is_test_code(name: &str) -> bool {
    name.contains("models") || name == "fault_injection"
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}

/// `core/memory/block`; the file of a module is named as the module.
fn name_of(src: &Path, file: &Path) -> String {
    let name = file.strip_prefix(src).unwrap().with_extension("");
    let name = name.to_str().unwrap().replace('\\', "/");
    name.strip_suffix("/mod").unwrap_or(&name).to_owned()
}

/// The paths in the `use` items of a file, from the root of the crate.
fn paths(name: &str, text: &str) -> Vec<String> {
    // Tests stand at the end of a file.
    let text = text.split("\nmod tests {").next().unwrap();
    let text = text.replace("pub(in crate::core)", "pub(crate)");
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, " "])
        .collect();
    let own: Vec<&str> = name.split('/').collect();
    let mut found = Vec::new();
    for item in code.split(';') {
        let Some((before, item)) = item.split_once("use ") else {
            continue;
        };
        // What a module hands on from below it is no use of its own.
        if before.trim_end().ends_with("pub(crate)") || before.trim_end().ends_with("pub") {
            continue;
        }
        let mut expanded = Vec::new();
        expand("", item.trim(), &mut expanded);
        for path in expanded {
            let parts: Vec<&str> = path.split("::").map(str::trim).collect();
            let mut base = match parts[0] {
                "crate" => Vec::new(),
                "super" => own[..own.len() - 1].to_vec(),
                "self" => own.clone(),
                _ => continue,
            };
            for part in &parts[1..] {
                if *part == "super" {
                    base.pop();
                } else {
                    base.push(part);
                }
            }
            found.push(base.join("/"));
        }
    }
    // Paths in the code itself.
    for rest in code.split("crate::").skip(1) {
        let path: String = rest
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_' || *c == ':')
            .collect();
        found.push(path.replace("::", "/"));
    }
    found
}

/// `a::{b, c::{d, e}}` as `a::b`, `a::c::d`, `a::c::e`.
fn expand(prefix: &str, item: &str, out: &mut Vec<String>) {
    let Some((head, rest)) = item.split_once('{') else {
        let path = item.split(" as ").next().unwrap_or(item);
        out.push(format!("{prefix}{path}"));
        return;
    };
    let prefix = format!("{prefix}{head}");
    let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
    let (mut depth, mut start) = (0, 0);
    let mut parts = Vec::new();
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inner[start..]);
    for part in parts.into_iter().map(str::trim).filter(|p| !p.is_empty()) {
        expand(&prefix, part, out);
    }
}

/// The file that a path leads into: the longest beginning that is one.
fn file_of(path: &str, all: &BTreeSet<String>) -> Option<String> {
    let mut path = path.trim_matches('/');
    loop {
        if all.contains(path) {
            return Some(path.to_owned());
        }
        path = path.rsplit_once('/')?.0;
    }
}

fn core_layer(name: &str) -> Option<usize> {
    let layer = name.strip_prefix("core/")?.split('/').next()?;
    CORE.iter().position(|known| *known == layer)
}

fn crate_layer(name: &str) -> Option<usize> {
    let module = name.split('/').next()?;
    CRATE.iter().position(|layer| layer.contains(&module))
}

#[test]
fn each_layer_of_the_core_uses_those_below_it() {
    let mut wrong = Vec::new();
    for (name, used) in uses() {
        if !name.starts_with("core/") {
            continue;
        }
        let own = core_layer(&name).unwrap_or(2);
        for used in used {
            if core_layer(&used).is_some_and(|layer| layer > own) || used == "core" {
                wrong.push(format!(
                    "src/{name}.rs uses src/{used}.rs, which is above it"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_two_files_of_the_core_use_each_other_in_a_circle() {
    let uses = uses();
    let mut done = BTreeSet::new();
    for name in uses.keys().filter(|name| name.starts_with("core/")) {
        walk(name, &uses, &mut Vec::new(), &mut done);
    }
}

fn walk<'a>(
    name: &'a str,
    uses: &'a BTreeMap<String, BTreeSet<String>>,
    way: &mut Vec<&'a str>,
    done: &mut BTreeSet<&'a str>,
) {
    assert!(
        !way.contains(&name),
        "a circle: {} -> {name}",
        way.join(" -> ")
    );
    if !done.contains(name) {
        way.push(name);
        for used in uses.get(name).into_iter().flatten() {
            if used.starts_with("core/") {
                walk(used, uses, way, done);
            }
        }
        way.pop();
        done.insert(name);
    }
}

#[test]
fn each_module_of_the_crate_uses_those_below_it() {
    let mut wrong = Vec::new();
    for (name, used) in uses() {
        let Some(own) = crate_layer(&name) else {
            continue;
        };
        for used in used {
            if crate_layer(&used).is_some_and(|layer| layer > own) {
                wrong.push(format!(
                    "src/{name}.rs uses src/{used}.rs, which is above it"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_imports_are_found() {
    let uses = uses();
    assert!(uses["core/memory/block"].contains("core/state"));
    assert!(uses["core/engine/wait"].contains("core/engine/collapse"));
    assert!(uses["chain/deferred"].contains("core"));
    let used = paths(
        "core/engine/run",
        "use super::{a, b::{C, d}};\nlet x = crate::failure::f();",
    );
    assert_eq!(
        used,
        [
            "core/engine/a",
            "core/engine/b/C",
            "core/engine/b/d",
            "failure/f"
        ]
    );
}
