//! Chains, coroutines and debugging in WebAssembly: `node run.mjs`.

use futures::executor::LocalPool;
use std::rc::Rc;
use tokio_deferred::local::{self, LocalDeferred};
use tokio_deferred::{Deferred, DeferredError, debug};

/// Returns 42 if all is well; anything that panics traps.
#[unsafe(no_mangle)]
pub extern "C" fn run() -> i32 {
    debug::set_debugging(true);
    let mut pool = LocalPool::new();
    local::set_spawner(pool.spawner());

    let (resolver, near) = LocalDeferred::<Rc<i32>>::new();
    let near = near.label("near").map(|n| *n + 1);
    assert!(debug::pending().to_string().contains("(near)"));
    let (far_resolver, far) = Deferred::<i32>::new();
    let far = far.into_local().map(Rc::new);

    let sum = LocalDeferred::from_coroutine(async move {
        let near = near.await?; // resumed by the fire
        Ok::<_, DeferredError>(near + *far.await?) // woken by way of the loop
    });
    resolver.callback(Rc::new(30));
    far_resolver.callback(11);
    let sum = pool.run_until(sum);
    debug::set_debugging(false);
    sum.expect("both were fired")
}
