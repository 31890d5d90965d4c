//! The function takes what returns a future.

use tokio_deferred::{Deferred, Failure, inline_callbacks};

fn main() {
    let length = inline_callbacks(|item: &'static str| Ok::<_, Failure>(item.len()));
    let d: Deferred<usize> = length("mug");
    drop(d);
}
