//! A soak test: threads and a Tokio runtime that fire, chain, cancel, time out,
//! share, lock, queue and await at random, for as long as they are told to; and
//! then the books must balance.
//!
//! ```console
//! $ cargo run --release -p soak -- --seconds 30
//! ```
//!
//! It exits with 1 if they do not. That they can fail to is shown by faults
//! inside the library, which it has only if it is built for that:
//!
//! ```console
//! $ RUSTFLAGS="--cfg tokio_deferred_break" \
//!     cargo run --release -p soak -- --seconds 5 --break lose-callback
//! ```

mod books;
mod fault;
mod heap;
mod ledger;
mod ops;
mod random;
mod world;

use clap::Parser;
use fault::Fault;
use random::Random;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Handle};
use tokio_deferred::{debug, set_default_runtime};
use world::World;

/// Uses every part of the library at random, and checks that nothing is lost.
#[derive(Parser)]
struct Args {
    /// For how long
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Where the random choices begin
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many threads, beside the runtime's
    #[arg(long, default_value_t = 4)]
    threads: u64,
    /// Breaks the library, to show that it is noticed
    #[arg(long = "break", value_enum)]
    fault: Option<Fault>,
}

/// How long everything runs before the heap is measured: so that what is made
/// once, by the library, the runtime and the standard library, is there.
const WARM_UP: Duration = Duration::from_millis(500);

/// More callbacks and futures than this are not begun before others ended.
const MOST_OPEN: u64 = 20_000;

fn main() -> ExitCode {
    let args = Args::parse();
    match soak(&args) {
        Ok(wrong) if wrong.is_empty() => {
            println!("all of it balances");
            ExitCode::SUCCESS
        }
        Ok(wrong) => {
            for line in wrong {
                eprintln!("MISMATCH: {line}");
            }
            ExitCode::from(1)
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Runs the test, prints what was done, and returns what is wrong.
fn soak(args: &Args) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    debug::set_unhandled_hook(books::note_report);
    // The default runtime is kept for ever: between rounds it is one of which
    // nothing changes.
    let idle = Builder::new_current_thread().build()?;
    set_default_runtime(idle.handle());
    let start = Instant::now();
    let mut wrong = round(args, WARM_UP, idle.handle())?;
    if wrong.is_empty() {
        if let Some(fault) = args.fault {
            fault.switch_on()?;
        }
        let before = heap::live();
        wrong = round(args, Duration::from_secs(args.seconds), idle.handle())?;
        let after = heap::live();
        wrong.extend(books::heap_mismatch(before, after));
        let took = start.elapsed();
        write!(
            std::io::stdout(),
            "{}",
            books::Report {
                args,
                took,
                before,
                after
            }
        )?;
    }
    Ok(wrong)
}

/// Begins threads and a runtime, waits until all that they began has ended,
/// ends them, and returns what is wrong then.
fn round(args: &Args, length: Duration, idle: &Handle) -> std::io::Result<Vec<String>> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()?;
    let world = Arc::new(World::new(runtime.handle().clone()));
    set_default_runtime(runtime.handle());
    let end = Instant::now() + length;
    thread::scope(|scope| {
        for which in 0..args.threads {
            let world = &world;
            let mut random = Random::new(args.seed, which);
            scope.spawn(move || {
                // Some know the runtime, the others have the default one.
                let _entered = (which % 2 == 0).then(|| world.runtime.enter());
                work(world, &mut random, end);
            });
        }
    });
    let mut random = Random::new(args.seed, args.threads);
    {
        let _entered = runtime.enter();
        ledger::settle(|| world.clear(&mut random));
        world.empty_queues();
    }
    debug::set_debugging(false);
    set_default_runtime(idle);
    if ledger::outstanding() == 0 {
        // A callback that has run is not yet a chain that has ended: this waits
        // for the threads that run them.
        drop(runtime);
    } else {
        runtime.shutdown_background();
    }
    let mut wrong = books::mismatches();
    wrong.extend(world.limits_in_use());
    drop(world);
    wrong.extend(books::values_mismatch());
    Ok(wrong)
}

fn work(world: &Arc<World>, random: &mut Random, end: Instant) {
    while Instant::now() < end {
        if ledger::outstanding() < MOST_OPEN {
            // A look at the clock takes as long as some operations.
            for _ in 0..16 {
                ops::step(world, random);
            }
        } else {
            ops::step_back(world, random);
            thread::yield_now();
        }
    }
}
