//! A list has one type; `join` takes several.

use tokio_deferred::{Deferred, DeferredList};

fn main() {
    let list = DeferredList::new([Deferred::succeed(1), Deferred::succeed("one")]);
    drop(list);
}
