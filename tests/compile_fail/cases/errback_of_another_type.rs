//! An errback stands in for the value, so it has the value's type.

use tokio_deferred::Deferred;

fn main() {
    let port = Deferred::succeed("80").add_callback(|text| Ok(text.parse::<u16>()?));
    port.add_errback(|failure| Ok(failure.to_string()));
}
