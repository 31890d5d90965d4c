//! `notify`: a watcher that calls back for every event, on its own thread.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use notify::{Event, RecursiveMode, Watcher, recommended_watcher};
use tokio::runtime::Handle;
use tokio_deferred::Deferred;

use crate::report::report;

/// Fires with the first change in a directory.
///
/// The watcher lives in the chain: it goes when the Deferred fires, whether
/// with an event, an error or a cancel.
///
/// # Errors
///
/// [`notify::Error`]
fn first_change(directory: &Path, handle: &Handle) -> Deferred<Event> {
    let (resolver, changed) = Deferred::new();
    let slot = Arc::new(Mutex::new(Some(resolver)));
    // The watcher calls back for every event, the resolver is there for one.
    let fire = move |event: notify::Result<Event>| {
        let first = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(resolver) = first {
            resolver.resolve(event);
        }
    };
    let fire_on_change = fire.clone();
    let on_event = move |event: notify::Result<Event>| match event {
        // Somebody has only looked.
        Ok(event) if event.kind.is_access() => {}
        event => fire_on_change(event),
    };
    let watching = recommended_watcher(on_event).and_then(|mut watcher| {
        watcher.watch(directory, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    });
    match watching {
        // On some systems dropping a watcher waits for its thread, which must
        // therefore not be the one that drops it.
        Ok(watcher) => changed.via(handle).finally(move || drop(watcher)),
        Err(error) => {
            fire(Err(error));
            changed
        }
    }
}

fn name(event: Event) -> String {
    let path = event.paths.first().and_then(|path| path.file_name());
    path.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

pub(crate) async fn show() -> anyhow::Result<()> {
    let handle = Handle::current();
    let directory = tempfile::tempdir()?;

    let change = first_change(directory.path(), &handle).map(name);
    fs::write(
        directory.path().join("poem.txt"),
        "Beautiful as a deferred\n",
    )?;
    report::<_, notify::Error>("notify: first change in a directory", &change.await);

    let missing = first_change(Path::new("/no/such/directory"), &handle).map(name);
    report::<_, notify::Error>("notify: in one that is missing", &missing.await);

    let change = first_change(directory.path(), &handle).map(name);
    change.cancel();
    fs::write(directory.path().join("second.txt"), "unheard\n")?;
    report::<_, notify::Error>("notify: a watch that is cancelled", &change.await);
    Ok(())
}
