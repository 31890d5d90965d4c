//! Runs the commands of the guide's pages about the examples, and compares what
//! they print with what the pages show.
//!
//! A page is for readers: it has no exit statuses, its servers have the ports of
//! their defaults, and its figures are those of one run. So each is rewritten a
//! little before `trycmd` runs it; each change says where it is needed, and a
//! change that finds nothing to do fails.

#![cfg(all(unix, not(miri)))]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use test_support::programs::{Run, Server, program_of_package};

/// The root of the repository, where a reader types the commands.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A page of the guide, on its way to `trycmd`.
struct Page {
    name: &'static str,
    text: String,
    statuses: Vec<(String, i32)>,
}

impl Page {
    fn read(name: &'static str) -> Self {
        let path = root().join("docs/examples").join(name).with_extension("md");
        Self {
            name,
            text: fs::read_to_string(path).expect("the page is there"),
            statuses: Vec::new(),
        }
    }

    /// Has `from` replaced wherever it is on the page.
    fn with(mut self, from: &str, to: &str) -> Self {
        assert!(self.text.contains(from), "{}: no {from:?}", self.name);
        self.text = self.text.replace(from, to);
        self
    }

    /// Expects `status` of the command that begins like that.
    fn ends_with(mut self, status: i32, command: &str) -> Self {
        assert!(
            self.text.contains(&format!("\n$ {command}")),
            "no {command}"
        );
        self.statuses.push((command.to_owned(), status));
        self
    }

    /// Leaves a command to another test: `trycmd` skips what it does not know.
    fn without(self, command: &str) -> Self {
        self.with(
            &format!("\n$ {command}"),
            &format!("\n$ elsewhere {command}"),
        )
    }

    /// Takes any figure in the blocks of `command` for any other.
    fn with_any_figures(mut self, command: &str) -> Self {
        let start = format!("$ {command}\n");
        let begin = self.text.find(&start).expect("the command is there") + start.len();
        let length = self.text[begin..].find("```").expect("the block ends");
        let mut shown = String::new();
        let mut in_figure = false;
        for c in self.text[begin..begin + length].chars() {
            let of_figure = c.is_ascii_digit() || (in_figure && c == '.');
            if !of_figure {
                shown.push(c);
            } else if !in_figure {
                shown.push_str("[..]");
            }
            in_figure = of_figure;
        }
        self.text.replace_range(begin..begin + length, &shown);
        self
    }

    /// Has a shell run every command.
    fn run(self) {
        let mut text = String::new();
        let mut shows_output = false;
        for line in self.text.lines() {
            let command = line.strip_prefix("$ ");
            if shows_output && (command.is_some() || line.starts_with("```")) {
                // `trycmd` takes the last end of a line for its own.
                text.push('\n');
                shows_output = false;
            }
            let Some(command) = command else {
                text += &format!("{line}\n");
                continue;
            };
            shows_output = true;
            if command.starts_with("elsewhere") {
                text += &format!("{line}\n");
                continue;
            }
            let known = |(of, _): &&(String, i32)| command.starts_with(of.as_str());
            // The last one that was said, so that exceptions may follow.
            let status = self
                .statuses
                .iter()
                .rev()
                .find(known)
                .map_or(0, |(_, s)| *s);
            let quoted = command.replace('\'', r"'\''");
            text += &format!("$ sh -c '{quoted}'\n? {status}\n");
        }
        let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(self.name)
            .with_extension("md");
        fs::write(&path, text).expect("the folder can be written to");
        env::set_current_dir(root()).expect("the root is there");
        let cases = trycmd::TestCases::new();
        cases.register_bin("sh", Path::new("/bin/sh"));
        for variable in ["RUST_BACKTRACE", "CLICOLOR_FORCE"] {
            cases.env(variable, "0");
        }
        cases.case(path).run();
    }
}

/// Starts the server of an example on a port that is free; also says where.
fn serve(package: &str, arguments: &[&str]) -> (Server, String) {
    let mut command = program_of_package(package);
    let mut server = Server::start(command.args(arguments).args(["--port", "0"]));
    let address = server.read_until("listening on ");
    (server, address)
}

#[test]
fn first_bridge() {
    Page::read("first_bridge")
        // Which addresses a name has is the machine's business.
        .with("\n[127.0.0.1:80]\n", "\n[[..]:80]\n")
        .ends_with(1, "cargo run -q --example first_bridge -- a..b:80")
        .run();
}

#[test]
fn simulator() {
    Page::read("simulator")
        // A terminal shows the questions; its own tests have the drawing.
        .without("cargo run -q -p simulator\n")
        .with("> steps.json", "> /dev/null")
        .run();
}

#[test]
fn migrate() {
    Page::read("migrate")
        .ends_with(
            1,
            "cargo run -q --example migrate -- --stage async --user bob",
        )
        // `tests/migration` compares the differences.
        .without("git diff")
        .run();
}

#[test]
fn multiply() {
    let (server, address) = serve("multiply", &["serve"]);
    Page::read("multiply")
        .with_any_figures("cargo run -q -p multiply")
        .with_any_figures("cargo run -q -p multiply -- demo --again 70 --limit 50")
        .ends_with(1, "cargo run -q -p multiply -- demo")
        .without("cargo run -q -p multiply -- serve")
        .with("--connect 127.0.0.1:4000", &format!("--connect {address}"))
        .ends_with(1, "printf")
        .ends_with(1, "echo")
        .run();
    server.interrupt();
    assert_eq!(server.wait().status, Some(0));
}

#[test]
fn factorial() {
    let (server, url) = serve("factorial_server", &[]);
    Page::read("factorial")
        .without("cargo run -q -p factorial_server")
        // The tests of the server run the session.
        .without("python3")
        .with("^Cstopping", "$ elsewhere\n^Cstopping")
        .with(
            "-p factorial_client -- ",
            &format!("-p factorial_client -- --url {url} "),
        )
        .ends_with(1, "cargo run -q -p factorial_client")
        .run();
    server.interrupt();
    assert_eq!(server.wait().status, Some(0));
}

#[test]
fn web() {
    let (server, url) = serve("web", &[]);
    let address = url.strip_prefix("http://").expect("a URL");
    Page::read("web")
        .without("cargo run -q -p web &")
        .with("localhost:8080", address)
        // At a terminal curl is as quiet as that makes it elsewhere.
        .with("$ curl ", "$ curl -sS ")
        .ends_with(28, "curl -sS -d '' -m 0.2")
        .with("after 200 milliseconds", "after [..] milliseconds")
        .run();
    server.interrupt();
    assert_eq!(server.wait().status, Some(0));
}

#[test]
fn every_program_says_how_it_is_used() {
    let packages = ["callbacks", "factorial_client", "factorial_server"];
    let packages = packages
        .iter()
        .chain(&["multiply", "replay", "simulator", "soak", "web"]);
    for package in packages {
        let run = Run::with_input(program_of_package(package).arg("--help"), "");
        assert!(run.stdout.contains("Usage: "), "{package}: {run:?}");
    }
    for example in ["first_bridge", "migrate", "poetry"] {
        let mut command = Command::new(env!("CARGO"));
        command.current_dir(root());
        let run = ["run", "--quiet", "--example", example, "--", "--help"];
        let run = Run::with_input(command.args(run), "");
        assert!(run.stdout.contains("Usage: "), "{example}: {run:?}");
    }
}
