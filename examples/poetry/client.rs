//! The callback-style client, as a driver thread or a C library would offer it,
//! and the one function that makes a `Deferred` of it.

use std::io::{self, Read};
use std::net::TcpStream;
use std::thread;

use tokio_deferred::Deferred;

/// Downloads what `server` sends until it closes the connection.
pub(crate) fn get_poem(server: String) -> Deferred<String> {
    Deferred::from_callback(|resolver| {
        download(server, move |result| resolver.resolve(result.map(decode)));
    })
    .label("get_poem")
}

/// Calls `on_done` once, on a thread of the download's own.
fn download(server: String, on_done: impl FnOnce(io::Result<Vec<u8>>) + Send + 'static) {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let result =
            TcpStream::connect(server).and_then(|mut stream| stream.read_to_end(&mut bytes));
        on_done(result.map(|_| bytes));
    });
}

/// Keeps the rest of a poem that has a few wrong bytes.
pub(crate) fn decode(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}
