//! The same by gio's own futures.

use crate::Report;
use gio::glib;
use gio::prelude::*;
use std::cell::RefCell;
use std::error::Error;
use std::rc::Rc;
use std::time::Duration;

/// The bytes of a file. Its drop cancels gio's operation.
async fn load(path: &str) -> Result<Vec<u8>, glib::Error> {
    let file = gio::File::for_path(path);
    let (bytes, _etag) = file.load_contents_future().await?;
    Ok(bytes.to_vec())
}

/// What comes next on a stream, up to a line. Its drop cancels the read.
async fn read_line(stream: &gio::InputStream) -> Result<String, glib::Error> {
    let priority = glib::Priority::DEFAULT;
    let bytes = stream.read_bytes_future(4096, priority).await?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// Loads the file and asks for a title at the same time.
pub(crate) async fn report(
    path: &str,
    stdin: &gio::InputStream,
    patience: Duration,
    report: Rc<RefCell<Report>>,
) -> Result<(), Box<dyn Error>> {
    let lines = async {
        let bytes = load(path).await?;
        report.borrow_mut().lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        Ok::<_, Box<dyn Error>>(())
    };
    let title = async {
        let title = match glib::future_with_timeout(patience, read_line(stdin)).await {
            Ok(title) => title?,
            Err(_timed_out) => "no title".to_owned(),
        };
        report.borrow_mut().title = title;
        Ok(())
    };
    futures::future::try_join(lines, title).await?;
    Ok(())
}
