//! The attribute stands on async fns.

use tokio_deferred::{Failure, inline_callbacks};

#[inline_callbacks]
fn price(item: &'static str) -> Result<usize, Failure> {
    Ok(item.len())
}

fn main() {}
