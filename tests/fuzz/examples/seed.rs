//! Writes the programs of files as inputs for the fuzzer into a folder:
//!
//! ```text
//! cargo run --manifest-path tests/fuzz/Cargo.toml --example seed -- FOLDER FILE...
//! ```

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use test_support::codec::encode::encode;
use test_support::replayer::program::Program;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let written = match arguments.as_slice() {
        [folder, files @ ..] if !files.is_empty() => write(folder.as_ref(), files),
        _ => Err("usage: seed FOLDER FILE...".to_owned()),
    };
    match written {
        Ok(inputs) => {
            println!("{inputs} inputs");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("seed: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Returns how many programs there are bytes for.
fn write(folder: &Path, files: &[String]) -> Result<usize, String> {
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut inputs = 0;
    for file in files {
        let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        for line in text.lines() {
            let program = Program::parse(line)?;
            let Some(bytes) = encode(&program.ops) else {
                continue;
            };
            let path = folder.join(&program.id);
            fs::write(&path, bytes).map_err(|error| format!("{}: {error}", path.display()))?;
            inputs += 1;
        }
    }
    Ok(inputs)
}
