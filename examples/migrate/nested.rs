//! Stage 1: callbacks, nested by hand. No Deferred in sight.

use crate::line::Line;
use crate::order::{Error, Hold, Receipt, Token, cents, expect};

/// What is called when a function is done: once, with its result.
pub(crate) trait Done<T>: FnOnce(Result<T, Error>) + Send + 'static {}

impl<T, F: FnOnce(Result<T, Error>) + Send + 'static> Done<T> for F {}

fn ask(line: Line, question: String, done: impl Done<String>) {
    line.ask(question, move |answer| done(answer.map_err(Error::from)));
}

fn log_in(line: Line, user: String, done: impl Done<Token>) {
    ask(line, format!("LOGIN {user}"), move |answer| {
        done(answer.and_then(|answer| Ok(Token(expect("TOKEN", &answer)?))));
    });
}

fn log_out(line: Line, token: Token, done: impl Done<String>) {
    ask(line, format!("LOGOUT {}", token.0), done);
}

/// What the outlet has is cheaper, but not what one looks for first.
fn price(line: Line, token: Token, item: String, done: impl Done<u32>) {
    let outlet = line.clone();
    ask(
        line,
        format!("PRICE {} {item}", token.0),
        move |answer| match answer.and_then(|answer| cents(&answer)) {
            Err(Error::NotSold(_)) => {
                let question = format!("OUTLET {} {item}", token.0);
                ask(outlet, question, move |answer| {
                    done(answer.and_then(|answer| cents(&answer)));
                });
            }
            price => done(price),
        },
    );
}

fn hold(line: Line, token: Token, item: String, done: impl Done<Hold>) {
    ask(line, format!("HOLD {} {item}", token.0), move |answer| {
        done(answer.and_then(|answer| Ok(Hold(expect("HELD", &answer)?))));
    });
}

/// What is not paid for does not stay on hold.
fn pay(line: Line, token: Token, hold: Hold, cents: u32, done: impl Done<Receipt>) {
    let question = format!("PAY {} {} {cents}", token.0, hold.0);
    ask(line.clone(), question, move |answer| {
        match answer.and_then(|answer| expect("RECEIPT", &answer)) {
            Ok(number) => done(Ok(Receipt { number, cents })),
            Err(error) => {
                let question = format!("RELEASE {} {}", token.0, hold.0);
                ask(line, question, move |_| done(Err(error)));
            }
        }
    });
}

/// Logs out again, whatever becomes of the purchase: there are three ways to
/// get there, and each has to remember it.
pub(crate) fn buy(line: Line, user: String, item: String, done: impl Done<Receipt>) {
    log_in(line.clone(), user, move |token| match token {
        Err(error) => done(Err(error)),
        Ok(token) => price(
            line.clone(),
            token.clone(),
            item.clone(),
            move |cents| match cents {
                Err(error) => log_out(line, token, move |_| done(Err(error))),
                Ok(cents) => hold(line.clone(), token.clone(), item, move |held| match held {
                    Err(error) => log_out(line, token, move |_| done(Err(error))),
                    Ok(held) => pay(line.clone(), token.clone(), held, cents, move |receipt| {
                        log_out(line, token, move |_| done(receipt));
                    }),
                }),
            },
        ),
    });
}
