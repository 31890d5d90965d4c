//! One TCP connection with any number of requests under way on it.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_deferred::{Deferred, Resolver};

use super::Error;
use crate::protocol::{Reply, Request, unframe};

/// Asks the server, and fires each request's Deferred when its answer comes.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    outgoing: UnboundedSender<String>,
    waiting: Arc<Waiting>,
    patience: Duration,
}

/// Who waits for an answer.
#[derive(Debug, Default)]
struct Waiting {
    last_id: AtomicU64,
    /// `None` once the connection is lost: nobody would answer any more.
    resolvers: Mutex<Option<HashMap<u64, Resolver<Reply>>>>,
}

impl Connection {
    /// Connects to `address`, `HOST:PORT`. No answer may take longer than
    /// `patience`.
    pub(crate) fn open(address: String, patience: Duration) -> Deferred<Self> {
        Deferred::from_coroutine(async move {
            let (incoming, outgoing) = TcpStream::connect(&address).await?.into_split();
            let (sender, lines) = unbounded_channel();
            let waiting = Arc::new(Waiting {
                resolvers: Mutex::new(Some(HashMap::new())),
                ..Waiting::default()
            });
            // The writer ends when the last handle is gone. That closes the
            // server's side, hence the reader's.
            tokio::spawn(write(lines, outgoing));
            let readers = Arc::clone(&waiting);
            tokio::spawn(async move {
                let reason = read(incoming, &readers).await;
                readers.give_up(&reason);
            });
            Ok::<_, io::Error>(Self {
                outgoing: sender,
                waiting,
                patience,
            })
        })
    }

    /// Sends a request. The Deferred fires with the server's answer, or fails
    /// with [`Error::ConnectionLost`] or a timeout.
    ///
    /// Cancelling it gives up waiting; the server is not told, and its answer
    /// is thrown away.
    pub(crate) fn request(&self, request: &Request) -> Deferred<Reply> {
        let id = self.waiting.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let waiting = Arc::downgrade(&self.waiting);
        let (resolver, reply) = Deferred::with_canceller(move || {
            if let Some(waiting) = waiting.upgrade() {
                drop(waiting.take(id));
            }
            None
        });
        if let Err(resolver) = self.waiting.insert(id, resolver) {
            resolver.errback(Error::ConnectionLost("it was closed before".to_owned()));
        } else {
            // When the writer is gone, the reader ends and says so.
            let _ = self.outgoing.send(format!("{id} {request}\n"));
        }
        reply.label("request").add_timeout(self.patience)
    }
}

impl Waiting {
    fn insert(&self, id: u64, resolver: Resolver<Reply>) -> Result<(), Resolver<Reply>> {
        match &mut *self.resolvers() {
            Some(resolvers) => resolvers.insert(id, resolver),
            None => return Err(resolver),
        };
        Ok(())
    }

    fn take(&self, id: u64) -> Option<Resolver<Reply>> {
        self.resolvers().as_mut()?.remove(&id)
    }

    fn give_up(&self, reason: &str) {
        // The callbacks run in `errback`, and may well ask again: by then the
        // lock has to be free.
        let resolvers = self.resolvers().take();
        for resolver in resolvers.into_iter().flat_map(HashMap::into_values) {
            resolver.errback(Error::ConnectionLost(reason.to_owned()));
        }
    }

    fn resolvers(&self) -> MutexGuard<'_, Option<HashMap<u64, Resolver<Reply>>>> {
        self.resolvers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

async fn write(
    mut lines: UnboundedReceiver<String>,
    mut outgoing: OwnedWriteHalf,
) -> io::Result<()> {
    while let Some(line) = lines.recv().await {
        outgoing.write_all(line.as_bytes()).await?;
    }
    outgoing.shutdown().await
}

/// Fires what waits for the answers that arrive, and returns why it ended.
async fn read(incoming: OwnedReadHalf, waiting: &Waiting) -> String {
    let mut lines = BufReader::new(incoming).lines();
    loop {
        let line = match lines.next_line().await {
            Ok(Some(line)) => line,
            Ok(None) => return "the server closed it".to_owned(),
            Err(error) => return error.to_string(),
        };
        let answer = unframe(&line).and_then(|(id, message)| Ok((id, Reply::parse(message)?)));
        match answer {
            // Nobody waits for the answer to a request that was cancelled.
            Ok((id, reply)) => {
                if let Some(resolver) = waiting.take(id) {
                    resolver.callback(reply);
                }
            }
            Err(error) => return error.to_string(),
        }
    }
}
