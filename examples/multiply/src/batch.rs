//! `multiply batch`: the pairs of a file, multiplied by a server.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use tokio_deferred::DeferredError;

use crate::client::{Multiplier, Options};

#[derive(clap::Args)]
pub(crate) struct Batch {
    /// File with two numbers a line; standard input if there is none
    file: Option<PathBuf>,

    /// Server to ask
    #[arg(long, value_name = "HOST:PORT")]
    connect: String,

    #[command(flatten)]
    options: Options,
}

impl Batch {
    /// Prints a line for each pair, in order. Whether all have a product is in
    /// the result.
    ///
    /// # Errors
    ///
    /// Fails if the pairs cannot be read or the server not be reached.
    pub(crate) async fn run(self) -> anyhow::Result<bool> {
        let pairs = parse(&self.read()?)?;
        let multiplier = Multiplier::connect(self.connect.clone(), self.options)
            .await
            .map_err(|error| anyhow!("cannot connect to {}: {error}", self.connect))?;
        let products = with_progress(&multiplier, &pairs).await?;
        let mut out = io::stdout().lock();
        for ((a, b), product) in pairs.iter().zip(&products) {
            match product {
                Ok(product) => writeln!(out, "{a} * {b} = {product}")?,
                Err(error) => writeln!(out, "{a} * {b} failed: {error:#}")?,
            }
        }
        Ok(products.iter().all(Result::is_ok))
    }

    fn read(&self) -> anyhow::Result<String> {
        let Some(path) = &self.file else {
            let mut text = String::new();
            io::stdin()
                .read_to_string(&mut text)
                .context("cannot read standard input")?;
            return Ok(text);
        };
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
    }
}

/// Multiplies all pairs while a bar on the terminal counts those done.
pub(crate) async fn with_progress(
    multiplier: &Multiplier,
    pairs: &[(i64, i64)],
) -> Result<Vec<Result<i64, DeferredError>>, DeferredError> {
    let style = ProgressStyle::with_template("{wide_bar} {pos} of {len}, {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(pairs.len() as u64).with_style(style);
    let products = {
        let bar = bar.clone();
        multiplier.multiply_all(pairs, move || bar.inc(1))
    };
    let products = products.await;
    bar.finish_and_clear();
    products
}

fn parse(text: &str) -> anyhow::Result<Vec<(i64, i64)>> {
    let lines = text.lines().enumerate();
    let filled = lines.filter(|(_, line)| !line.trim().is_empty());
    filled
        .map(|(index, line)| {
            let numbers: Result<Vec<i64>, _> = line.split_whitespace().map(str::parse).collect();
            match numbers.as_deref() {
                Ok(&[a, b]) => Ok((a, b)),
                _ => bail!("line {}: `{line}` is not a pair of numbers", index + 1),
            }
        })
        .collect()
}
