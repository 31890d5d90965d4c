//! Stage 4: async fns throughout. A Deferred is left where a callback API is
//! wrapped, and nowhere else.

use tokio_deferred::{Deferred, Failure};

use crate::line::Line;
use crate::order::{Error, Hold, Receipt, Token, cents, expect};

async fn ask(line: Line, question: String) -> Result<String, Failure> {
    let answer = Deferred::from_callback(move |resolver| {
        line.ask(question, move |answer| {
            resolver.resolve(answer.map_err(Error::from));
        });
    });
    Ok(answer.await?)
}

async fn log_in(line: Line, user: String) -> Result<Token, Failure> {
    let answer = ask(line, format!("LOGIN {user}")).await?;
    Ok(Token(expect("TOKEN", &answer)?))
}

async fn log_out(line: Line, token: Token) -> Result<String, Failure> {
    let answer = ask(line, format!("LOGOUT {}", token.0)).await?;
    Ok(answer)
}

/// What the outlet has is cheaper, but not what one looks for first.
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

async fn hold(line: Line, token: Token, item: String) -> Result<Hold, Failure> {
    let answer = ask(line, format!("HOLD {} {item}", token.0)).await?;
    Ok(Hold(expect("HELD", &answer)?))
}

/// What is not paid for does not stay on hold.
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

/// Logs out again, whatever becomes of the purchase.
pub(crate) async fn buy(line: Line, user: String, item: String) -> Result<Receipt, Failure> {
    let token = log_in(line.clone(), user).await?;
    let purchase = async {
        let cents = price(line.clone(), token.clone(), item.clone()).await?;
        let held = hold(line.clone(), token.clone(), item).await?;
        let receipt = pay(line.clone(), token.clone(), held, cents).await?;
        Ok(receipt)
    };
    let receipt = purchase.await;
    let _ = log_out(line.clone(), token.clone()).await;
    receipt
}
