//! Poetry servers on loopback, for a run without arguments.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const PIECE: usize = 16;
const PAUSE: Duration = Duration::from_millis(10);

pub(crate) struct Demo {
    pub(crate) servers: Vec<String>,
    /// The one of `servers` that refuses connections.
    pub(crate) refusing: String,
    /// Bound and not listening: that is what refuses, and what keeps the port
    /// from anybody who would not.
    _port: TcpSocket,
}

pub(crate) async fn start() -> io::Result<Demo> {
    let port = TcpSocket::new_v4()?;
    port.bind(LOOPBACK)?;
    let refusing = port.local_addr()?.to_string();
    Ok(Demo {
        servers: vec![
            serve(include_str!("poems/ozymandias.txt")).await?,
            refusing.clone(),
            serve(include_str!("poems/eternity.txt")).await?,
        ],
        refusing,
        _port: port,
    })
}

async fn serve(poem: &'static str) -> io::Result<String> {
    let listener = TcpListener::bind(LOOPBACK).await?;
    let address = listener.local_addr()?.to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that goes away early has had what it wanted.
            tokio::spawn(trickle(stream, poem));
        }
    });
    Ok(address)
}

async fn trickle(mut stream: TcpStream, poem: &str) -> io::Result<()> {
    for piece in poem.as_bytes().chunks(PIECE) {
        stream.write_all(piece).await?;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}
