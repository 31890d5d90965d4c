//! A remote multiplication service and its client library.
//!
//! The server is slow, wants a login before anything else, says "try again
//! later" and "session invalid" now and then. The client hides all that behind
//! one function, `multiply(a, b) -> Deferred<i64>`: see the `client` module.
//!
//! ```text
//! cargo run -p multiply
//! cargo run -p multiply -- serve --port 4000
//! echo 6 7 | cargo run -p multiply -- batch --connect 127.0.0.1:4000
//! ```

mod batch;
mod client;
mod demo;
mod protocol;
mod server;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::{Parser, Subcommand};
use tokio::net::TcpListener;
use tokio_deferred::Deferred;

use server::{Behaviour, Service};

/// Multiplies, remotely, against all odds.
///
/// Without a command it starts a server of its own, has it asked a thousand
/// things at once, and reports how both sides fared.
#[derive(Parser)]
#[command(after_help = "Exit status: 0 if every product was found, 1 otherwise.")]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server
    Serve {
        /// Port to listen on; 0 has one chosen
        #[arg(long, default_value_t = 0)]
        port: u16,

        #[command(flatten)]
        behaviour: Behaviour,
    },
    /// Have all pairs of a file multiplied
    Batch(batch::Batch),
    /// Have a server of its own asked many things at once
    Demo(demo::Demo),
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Args::parse().command {
        Some(Command::Serve { port, behaviour }) => serve(port, behaviour).await,
        Some(Command::Batch(batch)) => batch.run().await,
        Some(Command::Demo(demo)) => demo.run().await,
        None => demo::Demo::default().run().await,
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("multiply: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(port: u16, behaviour: Behaviour) -> anyhow::Result<bool> {
    let listener = TcpListener::bind(("127.0.0.1", port))
        .await
        .with_context(|| format!("cannot listen on port {port}"))?;
    // Polled at once: whoever reads the next line may press ctrl-c.
    let interrupted = Deferred::from_coroutine(tokio::signal::ctrl_c());
    println!("listening on {}", listener.local_addr()?);
    let service = Arc::new(Service::new(behaviour));
    tokio::select! {
        served = server::serve(listener, service) => served?,
        interrupted = interrupted => interrupted?,
    }
    Ok(true)
}
