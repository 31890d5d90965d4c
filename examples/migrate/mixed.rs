//! Stage 3: the two functions with the most to decide are async fns. Their
//! callers have not noticed: all but `price` and `pay` is as it was.

use tokio_deferred::{Deferred, Failure, inline_callbacks};

use crate::line::Line;
use crate::order::{Error, Hold, Receipt, Token, cents, expect};

fn ask(line: Line, question: String) -> Deferred<String> {
    Deferred::from_callback(move |resolver| {
        line.ask(question, move |answer| {
            resolver.resolve(answer.map_err(Error::from));
        });
    })
}

fn log_in(line: Line, user: String) -> Deferred<Token> {
    ask(line, format!("LOGIN {user}")).add_callback(|answer| Ok(Token(expect("TOKEN", &answer)?)))
}

fn log_out(line: Line, token: Token) -> Deferred<String> {
    ask(line, format!("LOGOUT {}", token.0))
}

/// What the outlet has is cheaper, but not what one looks for first.
#[inline_callbacks]
async fn price(line: Line, token: Token, item: String) -> Result<u32, Failure> {
    let answer = ask(line.clone(), format!("PRICE {} {item}", token.0)).await?;
    match cents(&answer) {
        Err(Error::NotSold(_)) => {
            let answer = ask(line, format!("OUTLET {} {item}", token.0)).await?;
            Ok(cents(&answer)?)
        }
        price => Ok(price?),
    }
}

fn hold(line: Line, token: Token, item: String) -> Deferred<Hold> {
    ask(line, format!("HOLD {} {item}", token.0))
        .add_callback(|answer| Ok(Hold(expect("HELD", &answer)?)))
}

/// What is not paid for does not stay on hold.
#[inline_callbacks]
async fn pay(line: Line, token: Token, hold: Hold, cents: u32) -> Result<Receipt, Failure> {
    let question = format!("PAY {} {} {cents}", token.0, hold.0);
    let paid = async {
        let answer = ask(line.clone(), question).await?;
        Ok::<_, Failure>(expect("RECEIPT", &answer)?)
    };
    match paid.await {
        Ok(number) => Ok(Receipt { number, cents }),
        Err(failure) => {
            let _ = ask(line, format!("RELEASE {} {}", token.0, hold.0)).await;
            Err(failure)
        }
    }
}

/// Logs out again, whatever becomes of the purchase: the one way to get there
/// is the last stage.
pub(crate) fn buy(line: Line, user: String, item: String) -> Deferred<Receipt> {
    log_in(line.clone(), user).add_callback(move |token| {
        let (payer, paid_with) = (line.clone(), token.clone());
        price(line.clone(), token.clone(), item.clone())
            .add_callback(move |cents| {
                hold(payer.clone(), paid_with.clone(), item)
                    .add_callback(move |held| pay(payer, paid_with, held, cents))
            })
            .add_both(move |receipt| log_out(line, token).add_both(|_| receipt))
    })
}
