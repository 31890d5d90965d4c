//! A callback uses `?`, and returns a Deferred at its end.

use tokio_deferred::Deferred;

fn double(n: i32) -> Deferred<i32> {
    Deferred::succeed(2 * n)
}

fn main() {
    let d = Deferred::succeed("7").add_callback(|s| {
        let n = s.parse::<i32>()?;
        double(n)
    });
    d.detach();
}
