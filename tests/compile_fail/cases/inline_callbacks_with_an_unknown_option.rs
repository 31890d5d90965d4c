//! The options are listed.

use tokio_deferred::{Failure, inline_callbacks};

#[inline_callbacks(threads = 4)]
async fn price(item: String) -> Result<usize, Failure> {
    Ok(item.len())
}

fn main() {}
