//! An XML-RPC server for factorials, on axum.
//!
//! Every method is a function that returns a Deferred, so what is cached, what
//! is under way and what has to be computed look the same to it. Ctrl-c ends
//! the server: calls that are pending are answered first.

mod factorials;
mod faults;
mod product;
mod rpc;
mod sessions;

use std::io::Write;
use std::net::IpAddr;
use std::process;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::signal::ctrl_c;
use tokio_deferred::Deferred;

use crate::factorials::Factorials;
use crate::rpc::Service;
use crate::sessions::Sessions;

/// An XML-RPC server: factorial(n), createSession(), factorialInSession(code, n), stats()
#[derive(Parser)]
#[command(name = "factorial_server")]
struct Args {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Port to listen on; 0 takes a free one, which is printed
    #[arg(long, default_value_t = 7080)]
    port: u16,
    /// Largest n that is answered; all results stay in memory
    #[arg(long, default_value_t = 5000)]
    max_n: u32,
    /// Milliseconds to wait before each computation, to watch calls share it
    #[arg(long, default_value_t = 0)]
    delay: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    // The callbacks that rayon's threads run may start timers.
    tokio_deferred::set_default_runtime(&Handle::current());
    let service = Arc::new(Service {
        factorials: Factorials::new(Duration::from_millis(args.delay)),
        sessions: Sessions::default(),
        largest: args.max_n,
    });
    let listener = TcpListener::bind((args.host, args.port))
        .await
        .with_context(|| format!("cannot listen on {}:{}", args.host, args.port))?;

    // A coroutine is polled once at once: ctrl-c is caught from here on, also
    // by whoever sends it as soon as the address is printed.
    let stopping = Deferred::from_coroutine(ctrl_c());
    let address = listener.local_addr().context("cannot tell the address")?;
    writeln!(std::io::stdout(), "listening on http://{address}")?;

    axum::serve(listener, rpc::router(&service))
        .with_graceful_shutdown(async {
            match stopping.await {
                Ok(()) => eprintln!(
                    "stopping: pending calls are answered first (ctrl-c again to stop now)"
                ),
                Err(error) => eprintln!("stopping: cannot wait for ctrl-c: {error:#}"),
            }
            tokio::spawn(async {
                if ctrl_c().await.is_ok() {
                    process::exit(130);
                }
            });
        })
        .await?;

    let counters = &service.factorials.counters;
    let calls = counters.calls.load(Ordering::Relaxed);
    let pending = calls - counters.answered.load(Ordering::Relaxed);
    writeln!(
        std::io::stdout(),
        "stopped: {calls} calls, {pending} pending"
    )?;
    Ok(())
}
