//! The job as a chain of callbacks and errbacks.

use tokio_deferred::Deferred;

use crate::client::get_poem;
use crate::engine::{Engine, GibberishError, Poem};

pub(crate) fn fetch(server: String, engine: Engine) -> Deferred<Poem> {
    get_poem(server).add_callback(move |original| byronify(original, engine))
}

/// Fails with a [`GibberishError`] only: after any other error of the engine
/// the original will do.
pub(crate) fn byronify(original: String, engine: Engine) -> Deferred<Poem> {
    let copy = original.clone();
    Deferred::maybe(move || Ok(engine.byronify(&copy)?))
        .map(Poem::byronified)
        .add_errback(move |failure| {
            if failure.is::<GibberishError>() {
                Err(failure)
            } else {
                Ok(Poem::as_it_came(original, failure))
            }
        })
}
