//! A type error points at its line, and unused arguments are linted.

#![deny(unused_variables, unused_mut)]

use tokio_deferred::{Failure, inline_callbacks};

#[inline_callbacks]
async fn price(item: String, vat: u32) -> Result<usize, Failure> {
    let net: u32 = item.len();
    Ok(net)
}

fn main() {}
