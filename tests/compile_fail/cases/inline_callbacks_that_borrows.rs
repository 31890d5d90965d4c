//! A coroutine owns what it works on.

use tokio_deferred::{Failure, inline_callbacks};

struct Shop;

impl Shop {
    #[inline_callbacks]
    async fn price(&self, item: &str) -> Result<usize, Failure> {
        Ok(item.len())
    }
}

#[inline_callbacks]
async fn first<'a>(items: Vec<&'a str>) -> Result<usize, Failure> {
    Ok(items[0].len())
}

fn main() {}
