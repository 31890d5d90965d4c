//! A canceller does not say what the result is: `None` would be the default.

use tokio_deferred::Deferred;

fn main() {
    let (_resolver, d) = Deferred::<i32>::with_canceller(|| println!("stopping"));
    d.detach();
}
