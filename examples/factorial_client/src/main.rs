//! A client of the `factorial_server` example, built with Deferreds.
//!
//! All calls start at once; with `--session` they wait for one session, which
//! is fetched once and shared.

mod xmlrpc;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use axum::http::Uri;
use clap::Parser;
use dxr::{Fault, TryFromValue, Value};
use tokio_deferred::{Deferred, DeferredError, Failure};

use crate::xmlrpc::Client;

/// Asks an XML-RPC server for factorials
#[derive(Parser)]
#[command(name = "factorial_client")]
struct Args {
    /// Address of the server
    #[arg(long, default_value = "http://127.0.0.1:7080/")]
    url: Uri,
    /// Create a session and make all calls in it
    #[arg(long)]
    session: bool,
    /// Print the server's counters at the end
    #[arg(long)]
    stats: bool,
    /// Seconds that one call may take
    #[arg(long, default_value_t = 30)]
    timeout: u64,
    /// Numbers to compute the factorials of
    #[arg(value_name = "N", allow_negative_numbers = true)]
    numbers: Vec<i64>,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let client = Client::new(args.url, Duration::from_secs(args.timeout));

    let calls = if args.session {
        in_session(&client, &args.numbers)
    } else {
        let call = |&n| client.call("factorial", (number(n),));
        args.numbers.iter().map(call).collect()
    };

    let mut failed = false;
    for (n, call) in args.numbers.iter().zip(calls) {
        match call.add_callback(digits).await {
            Ok(digits) => writeln!(io::stdout(), "{n}! = {digits}")?,
            Err(error) => {
                failed = true;
                writeln!(io::stderr(), "{n}!: {}", explain(&error))?;
            }
        }
    }
    if args.stats {
        match client.call("stats", ()).await {
            Ok(stats) => print_stats(&stats)?,
            Err(error) => {
                failed = true;
                writeln!(io::stderr(), "stats: {}", explain(&error))?;
            }
        }
    }
    Ok(ExitCode::from(u8::from(failed)))
}

/// Starts the calls of one session: each waits for the same code.
fn in_session(client: &Client, numbers: &[i64]) -> Vec<Deferred<Value>> {
    let session = client
        .call("createSession", ())
        .add_callback(|code| Ok(String::try_from_value(&code)?))
        .share();
    let call = |&n| {
        let client = client.clone();
        session
            .subscribe()
            .add_callback(move |code| client.call("factorialInSession", (code, number(n))))
    };
    numbers.iter().map(call).collect()
}

/// The narrow integer that every server knows, where it is wide enough.
fn number(n: i64) -> Value {
    i32::try_from(n).map_or(Value::Long(n), Value::Integer)
}

/// Reads a factorial: a number of either width, or digits.
fn digits(value: Value) -> Result<String, Failure> {
    Ok(match value {
        Value::Integer(number) => number.to_string(),
        Value::Long(number) => number.to_string(),
        other => String::try_from_value(&other)?,
    })
}

fn print_stats(stats: &Value) -> io::Result<()> {
    let Value::Struct(members) = stats else {
        return writeln!(io::stdout(), "stats: {stats:?}");
    };
    for (name, value) in members {
        let digits = digits(value.clone()).unwrap_or_else(|_| format!("{value:?}"));
        writeln!(io::stdout(), "{name}: {digits}")?;
    }
    Ok(())
}

fn explain(error: &DeferredError) -> String {
    match error.downcast_ref::<Fault>() {
        Some(fault) => format!("fault {}: {}", fault.code(), fault.string()),
        None => format!("{error:#}"),
    }
}
