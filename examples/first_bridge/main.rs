//! A callback API, awaited: `getaddrinfo` on a thread of its own, bridged by [`lookup`].
use clap::Parser;
use std::net::{SocketAddr, ToSocketAddrs};
use std::{io, thread, time::Duration};
use tokio_deferred::Deferred;

/// The callback API as it is found: it calls `done` later, on a thread of its own.
fn resolve(host: String, done: impl FnOnce(io::Result<Vec<SocketAddr>>) + Send + 'static) {
    thread::spawn(move || done(host.to_socket_addrs().map(Iterator::collect)));
}

/// The bridge: the resolver goes into the callback, the Deferred to whoever awaits.
fn lookup(host: String) -> Deferred<Vec<SocketAddr>> {
    Deferred::from_callback(|resolver| resolve(host, |found| resolver.resolve(found)))
}

/// Prints the addresses of a host.
#[derive(Parser)]
struct Args {
    #[arg(default_value = "localhost:80")]
    host: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let found = lookup(Args::parse().host).add_timeout(Duration::from_secs(5));
    println!("{:?}", found.await?);
    Ok(())
}
