//! The methods with which the library takes a local chain apart are its own.

use std::panic::Location;
use std::rc::Rc;
use std::thread;
use tokio_deferred::Deferred;
use tokio_deferred::local::{LocalDeferred, LocalOutcome, LocalStarted};

fn main() {
    let value = Rc::new(1);
    let d = LocalDeferred::succeed(value.clone()).into_confined(Location::caller());
    thread::spawn(move || drop(d));

    let (_resolver, d) = Deferred::<i32>::new();
    let d = (move || drop(value)).apply_to_confined(d, Location::caller());
    thread::spawn(move || d.cancel());
}
