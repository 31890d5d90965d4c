//! Values and failures that are counted, each by itself.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_deferred::Failure;

/// How long anything may take: not a wait, but the end of one.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// A result, as it is compared.
pub(crate) type Seen = Result<i64, String>;

/// How often each token was dropped.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    drops: Mutex<Drops>,
    all_dropped: Condvar,
}

#[derive(Debug, Default)]
struct Drops {
    times: Vec<u8>,
    alive: usize,
}

/// Something that is to be dropped once.
#[derive(Debug)]
pub(crate) struct Token {
    ledger: Arc<Ledger>,
    number: usize,
}

impl Ledger {
    pub(crate) fn token(self: &Arc<Self>) -> Token {
        let mut drops = locked(&self.drops);
        drops.times.push(0);
        drops.alive += 1;
        Token {
            ledger: self.clone(),
            number: drops.times.len() - 1,
        }
    }

    /// Waits until every token is dropped; a task may be about to.
    ///
    /// # Errors
    ///
    /// If one is not, or was dropped twice.
    pub(crate) fn check(&self) -> Result<(), String> {
        let drops = locked(&self.drops);
        let alive = |drops: &mut Drops| drops.alive > 0;
        let (drops, _) = (self.all_dropped)
            .wait_timeout_while(drops, LIMIT, alive)
            .unwrap_or_else(PoisonError::into_inner);
        match drops.times.iter().position(|&times| times != 1) {
            None => Ok(()),
            Some(token) => Err(format!(
                "token {token} of {} was dropped {} times",
                drops.times.len(),
                drops.times[token]
            )),
        }
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        let mut drops = locked(&self.ledger.drops);
        drops.times[self.number] = drops.times[self.number].saturating_add(1);
        drops.alive = drops.alive.saturating_sub(1);
        if drops.alive == 0 {
            self.ledger.all_dropped.notify_all();
        }
    }
}

/// A value.
#[derive(Debug)]
pub(crate) struct Number {
    pub(crate) n: i64,
    token: Token,
}

impl Number {
    pub(crate) fn new(n: i64, ledger: &Arc<Ledger>) -> Self {
        let token = ledger.token();
        Number { n, token }
    }
}

impl Clone for Number {
    fn clone(&self) -> Self {
        Number::new(self.n, &self.token.ledger)
    }
}

/// A failure.
#[derive(Debug, thiserror::Error)]
#[error("oops {code}")]
pub(crate) struct Oops {
    code: usize,
    token: Token,
}

impl Oops {
    pub(crate) fn new(code: usize, ledger: &Arc<Ledger>) -> Self {
        let token = ledger.token();
        Oops { code, token }
    }

    pub(crate) fn name(code: usize) -> String {
        format!("oops {code}")
    }
}

pub(crate) fn see(result: &Result<Number, Failure>) -> Seen {
    match result {
        Ok(value) => Ok(value.n),
        Err(failure) => Err(name(failure)),
    }
}

/// What a failure is called here.
pub(crate) fn name(failure: &Failure) -> String {
    if let Some(oops) = failure.check::<Oops>() {
        Oops::name(oops.code)
    } else if failure.is_cancelled() {
        CANCELLED.to_owned()
    } else if failure.is_resolver_dropped() {
        LOST.to_owned()
    } else {
        format!("unexpected: {failure}")
    }
}

pub(crate) const CANCELLED: &str = "cancelled";

pub(crate) const LOST: &str = "resolver dropped";

/// Locks `mutex`, also after a panic: what is in there is only compared.
pub(crate) fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
