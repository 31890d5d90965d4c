//! What all four stages have in common: what is bought, and what can go wrong.

use std::fmt;
use std::io;

use tokio_deferred::Failure;

/// Shown with every request after the login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token(pub(crate) String);

/// An item that the shop keeps for us until we pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hold(pub(crate) String);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) number: String,
    pub(crate) cents: u32,
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (euros, cents) = (self.cents / 100, self.cents % 100);
        write!(f, "paid {euros}.{cents:02}, receipt {}", self.number)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0} is not sold here")]
    NotSold(String),
    #[error("{0}")]
    Refused(String),
    #[error("`{0}` is no answer")]
    NoAnswer(String),
    #[error("the line is dead: {0}")]
    Line(String),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Error::Line(error.to_string())
    }
}

/// For callback code that hears from code which uses Deferreds already.
impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure.check::<Error>() {
            Some(error) => error.clone(),
            None => Error::Line(failure.to_string()),
        }
    }
}

/// What the answer `KIND word` says; `REFUSED reason` is an error.
pub(crate) fn expect(kind: &str, answer: &str) -> Result<String, Error> {
    match answer.split_once(' ') {
        Some((found, word)) if found == kind => Ok(word.to_owned()),
        Some(("REFUSED", reason)) => Err(Error::Refused(reason.to_owned())),
        Some(("UNKNOWN", item)) => Err(Error::NotSold(item.to_owned())),
        _ => Err(Error::NoAnswer(answer.to_owned())),
    }
}

/// The price in an answer `CENTS n`.
pub(crate) fn cents(answer: &str) -> Result<u32, Error> {
    expect("CENTS", answer)?
        .parse()
        .map_err(|_| Error::NoAnswer(answer.to_owned()))
}
