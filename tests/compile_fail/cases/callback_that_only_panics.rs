//! `panic!()` has any type, so one has to be named.

use tokio_deferred::Deferred;

fn main() {
    Deferred::succeed(1).add_callback(|_| panic!("not yet"));
}
