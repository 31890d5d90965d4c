//! So does an `.await`.

use tokio_deferred::{Deferred, DeferredError};

async fn sum(d: Deferred<i32>) -> Result<i32, DeferredError> {
    Ok(d.await? + d.await?)
}

fn main() {
    drop(sum(Deferred::succeed(1)));
}
