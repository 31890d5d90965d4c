//! A server of the examples, run as a user would: started on a free port,
//! stopped with ctrl-c.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use super::Run;

/// Longer than any of these tests takes; a server that is still there hangs.
const TOO_LONG: Duration = Duration::from_secs(120);

/// A running program that waits for ctrl-c.
pub struct Server {
    process: Child,
    stdout: BufReader<ChildStdout>,
    stderr: ChildStderr,
    /// Dropped with the server, it calls the watchdog off.
    _watchdog: Sender<()>,
}

impl Server {
    /// Starts `command`.
    pub fn start(command: &mut Command) -> Self {
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the example starts");
        let stdout = process.stdout.take().expect("piped above");
        Self {
            stdout: BufReader::new(stdout),
            stderr: process.stderr.take().expect("piped above"),
            _watchdog: watch(process.id()),
            process,
        }
    }

    /// Waits for a line of output that begins with `beginning`, and returns
    /// the rest of it.
    pub fn read_until(&mut self, beginning: &str) -> String {
        loop {
            let mut line = String::new();
            let length = self.stdout.read_line(&mut line);
            assert_ne!(length.expect("the output is UTF-8"), 0, "no {beginning:?}");
            if let Some(rest) = line.trim_end().strip_prefix(beginning) {
                return rest.to_owned();
            }
        }
    }

    /// Presses ctrl-c.
    pub fn interrupt(&self) {
        signal("-INT", self.process.id());
    }

    /// Waits for the end, and returns the status and what was not read yet.
    pub fn wait(mut self) -> Run {
        let mut stdout = String::new();
        let mut stderr = String::new();
        self.stdout
            .read_to_string(&mut stdout)
            .expect("the output is UTF-8");
        self.stderr
            .read_to_string(&mut stderr)
            .expect("the messages are UTF-8");
        let status = self.process.wait().expect("the example ends").code();
        Run {
            status,
            stdout,
            stderr,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail after `wait`, or have nothing to add to a failed test.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn signal(name: &str, process: u32) {
    let killed = Command::new("kill")
        .args([name, &process.to_string()])
        .status();
    assert!(killed.expect("kill is installed").success());
}

/// Ends a process that hangs, so that its test fails instead of hanging too.
fn watch(process: u32) -> Sender<()> {
    let (off, called_off) = mpsc::channel();
    thread::spawn(move || {
        if called_off.recv_timeout(TOO_LONG) == Err(RecvTimeoutError::Timeout) {
            signal("-KILL", process);
        }
    });
    off
}
