//! Callback APIs that people really have, awaited: each with a value, its own
//! type of error, and a cancel that reaches the work.

mod database;
mod files;
mod interrupt;
mod jobs;
mod report;

use clap::{Parser, ValueEnum};

/// Awaits callback APIs: a value, an error of their own type, a cancel
#[derive(Parser)]
#[command(name = "callbacks")]
struct Args {
    /// Which of them; all when none is named
    #[arg(value_enum)]
    apis: Vec<Api>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Api {
    /// A job on rayon's threads
    Rayon,
    /// A file watcher
    Notify,
    /// A C library on a thread of its own
    Sqlite,
    /// The process's handler for ctrl-c, which has to be pressed
    CtrlC,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut apis = Args::parse().apis;
    if apis.is_empty() {
        apis = Api::value_variants().to_vec();
    }
    for api in apis {
        match api {
            Api::Rayon => jobs::show().await?,
            Api::Notify => files::show().await?,
            Api::Sqlite => database::show().await?,
            Api::CtrlC => interrupt::show().await?,
        }
    }
    Ok(())
}
