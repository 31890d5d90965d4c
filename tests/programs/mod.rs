//! Running an example as a user would.

use std::env;
use std::io::Write;
use std::process::{Command, Output, Stdio};

/// The built example, which `cargo test` puts beside the tests.
pub(crate) fn example(name: &str) -> Command {
    let mut path = env::current_exe().expect("the test has a path");
    path.pop();
    path.pop();
    path.push("examples");
    path.push(format!("{name}{}", env::consts::EXE_SUFFIX));
    assert!(
        path.exists(),
        "{} is missing: `cargo test` builds it, to run one test file alone needs \
         `cargo build --example {name}` first",
        path.display()
    );
    let mut command = Command::new(path);
    // What the surrounding terminal or CI asks for must not decide a test.
    for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(variable);
    }
    command
}

/// What a program that has ended left behind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Runs `command` to its end with `input` on its standard input.
    pub(crate) fn with_input(command: &mut Command, input: impl AsRef<[u8]>) -> Self {
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
