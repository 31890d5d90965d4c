//! A coroutine returns a `Result`.

use tokio_deferred::inline_callbacks;

#[inline_callbacks]
async fn nothing() {}

#[inline_callbacks]
async fn number() -> u32 {
    7
}

fn main() {}
