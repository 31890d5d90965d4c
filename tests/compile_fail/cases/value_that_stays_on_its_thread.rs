//! A value goes from the thread that fires to the one that awaits.

use std::rc::Rc;
use tokio_deferred::Deferred;

fn main() {
    let (resolver, d) = Deferred::<Rc<str>>::new();
    drop((resolver, d));
}
