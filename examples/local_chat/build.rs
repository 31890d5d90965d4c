//! Writes a module for each step from the first stage to the last, each one
//! function further than the one before, for `tests/steps.rs`.

use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

/// The order in which the functions become coroutines: inner ones first.
const ORDER: [&str; 5] = ["log_in", "ask", "command", "talk", "session"];

/// What stands before the first function, and the functions.
fn read(stage: &str) -> (String, Vec<String>) {
    let source = fs::read_to_string(format!("src/{stage}.rs")).expect("it is there");
    let source = source.replace("crate::", "local_chat::");
    let (before, rest) = source
        .split_once("\n///")
        .expect("functions are documented");
    let uses = before.lines().filter(|line| !line.starts_with("//!"));
    let functions = rest.split("\n\n///").map(|text| format!("///{text}\n"));
    (Vec::from_iter(uses).join("\n"), functions.collect())
}

fn find<'a>(functions: &'a [String], name: &str) -> &'a str {
    let starts = [format!("pub fn {name}("), format!("pub async fn {name}(")];
    let mut functions = functions.iter();
    functions
        .find(|text| starts.iter().any(|start| text.contains(start)))
        .expect("both stages have the same functions")
}

fn main() {
    println!("cargo::rerun-if-changed=src");
    let (before, callbacks) = read("callbacks");
    let (after, coroutines) = read("coroutines");
    assert_eq!(
        (callbacks.len(), coroutines.len()),
        (ORDER.len(), ORDER.len())
    );
    let mut steps = String::new();
    let mut names = String::new();
    for done in 0..=ORDER.len() {
        // Each stage's functions see the `use`s of their own file.
        let take = |part: &[String], names: &[&str]| -> String {
            names.iter().map(|name| find(part, name)).collect()
        };
        let (new, old) = ORDER.split_at(done);
        let (new, old) = (take(&coroutines, new), take(&callbacks, old));
        writeln!(
            steps,
            "mod step_{done} {{
                mod new {{ {after}\nuse super::old::*;\n{new} }}
                mod old {{ {before}\nuse super::new::*;\n{old} }}
                pub(super) use {}::session;
            }}",
            if done == ORDER.len() { "new" } else { "old" }
        )
        .expect("into a String");
        write!(names, "step_{done}::session, ").expect("into a String");
    }
    let count = ORDER.len() + 1;
    let steps = format!("{steps}\nconst STEPS: [Session; {count}] = [{names}];\n");
    let folder = env::var_os("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&folder).join("steps.rs"), steps).expect("it can be written to");
}
