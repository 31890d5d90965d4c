//! An errback looks at a failure and returns nothing, where a value is wanted.

use tokio_deferred::Deferred;

fn main() {
    let d = Deferred::<i32>::fail("out").add_errback(|failure| eprintln!("{failure}"));
    d.detach();
}
