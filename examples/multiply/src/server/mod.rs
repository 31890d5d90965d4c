//! The server: plain async code on Tokio, as any server may be.

mod service;

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::protocol::{Reply, Request, unframe};
pub(crate) use service::{Asked, Behaviour, Service, Stats};

/// Serves whoever connects, until the listener fails.
///
/// # Errors
///
/// Fails when no further connection can be accepted.
pub(crate) async fn serve(listener: TcpListener, service: Arc<Service>) -> io::Result<()> {
    loop {
        let (stream, peer) = listener.accept().await?;
        let service = Arc::clone(&service);
        tokio::spawn(async move {
            if let Err(error) = serve_one(stream, service).await {
                eprintln!("multiply: {peer}: {error}");
            }
        });
    }
}

/// Reads requests off one connection; each is worked on in its own task, and
/// answered as soon as it is done.
async fn serve_one(stream: TcpStream, service: Arc<Service>) -> io::Result<()> {
    let (incoming, mut outgoing) = stream.into_split();
    let (replies, mut written) = mpsc::unbounded_channel::<String>();
    let writer = tokio::spawn(async move {
        while let Some(line) = written.recv().await {
            outgoing.write_all(line.as_bytes()).await?;
        }
        outgoing.shutdown().await
    });
    let mut lines = BufReader::new(incoming).lines();
    while let Some(line) = lines.next_line().await? {
        let (service, replies) = (Arc::clone(&service), replies.clone());
        tokio::spawn(async move {
            // The client is gone when the writer is: nobody wants the answer.
            let _ = replies.send(answer(&line, &service).await);
        });
    }
    drop(replies);
    writer.await?
}

async fn answer(line: &str, service: &Service) -> String {
    let (id, reply) = match unframe(line) {
        Err(error) => (0, Reply::Error(error.to_string())),
        Ok((id, message)) => match Request::parse(message) {
            Err(error) => (id, Reply::Error(error.to_string())),
            Ok(request) => (id, service.handle(request).await),
        },
    };
    format!("{id} {reply}\n")
}
