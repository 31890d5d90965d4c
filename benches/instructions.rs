//! Instructions per piece of work, which no busy machine changes, held against
//! those in `instructions.txt`.
//!
//! `cargo bench -p tokio-deferred-benches --bench instructions` needs `valgrind`; it fails if a count is
//! more than 2 % above the one on file, and `-- --save` puts the new ones
//! there. The counts hold for the compiler and the allocator named in the
//! file. To see where they go:
//! `valgrind --tool=callgrind target/release/deps/instructions-* --count chain10 10000`.

mod contest;

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

type Counts = BTreeMap<String, u64>;

/// Fewer and more repeats: what they differ by is free of the start's costs.
const REPEATS: [u64; 2] = [500, 1_500];
const ALLOWED: f64 = 1.02;
/// Work whose instructions depend on what two threads happen to do.
const UNSTEADY: &str = "contended";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["--count", work, repeats] = words[..] {
        work_on(work, repeats.parse()?);
        return Ok(ExitCode::SUCCESS);
    }
    let counts = count_all()?;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.txt");
    if words.contains(&"--save") {
        fs::write(&file, render(&counts)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    Ok(compare(&counts, &parse(&fs::read_to_string(&file)?)))
}

/// Does the Deferred's side of a piece of work.
fn work_on(work: &str, repeats: u64) {
    for group in contest::groups() {
        for mut contestant in group.contestants {
            if group.name == work && contestant.name == "deferred" {
                contestant.run(repeats);
            }
        }
    }
}

fn count_all() -> Result<Counts, Box<dyn Error>> {
    let mut counts = Counts::new();
    for group in contest::groups() {
        if group.name.starts_with(UNSTEADY) || group.units > 1_000 {
            continue;
        }
        let [few, many] = REPEATS.map(|repeats| repeats.div_ceil(group.units.min(100)));
        let more = count(group.name, many)? - count(group.name, few)?;
        counts.insert(group.name.to_owned(), more / ((many - few) * group.units));
    }
    Ok(counts)
}

/// Runs this program on a piece of work under callgrind.
fn count(work: &str, repeats: u64) -> Result<u64, Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args(["--count", work, &repeats.to_string()])
        .output()
        .map_err(|error| format!("cannot start valgrind: {error}"))?;
    let report = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{work} under valgrind: {report}").into());
    }
    let collected = report
        .lines()
        .find_map(|line| line.split_once("Collected :"));
    let (_, count) = collected.ok_or("callgrind reports no count")?;
    Ok(count.trim().parse()?)
}

fn render(counts: &Counts) -> Result<String, Box<dyn Error>> {
    let compiler = Command::new("rustc").arg("--version").output()?.stdout;
    let mut text = format!("# {}", String::from_utf8(compiler)?);
    for (work, count) in counts {
        text += &format!("{work} {count}\n");
    }
    Ok(text)
}

fn parse(text: &str) -> Counts {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let (work, count) = line.split_once(' ')?;
            Some((work.to_owned(), count.parse().ok()?))
        })
        .collect()
}

fn compare(counts: &Counts, baseline: &Counts) -> ExitCode {
    println!("| work | instructions | on file | ratio |\n|---|--:|--:|--:|");
    let mut worse = false;
    for (work, &count) in counts {
        let Some(&before) = baseline.get(work) else {
            println!("| {work} | {count} | - | new |");
            continue;
        };
        let ratio = count as f64 / before as f64;
        worse |= ratio > ALLOWED;
        println!("| {work} | {count} | {before} | {ratio:.3} |");
    }
    if worse {
        println!("\nSome work takes more instructions than it did.");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
