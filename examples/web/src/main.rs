//! An axum service whose handlers await Deferreds that a worker thread fires.
//!
//! `POST /add?amount=N&delay=MS` makes a posting in a ledger and answers with
//! the total. A posting that takes too long is a 504; one whose client went
//! away is not made. `GET /stats` counts how requests ended.

mod handlers;
mod ledger;
mod tally;

use std::io::Write;
use std::net::IpAddr;
use std::process;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::ctrl_c;
use tokio_deferred::Deferred;

use crate::handlers::{App, router};
use crate::ledger::Ledger;
use crate::tally::Tally;

/// A ledger over HTTP: POST /add?amount=N&delay=MS, GET /stats
#[derive(Parser)]
#[command(name = "web")]
struct Args {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Port to listen on; 0 takes a free one, which is printed
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Milliseconds that a request may take
    #[arg(long, default_value_t = 2000)]
    timeout: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let app = Arc::new(App {
        ledger: Ledger::start().context("cannot start the ledger's thread")?,
        tally: Arc::new(Tally::default()),
        limit: Duration::from_millis(args.timeout),
    });
    let listener = TcpListener::bind((args.host, args.port))
        .await
        .with_context(|| format!("cannot listen on {}:{}", args.host, args.port))?;

    // A coroutine is polled once at once: ctrl-c is caught before the address
    // is printed.
    let stopping = Deferred::from_coroutine(ctrl_c());
    let address = listener.local_addr().context("cannot tell the address")?;
    writeln!(std::io::stdout(), "listening on http://{address}")?;

    axum::serve(listener, router(Arc::clone(&app)))
        .with_graceful_shutdown(async {
            if let Err(error) = stopping.await {
                eprintln!("stopping: cannot wait for ctrl-c: {error:#}");
            }
            tokio::spawn(async {
                if ctrl_c().await.is_ok() {
                    process::exit(130);
                }
            });
        })
        .await?;

    let end = serde_json::to_string(&app.tally.snapshot())?;
    writeln!(std::io::stdout(), "stopped: {end}")?;
    Ok(())
}
