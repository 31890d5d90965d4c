//! A line to the shop, with the kind of interface that this example is about:
//! a callback, called on a thread of the library's own.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

type Done = Box<dyn FnOnce(io::Result<String>) + Send>;

/// Asks the shop one thing at a time, in the order of the calls.
#[derive(Clone)]
pub(crate) struct Line {
    questions: Sender<(String, Done)>,
}

impl Line {
    /// Connects to the shop. Whatever is said is passed to `listen`, too.
    ///
    /// # Errors
    ///
    /// Fails when there is no shop at `address`.
    pub(crate) fn connect(
        address: &str,
        listen: impl Fn(&str) + Send + 'static,
    ) -> io::Result<Self> {
        let shop = TcpStream::connect(address)?;
        let answers = BufReader::new(shop.try_clone()?);
        let (questions, asked) = channel();
        thread::spawn(move || talk(shop, answers, asked, listen));
        Ok(Self { questions })
    }

    /// Sends `question` and calls `done` with the answer, on the line's thread.
    pub(crate) fn ask(
        &self,
        question: String,
        done: impl FnOnce(io::Result<String>) + Send + 'static,
    ) {
        // The thread lives for as long as anybody has a handle.
        let _ = self.questions.send((question, Box::new(done)));
    }
}

fn talk(
    mut shop: TcpStream,
    answers: BufReader<TcpStream>,
    asked: Receiver<(String, Done)>,
    listen: impl Fn(&str),
) {
    let mut answers = answers.lines();
    let mut lost = false;
    for (question, done) in asked {
        let answer = match lost {
            true => None,
            false => {
                listen(&format!("> {question}"));
                // A line that cannot be written to gives no answer either.
                // In one piece: Nagle's algorithm would hold a second one back.
                let _ = shop.write_all(format!("{question}\n").as_bytes());
                answers.next().and_then(Result::ok)
            }
        };
        lost = answer.is_none();
        done(match answer {
            Some(answer) => {
                listen(&format!("< {answer}"));
                Ok(answer)
            }
            None => Err(io::Error::new(
                io::ErrorKind::NotConnected,
                "the shop hung up",
            )),
        });
    }
}
