//! Firing consumes the resolver: "already called" cannot be written.

use tokio_deferred::Deferred;

fn main() {
    let (resolver, _d) = Deferred::new();
    resolver.callback(1);
    resolver.callback(2);
}
