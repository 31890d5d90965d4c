//! A callback runs on the thread that fires.

use std::cell::Cell;
use std::rc::Rc;
use tokio_deferred::Deferred;

fn main() {
    let sum = Rc::new(Cell::new(0));
    let shared = sum.clone();
    Deferred::succeed(1).map(move |n| shared.set(shared.get() + n));
}
