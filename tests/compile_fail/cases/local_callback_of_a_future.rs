//! A callback of a local chain returns a Deferred, not a future.

use std::rc::Rc;
use tokio_deferred::local::LocalDeferred;

async fn show(text: Rc<str>) {
    println!("{text}");
}

fn main() {
    let d = LocalDeferred::succeed(Rc::from("hello"));
    d.add_callback(|text| show(text)).log_errors();
}
