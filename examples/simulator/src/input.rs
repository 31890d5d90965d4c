//! Reading the pairs of a chain, and asking again for a line that is wrong.

use std::io::{self, BufRead, Write};

use crate::chain::{Action, Pair};

/// Longer values would tear the columns of the drawing apart.
const LONGEST: usize = 6;

pub(crate) const HELP: &str = "\
Each line is one stage of the chain, a callback and an errback:

  CALLBACK ERRBACK

each of them one of

  return VALUE    give VALUE to the next callback
  fail VALUE      give the failure VALUE* to the next errback
  passthru        hand on what came in

which may be shortened, to r, f and p for example. A VALUE has up to six ASCII
letters and digits.

  r good f bad    the callback returns `good`, the errback fails with `bad`
  f googly p      the callback fails with `googly`, the errback passes its
                  failure on

A blank line ends the chain. In what is drawn, VALUE* is a failure.";

/// What is wrong with a line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadLine {
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("`{0}` is none of return, fail and passthru")]
    Command(String),
    #[error("`{0}` needs a value")]
    NoValue(&'static str),
    #[error("`{0}` is longer than {LONGEST} characters")]
    TooLong(String),
    #[error("`{0}` has characters other than ASCII letters and digits")]
    Characters(String),
    #[error("`{0}` is one thing too many")]
    Extra(String),
}

/// Reads pairs up to a blank line or the end of the input.
///
/// # Errors
///
/// Fails when the input or the console does, or ends before the first pair.
pub(crate) fn read_pairs(
    mut input: impl BufRead,
    console: &mut impl Write,
    interactive: bool,
) -> anyhow::Result<Vec<Pair>> {
    if interactive {
        writeln!(console, "{HELP}\n")?;
    }
    let mut pairs = Vec::new();
    loop {
        if interactive {
            write!(console, "stage {}> ", pairs.len())?;
            console.flush()?;
        }
        let Some(line) = next_line(&mut input)? else {
            anyhow::ensure!(!pairs.is_empty(), "the input has no callback/errback pair");
            return Ok(pairs);
        };
        if !line.trim().is_empty() {
            match parse(&line) {
                Ok(pair) => pairs.push(pair),
                Err(wrong) => {
                    writeln!(console, "error: {wrong}; enter stage {} again", pairs.len())?
                }
            }
        } else if pairs.is_empty() {
            writeln!(console, "error: a chain needs at least one pair")?;
        } else {
            return Ok(pairs);
        }
    }
}

fn next_line(input: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let read = input.read_until(b'\n', &mut line)?;
    // Bytes that are no UTF-8 are a mistake in one line, to be asked for again,
    // not the end of the session.
    Ok((read > 0).then(|| String::from_utf8_lossy(&line).into_owned()))
}

/// Parses `CALLBACK ERRBACK`.
///
/// # Errors
///
/// Says what in the line cannot be understood.
pub(crate) fn parse(line: &str) -> Result<Pair, BadLine> {
    let mut words = line.split_whitespace();
    let pair = Pair {
        callback: action(&mut words, "the callback")?,
        errback: action(&mut words, "the errback")?,
    };
    match words.next() {
        Some(extra) => Err(BadLine::Extra(extra.to_owned())),
        None => Ok(pair),
    }
}

fn action<'a>(
    words: &mut impl Iterator<Item = &'a str>,
    what: &'static str,
) -> Result<Action, BadLine> {
    let word = words.next().ok_or(BadLine::Missing(what))?;
    let command = ["return", "fail", "passthru"]
        .into_iter()
        .find(|command| command.starts_with(&word.to_lowercase()))
        .ok_or_else(|| BadLine::Command(word.to_owned()))?;
    if command == "passthru" {
        return Ok(Action::Passthru);
    }
    let value = words.next().ok_or(BadLine::NoValue(command))?.to_owned();
    if value.chars().count() > LONGEST {
        return Err(BadLine::TooLong(value));
    }
    if !value.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(BadLine::Characters(value));
    }
    Ok(match command {
        "return" => Action::Return(value),
        _ => Action::Fail(value),
    })
}
