//! The job half migrated: an async fn awaits the callback-style client, and a
//! callback chain goes on from the async fn.

use tokio_deferred::{Deferred, DeferredError, inline_callbacks};

use crate::chain::byronify;
use crate::client::get_poem;
use crate::engine::{Engine, Poem};

pub(crate) fn fetch(server: String, engine: Engine) -> Deferred<Poem> {
    download(server).add_callback(move |original| byronify(original, engine))
}

#[inline_callbacks]
async fn download(server: String) -> Result<String, DeferredError> {
    get_poem(server).await
}
