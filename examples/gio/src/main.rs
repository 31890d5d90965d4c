//! Counts the lines of a file, and asks for a title on standard input, on glib's
//! main loop. There is no Tokio runtime.
//!
//! ```text
//! gio-example FILE [MILLISECONDS] [by-hand]
//! ```

mod by_hand;
mod deferred;

use gio::glib;
use gio::prelude::*;
use std::cell::RefCell;
use std::error::Error;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Duration;
use tokio_deferred::local;

/// What the callbacks fill in: it never leaves this thread.
#[derive(Default)]
struct Report {
    lines: usize,
    title: String,
}

#[allow(unsafe_code)] // gio's function is not told that the descriptor is owned.
fn standard_input() -> std::io::Result<gio::InputStream> {
    let stdin = std::io::stdin().as_fd().try_clone_to_owned()?;
    // SAFETY: the descriptor is ours, and nobody else closes it.
    let stream = unsafe { gio::UnixInputStream::take_fd(stdin) };
    Ok(stream.upcast())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let path = args.next().ok_or("which file?")?;
    let patience = args.next().map_or(Ok(5000), |arg| arg.parse())?;
    let patience = Duration::from_millis(patience);
    let is_by_hand = args.next().is_some();

    assert!(tokio::runtime::Handle::try_current().is_err(), "no runtime");
    let main_loop = glib::MainContext::default();
    local::set_spawner(main_loop.clone());
    let stdin = standard_input()?;

    let report = Rc::new(RefCell::new(Report::default()));
    let filled = report.clone();
    if is_by_hand {
        main_loop.block_on(by_hand::report(&path, &stdin, patience, filled))?;
    } else {
        let _owner = main_loop.acquire()?;
        main_loop.block_on(deferred::report(&path, &stdin, patience, filled))?;
    }
    let report = report.borrow();
    println!("{}: {} lines", report.title, report.lines);
    Ok(())
}
