//! What guards the core: the model checker, sanitizers, valgrind, Miri, the soak
//! test and the fuzzer. SAFETY.md says what each of them sees.

use std::fs;

use anyhow::{Context, Result};
use xshell::{Cmd, cmd};

use crate::tools::{Tools, ensure, left_out};

/// Seconds after which a check hangs that takes a few minutes.
const LIMIT: u32 = 1200;

/// Memcheck, as a command to put before another one.
pub(crate) const MEMCHECK: [&str; 6] = [
    "valgrind",
    "--quiet",
    "--leak-check=full",
    "--show-leak-kinds=definite",
    "--errors-for-leak-kinds=definite",
    "--error-exitcode=9",
];

pub(crate) fn loom(tools: &Tools) -> Result<()> {
    let sh = &tools.sh;
    let _flags = sh.push_env("RUSTFLAGS", "--cfg tokio_deferred_loom");
    let target = tools.target.join("loom");
    let limit = &tools.limit(LIMIT);
    let models = || {
        cmd!(
            sh,
            "env {limit...} cargo test --release --target-dir {target} --lib models"
        )
    };
    let listed = models().args(["--", "--list"]).read()?;
    ensure(listed.contains(": test"), "there are no models")?;
    models().run()?;
    Ok(())
}

/// Memory that is used after its end, or outside its bounds, and leaks.
pub(crate) fn address(tools: &Tools) -> Result<()> {
    let tests = sanitized_tests(tools)?;
    sanitized(tools, "address", &[], &tests)
}

/// Data races.
pub(crate) fn thread(tools: &Tools) -> Result<()> {
    let sh = &tools.sh;
    tools.require_nightly()?;
    // The fences in `Arc` and the slow paths of locks look like races unless the
    // standard library is instrumented as well, which takes its source.
    let sysroot = cmd!(sh, "rustc +nightly --print sysroot").quiet().read()?;
    let source = format!("{sysroot}/lib/rustlib/src/rust/library");
    let there = || sh.path_exists(&source);
    if there() || (tools.nightly_component("rust-src") && there()) {
        // Those in which threads meet; the others would take an hour here.
        let tests = [
            "deferred",
            "list",
            "queue",
            "race",
            "semaphore",
            "share",
            "local",
        ];
        let tests = tests.map(|name| format!("--test={name}"));
        return sanitized(tools, "thread", &["-Zbuild-std"], &tests);
    }
    println!(
        "the nightly toolchain has no rust-src: only the tests whose threads share nothing but Deferreds"
    );
    let suppressions = sh.current_dir().join("ci/thread.supp");
    let limit = &tools.limit(LIMIT);
    let (host, target) = (&tools.host, tools.target.join("thread"));
    let only = ["order::", "awaiting::", "pause::", "returned::"];
    let tests = cmd!(sh, "env {limit...} cargo +nightly test --target {host} --target-dir {target} --test deferred -- {only...}")
        .env("RUSTFLAGS", "-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer")
        .env("TSAN_OPTIONS", format!("suppressions={}", suppressions.display()));
    tests.run()?;
    Ok(())
}

/// Runs the tests under a sanitizer of the nightly compiler.
fn sanitized(tools: &Tools, sanitizer: &str, options: &[&str], tests: &[String]) -> Result<()> {
    let sh = &tools.sh;
    tools.require_nightly()?;
    let packages = ["tokio-deferred", "random-programs"].map(|name| format!("--package={name}"));
    let limit = &tools.limit(LIMIT);
    let (host, target) = (&tools.host, tools.target.join(sanitizer));
    let command = cmd!(
        sh,
        "env {limit...} cargo +nightly test {options...} --target {host} --target-dir {target} {packages...} --lib {tests...} -- --skip deferreds_that_wait_for_each_other_are_printed"
    )
    .env("RUSTFLAGS", format!("-Zsanitizer={sanitizer}"))
    // The ring of Deferreds that is left out keeps itself for ever, by design.
    // Random programs take their time here; `cargo test` runs many more.
    .env("CASES", "500")
    .env("PROGRAMS", "500");
    command.run()?;
    Ok(())
}

/// The test programs that mean something under a sanitizer: not those that run
/// other programs, nor those that bring an allocator.
fn sanitized_tests(tools: &Tools) -> Result<Vec<String>> {
    let sh = &tools.sh;
    let mut tests = Vec::new();
    for folder in ["tests", "tests/random_programs/tests"] {
        for path in sh.read_dir(folder)? {
            let main = path.join("main.rs");
            let source = if main.is_file() { main } else { path.clone() };
            if source.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let text = fs::read_to_string(&source)?;
            // The third aborts at the first panic, and leaves what it holds.
            let unsuitable = [
                "test_support::programs",
                "counting::",
                "no panic was raised",
            ];
            if !unsuitable.iter().any(|module| text.contains(module)) {
                let name = path.file_stem().context("a test has a name")?;
                tests.push(format!("--test={}", name.to_string_lossy()));
            }
        }
    }
    Ok(tests)
}

/// Memory that is read before it is written, and leaks.
pub(crate) fn valgrind(tools: &Tools) -> Result<()> {
    let sh = &tools.sh;
    tools.require("valgrind", "valgrind")?;
    let build = cmd!(
        sh,
        "cargo test --no-run --message-format json-render-diagnostics --package tokio-deferred --lib --test deferred --test conformance"
    );
    let limit = &tools.limit(LIMIT);
    for program in programs(build)? {
        let run = cmd!(sh, "env {limit...} {MEMCHECK...} {program}");
        run.run()?;
    }
    Ok(())
}

/// Runs a build and returns the paths of the test programs that it made.
pub(crate) fn programs(build: Cmd<'_>) -> Result<Vec<String>> {
    let messages = build.read()?;
    let mut programs = Vec::new();
    for line in messages.lines() {
        let message: serde_json::Value = serde_json::from_str(line)?;
        let of_test = message["profile"]["test"] == true;
        programs.extend(
            message["executable"]
                .as_str()
                .filter(|_| of_test)
                .map(str::to_owned),
        );
    }
    ensure(!programs.is_empty(), "cargo built no program")?;
    Ok(programs)
}

/// Everything at once; and with a fault inside the library the test has to fail.
pub(crate) fn soak(tools: &Tools) -> Result<()> {
    let sh = &tools.sh;
    let limit = &tools.limit(300);
    let soak = |seconds: &str| {
        cmd!(
            sh,
            "env {limit...} cargo run --quiet --package soak -- --seconds {seconds}"
        )
    };
    soak("10").run()?;
    // Only the library and the test are built anew for that.
    let wrapper = sh.current_dir().join("ci/rustc-with-faults");
    for fault in ["lose-callback", "lose-permit", "double-run"] {
        let broken = soak("3")
            .args(["--break", fault])
            .env("RUSTC_WORKSPACE_WRAPPER", &wrapper);
        let output = broken.ignore_status().output()?;
        // Its messages name the fault; a build that fails would have others.
        let said = String::from_utf8_lossy(&output.stderr);
        ensure(!said.contains("could not compile"), &said)?;
        ensure(
            !output.status.success(),
            format!("the soak test does not find {fault}"),
        )?;
        println!("{fault}: found");
    }
    Ok(())
}

/// Some seconds of the fuzzer, from the kept inputs.
pub(crate) fn fuzz(tools: &Tools) -> Result<()> {
    let sh = &tools.sh;
    tools.require_nightly()?;
    tools.require_cargo("fuzz")?;
    // What so short a run finds worth keeping is not kept.
    let found = sh.create_temp_dir()?;
    let limit = &tools.limit(LIMIT);
    let (found, target) = (found.path(), tools.target.join("fuzz"));
    let run = cmd!(
        sh,
        "env {limit...} cargo +nightly fuzz run programs {found} tests/fuzz/corpus/programs --fuzz-dir tests/fuzz --target-dir {target} -- -max_total_time=15 -max_len=1024"
    );
    run.run()?;
    Ok(())
}

/// Undefined behaviour of any kind. The workflow runs more tests, and many seeds.
pub(crate) fn miri(tools: &Tools) -> Result<()> {
    let sh = &tools.sh;
    tools.require_nightly()?;
    if !tools.has_cargo("miri") || !tools.nightly_component("miri") {
        return Err(left_out(
            "the nightly toolchain has no Miri, and rustup cannot get it",
        ));
    }
    let _flags = sh.push_env("MIRIFLAGS", "-Zmiri-disable-isolation");
    let limit = &tools.limit(LIMIT);
    let target = tools.target.join("miri");
    let run = cmd!(
        sh,
        "env {limit...} cargo +nightly miri test --target-dir {target} --package tokio-deferred --test deferred -- order:: pause:: returned:: awaiting:: shared_resolver::"
    );
    run.run()?;
    Ok(())
}
