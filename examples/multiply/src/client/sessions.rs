//! A session that is fetched once for all who wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio_deferred::Deferred;

use super::Error;
use super::connection::Connection;
use super::memo::Memo;
use crate::protocol::{Reply, Request};

/// Whom the server should know us as.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Account {
    /// Name to log in with
    #[arg(long, default_value = "ann")]
    pub(crate) user: String,

    /// Password to log in with
    #[arg(long, default_value = "sesame")]
    pub(crate) password: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) code: String,
    generation: u64,
}

pub(crate) struct Sessions {
    connection: Connection,
    account: Account,
    /// Which login is the current one. All but that are history.
    generation: AtomicU64,
    logins: Memo<u64, Session>,
}

impl Sessions {
    pub(crate) fn new(connection: Connection, account: Account) -> Self {
        Self {
            connection,
            account,
            generation: AtomicU64::new(0),
            logins: Memo::new(),
        }
    }

    /// The current session; the first to ask for it logs in.
    pub(crate) fn get(self: &Arc<Self>) -> Deferred<Session> {
        let generation = self.generation.load(Ordering::Acquire);
        let this = Arc::clone(self);
        self.logins.get(generation, move || this.log_in(generation))
    }

    /// Takes note that the server does not know `session` any more.
    ///
    /// Of many calls that find out, the first one has effect: the others speak
    /// of a session that has been replaced.
    pub(crate) fn invalidate(&self, session: &Session) {
        let old = session.generation;
        let renewed =
            self.generation
                .compare_exchange(old, old + 1, Ordering::AcqRel, Ordering::Relaxed);
        if renewed.is_ok() {
            self.logins.forget(&old);
        }
    }

    fn log_in(&self, generation: u64) -> Deferred<Session> {
        let request = Request::Login {
            user: self.account.user.clone(),
            password: self.account.password.clone(),
        };
        self.connection
            .request(&request)
            .add_callback(move |reply| match reply {
                Reply::Session(code) => Ok(Session { code, generation }),
                Reply::Error(reason) => Err(Error::LoginRefused(reason).into()),
                other => Err(Error::Unexpected(other).into()),
            })
            .label("log in")
    }
}
