//! Runtimes whose clock runs.

use tokio::runtime::{Builder, Runtime};

/// A current-thread runtime with timers and sockets.
pub fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}
