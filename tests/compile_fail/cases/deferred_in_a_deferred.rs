//! A Deferred that is the value of another is one level too deep.

use tokio_deferred::Deferred;

fn price(item: &'static str) -> Deferred<usize> {
    Deferred::succeed(item.len())
}

fn total() -> Deferred<usize> {
    price("mug").map(|_| price("teapot"))
}

fn main() {
    drop(total());
}
