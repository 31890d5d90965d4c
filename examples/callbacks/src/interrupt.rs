//! `ctrlc`: one handler for the whole process, called for every ctrl-c.

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_deferred::{Deferred, Failure, Resolver};

use crate::report::report;

/// The process's handler, which any number of Deferreds wait for.
#[derive(Clone, Default)]
struct CtrlC {
    waiting: Arc<Mutex<Vec<Resolver<()>>>>,
}

impl CtrlC {
    /// Installs the handler.
    ///
    /// # Errors
    ///
    /// [`ctrlc::Error`], for instance because the process has one already.
    fn install() -> Deferred<CtrlC> {
        Deferred::maybe(|| {
            let this = CtrlC::default();
            let handler = this.clone();
            ctrlc::set_handler(move || {
                let waiting = std::mem::take(&mut *handler.lock());
                waiting
                    .into_iter()
                    .for_each(|resolver| resolver.callback(()));
            })?;
            Ok::<_, Failure>(this)
        })
    }

    /// Fires at the next ctrl-c.
    fn pressed(&self) -> Deferred<()> {
        Deferred::from_callback(|resolver| {
            let mut waiting = self.lock();
            waiting.retain(|other| !other.is_cancelled());
            waiting.push(resolver);
        })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Resolver<()>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) async fn show() -> anyhow::Result<()> {
    let ctrl_c = CtrlC::install().await?;

    let second = CtrlC::install().map(|_| "installed twice");
    report::<_, ctrlc::Error>("ctrlc: a second handler", &second.await);

    let pressed = ctrl_c.pressed().map(|()| "pressed");
    pressed.cancel();
    report::<_, ctrlc::Error>("ctrlc: a wait that is cancelled", &pressed.await);

    let pressed = ctrl_c.pressed().map(|()| "pressed");
    writeln!(std::io::stdout(), "ctrlc: press ctrl-c")?;
    report::<_, ctrlc::Error>("ctrlc: the next ctrl-c", &pressed.await);
    Ok(())
}
