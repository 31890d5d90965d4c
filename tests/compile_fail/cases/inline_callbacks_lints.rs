//! The compiler lints the arguments of a coroutine as those of any fn.

#![deny(unused_variables, unused_mut)]

use tokio_deferred::{Failure, inline_callbacks};

#[inline_callbacks]
async fn price(mut item: String, vat: u32) -> Result<usize, Failure> {
    Ok(item.len())
}

fn main() {}
