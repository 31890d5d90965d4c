//! Both halves of a local chain stay on their thread.

use std::thread;
use tokio_deferred::local::LocalDeferred;

fn main() {
    let (resolver, d) = LocalDeferred::<i32>::new();
    thread::spawn(move || resolver.callback(1));
    d.log_errors();
}
