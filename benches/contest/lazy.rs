//! Lazy, unboxed steps over futures: what an async Rust programmer writes
//! where a Deferred has a callback. One function a step: the type of ten
//! nested combinators in one expression takes the compiler many seconds.

use futures::TryFutureExt;
use std::future::Future;

/// A step that adds to the value.
pub(super) fn plus<E>(
    source: impl Future<Output = Result<u64, E>> + Send,
    n: u64,
) -> impl Future<Output = Result<u64, E>> + Send {
    source.map_ok(move |value| value + n)
}

/// A step that goes on with another future.
pub(super) fn then<F, E>(
    source: impl Future<Output = Result<u64, E>> + Send,
    next: impl FnOnce(u64) -> F + Send,
) -> impl Future<Output = Result<u64, E>> + Send
where
    F: Future<Output = Result<u64, E>> + Send,
{
    source.and_then(next)
}

/// Ten steps on a source, each made by the same function.
macro_rules! ten {
    ($source:expr, $step:expr) => {{
        let chain = $source;
        let chain = $step(chain);
        let chain = $step(chain);
        let chain = $step(chain);
        let chain = $step(chain);
        let chain = $step(chain);
        let chain = $step(chain);
        let chain = $step(chain);
        let chain = $step(chain);
        let chain = $step(chain);
        $step(chain)
    }};
}
pub(super) use ten;
