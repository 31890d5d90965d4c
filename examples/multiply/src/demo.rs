//! `multiply demo`: many calls at once to a server of its own.

use std::sync::Arc;
use std::time::Instant;

use clap::Parser;
use tokio::net::TcpListener;

use crate::batch;
use crate::client::{Multiplier, Options};
use crate::server::{self, Behaviour, Service, Stats};

#[derive(Parser)]
pub(crate) struct Demo {
    /// How many calls to make
    #[arg(long, value_name = "N", default_value_t = 1000)]
    calls: i64,

    /// How many different products they ask for
    #[arg(long, value_name = "N", default_value_t = 250,
          value_parser = clap::value_parser!(i64).range(1..))]
    distinct: i64,

    #[command(flatten)]
    options: Options,

    #[command(flatten)]
    behaviour: Behaviour,
}

impl Default for Demo {
    fn default() -> Self {
        Self::parse_from(["demo"])
    }
}

impl Demo {
    pub(crate) async fn run(self) -> anyhow::Result<bool> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let service = Arc::new(Service::new(self.behaviour));
        tokio::spawn(server::serve(listener, Arc::clone(&service)));

        let pairs: Vec<_> = (0..self.calls)
            .map(|call| (call % self.distinct, call % self.distinct + 7))
            .collect();
        let multiplier = Multiplier::connect(address, self.options).await?;
        let begin = Instant::now();
        let products = batch::with_progress(&multiplier, &pairs).await?;
        let seconds = begin.elapsed().as_secs_f64();

        let right = pairs
            .iter()
            .zip(&products)
            .filter(|&((a, b), product)| product.as_ref().is_ok_and(|product| *product == a * b));
        let (right, failed) = (
            right.count(),
            products.iter().filter(|product| product.is_err()).count(),
        );
        println!("{} calls in {seconds:.1} s", pairs.len());
        println!("  {right} right products, {failed} failures");
        if let Some(error) = products.iter().find_map(|product| product.as_ref().err()) {
            println!("  the first failure: {error:#}");
        }
        report(&service.stats());
        Ok(right == pairs.len())
    }
}

fn report(stats: &Stats) {
    let sum = |of: fn(&server::Asked) -> u64| stats.pairs.values().map(of).sum::<u64>();
    let most = stats.pairs.values().map(|asked| asked.products).max();
    println!("what the server saw");
    println!("  {} different products asked for", stats.pairs.len());
    println!(
        "  {} products given, at most {} for each",
        sum(|asked| asked.products),
        most.unwrap_or(0),
    );
    println!(
        "  {} times \"try again later\"",
        sum(|asked| asked.try_again)
    );
    println!(
        "  {} times \"session invalid\", after {} expired sessions",
        sum(|asked| asked.session_invalid),
        stats.sessions_expired,
    );
    println!("  {} logins", stats.logins);
    println!("  at most {} requests at a time", stats.most_at_once);
}
