//! One program on its way from nested callbacks to async fns.
//!
//! It buys one thing in a shop that is reached through a callback API, and is
//! written four times: [`nested`], [`chain`], [`mixed`], [`all_async`]. Each
//! stage is reached from the one before by changing one function at a time,
//! and all four say the same things to the shop.
//!
//! ```text
//! cargo run --example migrate -- --stage chain teapot
//! ```

mod all_async;
mod chain;
mod line;
mod mixed;
mod nested;
mod order;
mod shop;

use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use tokio::runtime::Handle;
use tokio_deferred::{Deferred, Failure};

use line::Line;
use order::Receipt;

/// Buys one thing, and logs out again whatever happens.
///
/// Without a shop's address the program opens one of its own, that has teapots,
/// no lamps any more, and mugs in its outlet. `mallory` may not log in there,
/// and `bob` cannot pay.
#[derive(Parser)]
#[command(after_help = "Exit status: 0 if the thing was bought, 1 otherwise.")]
struct Args {
    /// What to buy
    #[arg(default_value = "teapot", value_parser = one_word)]
    item: String,

    /// Who buys it
    #[arg(long, default_value = "ann", value_parser = one_word)]
    user: String,

    /// How the program is written; what it does is the same
    #[arg(long, value_enum, default_value_t = Stage::Nested)]
    stage: Stage,

    /// Where the shop is
    #[arg(long, value_name = "HOST:PORT")]
    shop: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Stage {
    /// Callbacks, nested by hand
    Nested,
    /// Functions that return Deferreds, and chains of callbacks
    Chain,
    /// The same, some of the functions being async fns
    Mixed,
    /// Async fns
    Async,
}

/// Spaces are what separates the words of a request.
fn one_word(text: &str) -> Result<String, &'static str> {
    match text.split_whitespace().eq([text]) {
        true => Ok(text.to_owned()),
        false => Err("not one word"),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    // The line calls back on its own thread, which knows no runtime; an async
    // fn that is started there runs on this one.
    tokio_deferred::set_default_runtime(&Handle::current());
    match run(args).await {
        Ok(receipt) => {
            println!("{receipt}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("migrate: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> anyhow::Result<Receipt> {
    let Args {
        item,
        user,
        stage,
        shop,
    } = args;
    let address = match shop {
        Some(address) => address,
        None => shop::open()?.to_string(),
    };
    let line = Line::connect(&address, |said| println!("{said}"))
        .with_context(|| format!("cannot reach {address}"))?;
    let bought: Result<Receipt, Failure> = match stage {
        Stage::Nested => {
            let bought = Deferred::from_callback(|resolver| {
                nested::buy(line, user, item, |receipt| resolver.resolve(receipt));
            });
            bought.await.map_err(Failure::from)
        }
        Stage::Chain => chain::buy(line, user, item).await.map_err(Failure::from),
        Stage::Mixed => mixed::buy(line, user, item).await.map_err(Failure::from),
        Stage::Async => all_async::buy(line, user, item).await,
    };
    bought.map_err(|failure| anyhow::anyhow!("nothing bought: {failure}"))
}
