//! A callback may run when its maker is gone.

use tokio_deferred::Deferred;

fn main() {
    let mut words = Vec::new();
    let (resolver, d) = Deferred::new();
    d.map(|word: String| words.push(word));
    resolver.callback("word".to_owned());
}
