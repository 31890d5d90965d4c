//! The client library: functions that return Deferreds.

mod connection;
mod memo;
mod retry;
mod sessions;

use std::sync::Arc;
use std::time::Duration;

use tokio_deferred::{Deferred, DeferredError, DeferredList, DeferredSemaphore};

use crate::protocol::{Reply, Request};
use connection::Connection;
use memo::Memo;
pub(crate) use sessions::Account;
use sessions::Sessions;

/// How often a multiplication is tried before its caller hears of a failure.
const TRIES: usize = 8;

/// Why there is no product.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("connection lost: {0}")]
    ConnectionLost(String),
    #[error("login refused: {0}")]
    LoginRefused(String),
    #[error("the server is busy, try again in {after:?}")]
    TryAgain { after: Duration },
    #[error("the session is not valid any more")]
    SessionInvalid,
    #[error("refused: {0}")]
    Refused(String),
    #[error("the server answered `{0}` to a question of another kind")]
    Unexpected(Reply),
    #[error("gave up after {tries} tries: {last}")]
    GaveUp {
        tries: usize,
        #[source]
        last: DeferredError,
    },
}

impl Error {
    /// How long to wait before another try; `None` if it would be of no use.
    fn pause_before_retry(&self) -> Option<Duration> {
        match self {
            Error::TryAgain { after } => Some(*after),
            Error::SessionInvalid => Some(Duration::ZERO),
            _ => None,
        }
    }
}

/// Multiplies on a remote server.
#[derive(Clone)]
pub(crate) struct Multiplier {
    line: Arc<Line>,
    products: Arc<Memo<(i64, i64), i64>>,
}

/// What a request needs to get through to the server.
struct Line {
    connection: Connection,
    sessions: Arc<Sessions>,
    limit: DeferredSemaphore,
}

impl Multiplier {
    /// Connects to `address`, `HOST:PORT`; at most `limit` requests will be
    /// under way at a time.
    pub(crate) fn connect(address: String, account: Account, limit: usize) -> Deferred<Self> {
        Connection::open(address).map(move |connection| {
            let sessions = Sessions::new(connection.clone(), account);
            let line = Line {
                connection,
                sessions: Arc::new(sessions),
                limit: DeferredSemaphore::new(limit),
            };
            Self {
                line: Arc::new(line),
                products: Arc::new(Memo::new()),
            }
        })
    }

    /// The product of `a` and `b`. The server is asked for it once, unless that
    /// fails, and not at all while an earlier call waits for the same.
    pub(crate) fn multiply(&self, a: i64, b: i64) -> Deferred<i64> {
        let line = Arc::clone(&self.line);
        self.products
            .get((a, b), move || retry::retry(TRIES, move || line.ask(a, b)))
    }

    /// All products, in order, each with its own success or failure.
    /// `each_done` is called as each of them is known.
    pub(crate) fn multiply_all(
        &self,
        pairs: &[(i64, i64)],
        each_done: impl Fn() + Clone + Send + 'static,
    ) -> Deferred<Vec<Result<i64, DeferredError>>> {
        let products = pairs
            .iter()
            .map(|&(a, b)| self.multiply(a, b).finally(each_done.clone()));
        DeferredList::new(products)
            .consume_errors(true)
            .into_deferred()
    }
}

impl Line {
    /// One try. It holds a permit for as long as it needs the server, so that
    /// who waits before the next try holds up nobody.
    fn ask(self: &Arc<Self>, a: i64, b: i64) -> Deferred<i64> {
        let line = Arc::clone(self);
        self.limit.run(move || {
            // Only now: a session that was fetched before the wait for a permit
            // might have expired meanwhile.
            line.sessions.get().add_callback(move |session| {
                let request = Request::Multiply {
                    session: session.code.clone(),
                    a,
                    b,
                };
                line.connection
                    .request(&request)
                    .add_callback(move |reply| match reply {
                        Reply::Product(product) => Ok(product),
                        Reply::TryAgain { after } => Err(Error::TryAgain { after }.into()),
                        Reply::SessionInvalid => {
                            line.sessions.invalidate(&session);
                            Err(Error::SessionInvalid.into())
                        }
                        Reply::Error(reason) => Err(Error::Refused(reason).into()),
                        other => Err(Error::Unexpected(other).into()),
                    })
            })
        })
    }
}
