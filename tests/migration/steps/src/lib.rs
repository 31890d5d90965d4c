//! The programs between the stages, each one function further than the one
//! before, put together from the functions of the stages themselves.
//!
//! From the first stage to the second a function becomes one that returns a
//! Deferred; as long as it has callers with callbacks, its old name stays, as
//! one line that passes the result on. From there to the last stage nothing but
//! the function itself changes: it becomes an async fn under
//! `#[inline_callbacks]`, and once its callers await it, that attribute goes.

use std::fmt::Write;
use std::fs;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../examples/migrate");

/// The order in which functions become async fns: first those of stage 3.
const ORDER: [&str; 7] = ["price", "pay", "ask", "log_in", "log_out", "hold", "buy"];

/// The source of one stage.
pub struct Stage {
    /// What stands before the first function.
    prelude: String,
    pub functions: Vec<Function>,
}

pub struct Function {
    pub name: String,
    pub text: String,
}

/// The text of a file of the example.
pub fn source(file: &str) -> String {
    fs::read_to_string(format!("{FOLDER}/{file}")).expect(file)
}

impl Stage {
    fn read(module: &str) -> Self {
        let source = source(&format!("{module}.rs"));
        let mut prelude = String::new();
        let mut functions = Vec::<Function>::new();
        for item in source.split("\n\n").map(str::trim_end) {
            match name_of(item) {
                Some(name) => functions.push(Function {
                    name: name.to_owned(),
                    text: item.to_owned(),
                }),
                None if functions.is_empty() => {
                    let code = item.lines().filter(|line| !line.starts_with("//!"));
                    code.for_each(|line| writeln!(prelude, "{line}").expect("into a String"));
                }
                // The functions have no blank lines of their own.
                None => panic!("{module}: not a function: {item}"),
            }
        }
        Self { prelude, functions }
    }

    pub fn function(&self, name: &str) -> &Function {
        let mut functions = self.functions.iter();
        functions
            .find(|function| function.name == name)
            .expect("all stages have the same functions")
    }
}

/// The name of the function that `item` is, with or without wrapper.
fn name_of(item: &str) -> Option<&str> {
    let starts = ["fn ", "async fn ", "pub(crate) fn ", "pub(crate) async fn "];
    let mut lines = item.lines().map(str::trim_start);
    lines.find_map(|line| {
        let rest = starts.iter().find_map(|start| line.strip_prefix(start))?;
        rest.split_once('(').map(|(name, _)| name)
    })
}

pub fn stages() -> [Stage; 4] {
    ["nested", "chain", "mixed", "all_async"].map(Stage::read)
}

/// An async fn in the clothes of a function that returns a Deferred.
pub fn wrapped(function: &Function) -> String {
    let signature = function.text.find("async fn").expect("an async fn");
    let signature = function.text[..signature]
        .rfind('\n')
        .map_or(0, |end| end + 1);
    let (documentation, code) = function.text.split_at(signature);
    format!("{documentation}#[inline_callbacks]\n{code}")
}

/// A program that has all steps as modules, has each of them buy the same
/// things, and panics if one says anything else to the shop, or hears anything
/// else from it, than the first.
pub fn program() -> String {
    let [nested, chain, mixed, all_async] = stages();
    let mut modules = String::new();
    for name in ["line", "order", "shop"] {
        let code = source(&format!("{name}.rs"));
        writeln!(modules, "mod {name} {{\n{code}\n}}").expect("into a String");
    }
    let mut calls = String::new();
    let mut add = |name: String, code: String, call: &str| {
        let call = call.replace("STEP", &name);
        writeln!(modules, "mod {name} {{\n{code}\n}}").expect("into a String");
        writeln!(calls, "check!(\"{name}\", |line, user, item| {call});").expect("into a String");
    };

    let with_callback = "Deferred::from_callback(|resolver| {
        STEP::buy(line, user, item, |receipt| resolver.resolve(receipt));
    })";
    for done in 0..=nested.functions.len() {
        let code = towards_deferreds(&nested, &chain, done);
        add(format!("to_deferreds_{done}"), code, with_callback);
    }
    for done in 0..=ORDER.len() {
        let code = towards_async(&chain, &mixed.prelude, done, |name| {
            wrapped(all_async.function(name))
        });
        add(
            format!("to_async_{done}"),
            code,
            "STEP::buy(line, user, item)",
        );
    }
    let in_wrappers = Stage {
        prelude: String::new(),
        functions: Vec::from_iter(all_async.functions.iter().map(|function| Function {
            name: function.name.clone(),
            text: wrapped(function),
        })),
    };
    for done in 1..=ORDER.len() {
        let code = towards_async(&in_wrappers, &mixed.prelude, done, |name| {
            all_async.function(name).text.clone()
        });
        add(
            format!("unwrapped_{done}"),
            code,
            "STEP::buy(line, user, item)",
        );
    }
    include_str!("../template.rs")
        .replace("// MODULES", &modules)
        .replace("// CALLS", &calls)
}

/// Stage 1 with its first `done` functions moved on to stage 2.
fn towards_deferreds(nested: &Stage, chain: &Stage, done: usize) -> String {
    let (moved, left) = nested.functions.split_at(done);
    let mut code = nested.prelude.clone() + "mod moved {\n" + &chain.prelude;
    for function in moved {
        let text = &chain.function(&function.name).text;
        let public = match text.contains("pub(crate) fn ") {
            true => text.clone(),
            false => text.replacen("fn ", "pub(crate) fn ", 1),
        };
        writeln!(code, "{public}").expect("into a String");
    }
    code += "}\n";
    for function in moved {
        writeln!(code, "{}", passing_on(function)).expect("into a String");
    }
    for function in left {
        writeln!(code, "{}", function.text).expect("into a String");
    }
    code
}

/// The line that is left of a function with a callback once it has moved.
fn passing_on(function: &Function) -> String {
    let (signature, _) = function.text.split_once(") {").expect("a signature");
    let start = format!("fn {}(", function.name);
    let (_, parameters) = signature.split_once(&start).expect("parameters");
    let names = parameters.split(',').filter_map(|parameter| {
        let (name, _) = parameter.split_once(':')?;
        Some(name.trim()).filter(|name| *name != "done")
    });
    let arguments = names.collect::<Vec<_>>().join(", ");
    format!(
        "{signature}) {{
            moved::{}({arguments}).add_both(|result| done(result.map_err(Error::from))).detach();
        }}",
        function.name
    )
}

/// `stage` with the first `done` functions of [`ORDER`] as `new` has them.
fn towards_async(
    stage: &Stage,
    prelude: &str,
    done: usize,
    new: impl Fn(&str) -> String,
) -> String {
    let mut code = prelude.to_owned();
    for function in &stage.functions {
        let text = match ORDER[..done].contains(&function.name.as_str()) {
            true => new(&function.name),
            false => function.text.clone(),
        };
        writeln!(code, "{text}").expect("into a String");
    }
    code
}
