//! The report by local Deferreds.

use crate::Report;
use gio::prelude::*;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use tokio_deferred::local::{self, LocalDeferred};
use tokio_deferred::{Failure, TimedOut};

/// The bytes of a file. A cancel cancels gio's operation.
fn load(path: &str) -> LocalDeferred<Vec<u8>> {
    LocalDeferred::from_callback(|resolver| {
        let cancellable = gio::Cancellable::new();
        let file = gio::File::for_path(path);
        file.load_contents_async(Some(&cancellable), |result| {
            resolver.resolve(result.map(|(bytes, _etag)| bytes.to_vec()));
        });
        move || cancellable.cancel()
    })
}

/// What comes next on a stream, up to a line. A cancel cancels the read.
fn read_line(stream: &gio::InputStream) -> LocalDeferred<String> {
    LocalDeferred::from_callback(|resolver| {
        let cancellable = gio::Cancellable::new();
        let priority = gio::glib::Priority::DEFAULT;
        stream.read_bytes_async(4096, priority, Some(&cancellable), |result| {
            let text = result.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
            resolver.resolve(text);
        });
        move || cancellable.cancel()
    })
}

/// Loads the file and asks for a title at the same time.
pub(crate) fn report(
    path: &str,
    stdin: &gio::InputStream,
    patience: Duration,
    report: Rc<RefCell<Report>>,
) -> LocalDeferred<()> {
    let counted = report.clone();
    let lines = load(path).map(move |bytes| {
        counted.borrow_mut().lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    });
    let title = read_line(stdin)
        .add_timeout_by(patience, gio::glib::timeout_future)
        .add_errback(|failure| {
            failure.trap::<TimedOut>()?;
            Ok::<_, Failure>("no title".to_owned())
        })
        .map(move |title| report.borrow_mut().title = title);
    local::join((lines, title)).map(|((), ())| ())
}
