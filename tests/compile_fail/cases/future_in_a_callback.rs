//! A callback returns a future, which nothing would poll.

use tokio_deferred::Deferred;

async fn fetch(n: i32) -> Result<i32, std::io::Error> {
    Ok(n)
}

fn main() {
    let d = Deferred::succeed(1).add_callback(|n| fetch(n));
    d.detach();
}
