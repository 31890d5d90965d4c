//! Sessions: a code that a client fetches once and sends with its calls.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use dxr::Fault;
use tokio_deferred::Failure;

use crate::faults;

/// How many sessions are kept; a client that never stops asking for new ones
/// gets a fault, not the server's memory.
const MOST_SESSIONS: usize = 10_000;

/// The sessions that were created and may be used.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    codes: Mutex<HashSet<String>>,
}

impl Sessions {
    /// Creates a session and returns its code.
    ///
    /// # Errors
    ///
    /// A fault when there are too many, or the system has no random numbers.
    pub(crate) fn create(&self) -> Result<String, Failure> {
        let code = format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?);
        let mut codes = self.lock();
        if codes.len() >= MOST_SESSIONS {
            return Err(Fault::new(faults::TOO_MANY_SESSIONS, "too many sessions".into()).into());
        }
        codes.insert(code.clone());
        Ok(code)
    }

    /// Returns normally for a code that [`create`](Self::create) gave out.
    ///
    /// # Errors
    ///
    /// A fault for every other code.
    pub(crate) fn check(&self, code: &str) -> Result<(), Failure> {
        if self.lock().contains(code) {
            return Ok(());
        }
        let message = "unknown session: createSession() gives out codes";
        Err(Fault::new(faults::UNKNOWN_SESSION, message.into()).into())
    }

    /// Returns how many sessions there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.codes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
