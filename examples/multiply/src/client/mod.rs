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
use retry::{Policy, retry};
use sessions::{Account, Sessions};

/// "Try again later" is taken at its word, for a while.
const WHILE_BUSY: Policy = Policy {
    tries: 8,
    pause: |error| match error {
        Error::TryAgain { after } => Some(*after),
        _ => None,
    },
};

/// A session may end at any time; a new one should last for a request.
const WITH_NEW_SESSION: Policy = Policy {
    tries: 3,
    pause: |error| match error {
        Error::SessionInvalid => Some(Duration::ZERO),
        _ => None,
    },
};

/// How to treat the server.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// How many requests may be under way at a time
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = parse_limit)]
    limit: usize,

    /// How long an answer may take, in ms
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    patience: u64,

    #[command(flatten)]
    account: Account,
}

fn parse_limit(text: &str) -> Result<usize, &'static str> {
    match text.parse() {
        Ok(0) => Err("nothing could be asked"),
        Ok(limit) => Ok(limit),
        Err(_) => Err("not a number"),
    }
}

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
    #[error("gave up after {tries} tries: {last:#}")]
    GaveUp { tries: usize, last: DeferredError },
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
    /// Connects to `address`, `HOST:PORT`.
    pub(crate) fn connect(address: String, options: Options) -> Deferred<Self> {
        let patience = Duration::from_millis(options.patience);
        Connection::open(address, patience).map(move |connection| {
            let sessions = Sessions::new(connection.clone(), options.account);
            let line = Line {
                connection,
                sessions: Arc::new(sessions),
                limit: DeferredSemaphore::new(options.limit),
            };
            Self {
                line: Arc::new(line),
                products: Arc::new(Memo::new()),
            }
        })
    }

    /// The product of `a` and `b`. The server is asked for it once, however many
    /// calls want it; a failure is not kept.
    pub(crate) fn multiply(&self, a: i64, b: i64) -> Deferred<i64> {
        let line = Arc::clone(&self.line);
        self.products
            .get((a, b), move || retry(WHILE_BUSY, move || line.ask(a, b)))
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
        // The session is fetched only now: one from before the wait for a
        // permit might have ended meanwhile.
        self.limit
            .run(move || retry(WITH_NEW_SESSION, move || line.ask_in_session(a, b)))
    }

    fn ask_in_session(self: &Arc<Self>, a: i64, b: i64) -> Deferred<i64> {
        let line = Arc::clone(self);
        self.sessions.get().add_callback(move |session| {
            let request = Request::Multiply {
                session: session.code.clone(),
                a,
                b,
            };
            let reply = line.connection.request(&request);
            reply.add_callback(move |reply| match reply {
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
    }
}
