//! What the service does with a request, the ill-behaved parts included.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::protocol::{Reply, Request};

/// How slow and how moody the service is.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Behaviour {
    /// Longest time that a multiplication takes, in ms
    #[arg(long, value_name = "MS", default_value_t = 3)]
    pub(crate) slow: u64,

    /// How many requests in a hundred get "try again later"
    #[arg(long, value_name = "PERCENT", default_value_t = 20,
          value_parser = clap::value_parser!(u64).range(..=100))]
    pub(crate) again: u64,

    /// How many requests a session is good for
    #[arg(long, value_name = "N", default_value_t = 50,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) session_uses: u64,

    /// The password that it accepts at login
    #[arg(long, value_name = "PASSWORD", default_value = "sesame")]
    pub(crate) accept: String,
}

/// What the service saw and did.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Stats {
    pub(crate) logins: u64,
    pub(crate) sessions_expired: u64,
    /// The most requests that were ever under way at once.
    pub(crate) most_at_once: u64,
    /// By the pair asked for, `6 7` for example.
    pub(crate) pairs: BTreeMap<String, Asked>,
}

/// How often a pair was asked for, and with what outcome.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) requests: u64,
    pub(crate) products: u64,
    pub(crate) try_again: u64,
    pub(crate) session_invalid: u64,
    pub(crate) errors: u64,
}

#[derive(Debug)]
pub(crate) struct Service {
    behaviour: Behaviour,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    stats: Stats,
    under_way: u64,
    /// How many uses each valid session has left.
    sessions: HashMap<String, u64>,
}

impl Service {
    pub(crate) fn new(behaviour: Behaviour) -> Self {
        let state = Mutex::default();
        Self { behaviour, state }
    }

    pub(crate) fn stats(&self) -> Stats {
        self.state().stats.clone()
    }

    pub(crate) async fn handle(&self, request: Request) -> Reply {
        match request {
            Request::Stats => match serde_json::to_string(&self.stats()) {
                Ok(json) => Reply::Stats(json),
                Err(error) => Reply::Error(error.to_string()),
            },
            Request::Login { user, password } => {
                let _under_way = UnderWay::begin(self);
                self.work(&user).await;
                self.login(&password)
            }
            Request::Multiply { session, a, b } => {
                let _under_way = UnderWay::begin(self);
                if !self.admit(&session, a, b) {
                    return Reply::SessionInvalid;
                }
                self.work(&(a, b)).await;
                self.multiply(a, b)
            }
        }
    }

    /// Takes as long as this service takes: time is what it sells.
    async fn work(&self, on: &impl Hash) {
        let slow = hash(on) % (self.behaviour.slow + 1);
        tokio::time::sleep(Duration::from_millis(slow)).await;
    }

    fn login(&self, password: &str) -> Reply {
        if password != self.behaviour.accept {
            return Reply::Error("wrong user name or password".to_owned());
        }
        let mut state = self.state();
        state.stats.logins += 1;
        let session = format!("s{}", state.stats.logins);
        state
            .sessions
            .insert(session.clone(), self.behaviour.session_uses);
        Reply::Session(session)
    }

    /// Uses up a bit of the session, if there still is such a session.
    fn admit(&self, session: &str, a: i64, b: i64) -> bool {
        let mut state = self.state();
        let valid = state.use_session(session);
        let asked = state.asked(a, b);
        asked.requests += 1;
        asked.session_invalid += u64::from(!valid);
        valid
    }

    fn multiply(&self, a: i64, b: i64) -> Reply {
        let mut state = self.state();
        let asked = state.asked(a, b);
        // From the pair and the try alone, so that a run can be repeated.
        let mood = hash(&(a, b, asked.try_again)) % 100;
        if mood < self.behaviour.again {
            asked.try_again += 1;
            let after = Duration::from_millis(1 + mood % 4);
            return Reply::TryAgain { after };
        }
        match a.checked_mul(b) {
            Some(product) => {
                asked.products += 1;
                Reply::Product(product)
            }
            None => {
                asked.errors += 1;
                Reply::Error(format!("{a} * {b} does not fit 64 bits"))
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Counters are whole whatever happened to their last writer.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn asked(&mut self, a: i64, b: i64) -> &mut Asked {
        self.stats.pairs.entry(format!("{a} {b}")).or_default()
    }

    fn use_session(&mut self, session: &str) -> bool {
        let Some(uses) = self.sessions.get_mut(session) else {
            return false;
        };
        *uses -= 1;
        if *uses == 0 {
            self.sessions.remove(session);
            self.stats.sessions_expired += 1;
        }
        true
    }
}

/// Counts a request as under way while it lives.
struct UnderWay<'a>(&'a Service);

impl<'a> UnderWay<'a> {
    fn begin(service: &'a Service) -> Self {
        let mut state = service.state();
        state.under_way += 1;
        state.stats.most_at_once = state.stats.most_at_once.max(state.under_way);
        Self(service)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.state().under_way -= 1;
    }
}

fn hash(of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}
