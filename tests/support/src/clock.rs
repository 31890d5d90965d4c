//! Runtimes whose clock stands still, and a look at their tasks.

use tokio::runtime::{Builder, Handle, Runtime};

/// A current-thread runtime whose clock stands still.
pub fn paused() -> Runtime {
    Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
}

/// Lets the tasks that are ready run, and those that they made ready.
pub async fn settle() {
    for _ in 0..16 {
        tokio::task::yield_now().await;
    }
}

pub fn live_tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}
