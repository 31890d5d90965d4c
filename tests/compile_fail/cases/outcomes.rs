//! What a callback may not return, and what the compiler then proposes.

use tokio_deferred::{Deferred, Failure};

fn main() {
    // A bare value: `Ok`, or `map`.
    Deferred::succeed(1).add_callback(|n| n + 1);
    // A `Result` with another error: `?`.
    Deferred::succeed("1").add_callback(|text| text.parse::<i32>());
    // Something else, in an errback.
    Deferred::<i32>::fail("none").add_errback(|_: Failure| Some(1));
}
