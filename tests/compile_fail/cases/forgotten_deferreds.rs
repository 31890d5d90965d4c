//! Deferreds that are neither awaited, returned nor ended.
#![deny(unused_must_use)]

use tokio_deferred::{Deferred, Resolver};

fn save() -> Deferred<()> {
    Deferred::succeed(())
}

async fn forgotten_await() {
    save();
}

fn forgotten_return() -> Deferred<()> {
    save().add_callback(|()| {
        save();
    })
}

fn forgotten_end(resolver: Resolver<()>) {
    save().finally(|| println!("saved"));
    resolver.is_cancelled();
}

fn main() {}
