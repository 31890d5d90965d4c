//! Both programs, run: they say the same.

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

/// Runs the program in one of its forms. Standard input stays open until it has
/// ended if there is no title.
fn run(file: &str, patience: &str, title: Option<&str>, form: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_gio-example"))
        .args([file, patience])
        .args(form)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = program.stdin.take().expect("it is a pipe");
    if let Some(title) = title {
        writeln!(stdin, "{title}").expect("it is read");
    }
    let output = program.wait_with_output().expect("it ends");
    drop(stdin);
    output
}

fn in_both_forms(file: &str, patience: &str, title: Option<&str>) -> String {
    let forms = [&[][..], &["by-hand"]].map(|form| {
        let output = run(file, patience, title, form);
        assert!(output.status.success(), "{form:?}: {output:?}");
        String::from_utf8(output.stdout).expect("it is text")
    });
    assert_eq!(forms[0], forms[1]);
    forms[0].clone()
}

fn three_lines() -> String {
    let path = format!("{}/three_lines", env!("CARGO_TARGET_TMPDIR"));
    fs::write(&path, "one\ntwo\nthree\n").expect("it can be written to");
    path
}

#[test]
fn title_comes_in_time() {
    let said = in_both_forms(&three_lines(), "60000", Some("my file"));
    assert_eq!(said, "my file: 3 lines\n");
}

#[test]
fn title_does_not_come_in_time() {
    let said = in_both_forms(&three_lines(), "20", None);
    assert_eq!(said, "no title: 3 lines\n");
}

#[test]
fn file_that_is_not_there_is_the_error() {
    for form in [&[][..], &["by-hand"]] {
        let output = run("/nowhere/at/all", "60000", None, form);
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("No such file or directory"), "{said}");
    }
}
