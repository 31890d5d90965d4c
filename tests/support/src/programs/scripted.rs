//! A server that says what its test wants it to say.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

/// A server for one client that answers as `answer` says, until that says
/// nothing. Its thread returns what it was asked.
pub fn scripted(
    mut answer: impl FnMut(&str) -> Option<String> + Send + 'static,
) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut asked = Vec::new();
        let lines = BufReader::new(stream.try_clone().expect("a second handle")).lines();
        for line in lines.map_while(Result::ok) {
            let reply = answer(&line);
            asked.push(line);
            match reply {
                // In one piece: Nagle's algorithm would hold a second one back.
                Some(reply) => stream
                    .write_all(format!("{reply}\n").as_bytes())
                    .expect("the client reads"),
                None => break,
            }
        }
        asked
    });
    (address, server)
}
