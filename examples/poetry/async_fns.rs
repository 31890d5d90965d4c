//! The job as async fns, the way new code would write it.
//!
//! Only [`fetch`] wears the type of the callback-style function it replaces.

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_deferred::{Failure, inline_callbacks};

use crate::client::decode;
use crate::engine::{Engine, EngineError, GibberishError, Poem};

#[inline_callbacks]
pub(crate) async fn fetch(server: String, engine: Engine) -> Result<Poem, Failure> {
    let mut bytes = Vec::new();
    TcpStream::connect(server)
        .await?
        .read_to_end(&mut bytes)
        .await?;
    Ok(byronify(decode(bytes), engine)?)
}

fn byronify(original: String, engine: Engine) -> Result<Poem, GibberishError> {
    match engine.byronify(&original) {
        Ok(text) => Ok(Poem::byronified(text)),
        Err(EngineError::Gibberish(error)) => Err(error),
        Err(error) => Ok(Poem::as_it_came(original, error)),
    }
}
