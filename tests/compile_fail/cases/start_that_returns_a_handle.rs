//! The start of an operation returns a handle, which is no canceller.

use tokio_deferred::Deferred;

fn main() {
    let d = Deferred::from_callback(|resolver| std::thread::spawn(move || resolver.callback(1)));
    d.detach();
}
