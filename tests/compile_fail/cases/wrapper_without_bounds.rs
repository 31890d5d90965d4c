//! A generic wrapper does not say that its values go to other threads.

use tokio_deferred::Deferred;

fn doubled<T: Clone>(d: Deferred<T>) -> Deferred<(T, T)> {
    d.map(|value| (value.clone(), value))
}

fn main() {
    doubled(Deferred::succeed(1)).detach();
}
