//! A stage consumes the Deferred: its result goes to one consumer.

use tokio_deferred::Deferred;

fn main() {
    let d = Deferred::succeed(1);
    let text = d.map(|n| n.to_string());
    let twice = d.map(|n| n * 2);
    drop((text, twice));
}
