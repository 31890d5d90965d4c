//! Running programs as a user would.

mod scripted;
mod server;

pub use scripted::scripted;
pub use server::Server;

use std::env;
use std::ffi::OsStr;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// A command that runs the built program at `path`, which
/// `env!("CARGO_BIN_EXE_..")` names for the programs of the test's own package.
pub fn program(path: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(path);
    // What the surrounding terminal or CI asks for must not decide a test.
    for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(variable);
    }
    command
}

/// A command that runs an example of the test's own package, which `cargo test`
/// builds before it runs any test.
pub fn example(name: &str) -> Command {
    let path = built("examples", name);
    assert!(
        path.exists(),
        "{} is missing: `cargo test` builds it, to run one test file alone needs \
         `cargo build --example {name}` first",
        path.display()
    );
    program(path)
}

/// A command that runs the program of the package `name`, another one than that
/// of the test, and builds it if need be.
pub fn program_of_package(name: &str) -> Command {
    let cargo = env::var_os("CARGO").expect("cargo runs the tests");
    let path = built("", name);
    let folder = path.parent().expect("the folder of the profile");
    let profile = match folder.file_name() {
        Some(name) if name != "debug" => name,
        _ => OsStr::new("dev"),
    };
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--package", name])
        .arg("--target-dir")
        .arg(folder.parent().expect("the target folder"))
        .arg("--profile")
        .arg(profile)
        .status();
    assert!(
        status.expect("cargo starts").success(),
        "{name} is not built"
    );
    program(path)
}

/// Where cargo puts a program, by where it put the test.
fn built(folder: &str, name: &str) -> PathBuf {
    let mut path = env::current_exe().expect("the test has a path");
    path.pop();
    path.pop();
    path.push(folder);
    path.push(format!("{name}{}", env::consts::EXE_SUFFIX));
    path
}

/// What a program that has ended left behind.
#[derive(Debug, PartialEq, Eq)]
pub struct Run {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// Runs `command` to its end with `input` on its standard input.
    pub fn with_input(command: &mut Command, input: impl AsRef<[u8]>) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the example starts");
        let mut stdin = child.stdin.take().expect("piped above");
        // A program that rejects its arguments closes its input unread.
        let _ = stdin.write_all(input.as_ref());
        drop(stdin);
        let Output {
            status,
            stdout,
            stderr,
        } = child.wait_with_output().expect("the example ends");
        Self {
            status: status.code(),
            stdout: String::from_utf8(stdout).expect("the output is UTF-8"),
            stderr: String::from_utf8(stderr).expect("the messages are UTF-8"),
        }
    }
}
