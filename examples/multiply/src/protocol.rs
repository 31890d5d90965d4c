//! What client and server say to each other: one line a message, each with the
//! number of the request it belongs to, so that many can be under way on one
//! connection and be answered in any order.
//!
//! ```text
//! 1 LOGIN ann sesame          1 SESSION s1
//! 2 MULTIPLY s1 6 7           2 PRODUCT 42
//! 3 MULTIPLY s1 6 8           3 AGAIN 5             (in 5 ms)
//! 4 MULTIPLY s0 6 9           4 INVALID             (the session)
//! 5 STATS                     5 STATS {"logins":1,..}
//! 6 MULTIPLY s1 x y           6 ERROR `x` is no number
//! ```

use std::fmt;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    Login { user: String, password: String },
    Multiply { session: String, a: i64, b: i64 },
    Stats,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Session(String),
    Product(i64),
    TryAgain { after: Duration },
    SessionInvalid,
    Stats(String),
    Error(String),
}

/// A line that is no message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadMessage {
    #[error("`{0}` is no number")]
    Number(String),
    #[error("`{0}` has no such form")]
    Form(String),
}

/// Splits a line into the number of its request and the message.
pub(crate) fn unframe(line: &str) -> Result<(u64, &str), BadMessage> {
    let (id, message) = line
        .split_once(' ')
        .ok_or_else(|| BadMessage::Form(line.to_owned()))?;
    Ok((number(id)?, message))
}

impl Request {
    pub(crate) fn parse(message: &str) -> Result<Self, BadMessage> {
        let words: Vec<_> = message.split_whitespace().collect();
        Ok(match words[..] {
            ["LOGIN", user, password] => Request::Login {
                user: user.to_owned(),
                password: password.to_owned(),
            },
            ["MULTIPLY", session, a, b] => Request::Multiply {
                session: session.to_owned(),
                a: number(a)?,
                b: number(b)?,
            },
            ["STATS"] => Request::Stats,
            _ => return Err(BadMessage::Form(message.to_owned())),
        })
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::Login { user, password } => write!(f, "LOGIN {user} {password}"),
            Request::Multiply { session, a, b } => write!(f, "MULTIPLY {session} {a} {b}"),
            Request::Stats => f.write_str("STATS"),
        }
    }
}

impl Reply {
    pub(crate) fn parse(message: &str) -> Result<Self, BadMessage> {
        let (kind, rest) = message.split_once(' ').unwrap_or((message, ""));
        Ok(match kind {
            "SESSION" => Reply::Session(rest.to_owned()),
            "PRODUCT" => Reply::Product(number(rest)?),
            "AGAIN" => Reply::TryAgain {
                after: Duration::from_millis(number(rest)?),
            },
            "INVALID" => Reply::SessionInvalid,
            "STATS" => Reply::Stats(rest.to_owned()),
            "ERROR" => Reply::Error(rest.to_owned()),
            _ => return Err(BadMessage::Form(message.to_owned())),
        })
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Session(code) => write!(f, "SESSION {code}"),
            Reply::Product(product) => write!(f, "PRODUCT {product}"),
            Reply::TryAgain { after } => write!(f, "AGAIN {}", after.as_millis()),
            Reply::SessionInvalid => f.write_str("INVALID"),
            Reply::Stats(json) => write!(f, "STATS {json}"),
            Reply::Error(text) => write!(f, "ERROR {text}"),
        }
    }
}

fn number<N: std::str::FromStr>(word: &str) -> Result<N, BadMessage> {
    word.parse()
        .map_err(|_| BadMessage::Number(word.to_owned()))
}
