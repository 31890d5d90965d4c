//! Faults inside the library, which the soak test has to find.

use clap::ValueEnum;

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Fault {
    /// A callback is dropped without a run
    LoseCallback,
    /// A permit of a semaphore or a lock is not given back
    LosePermit,
    /// A looping call's function, or the hook for unhandled failures, is
    /// called once too often
    DoubleRun,
}

impl Fault {
    /// Switches the fault on, if the library was built with it.
    #[cfg(tokio_deferred_break)]
    pub(crate) fn switch_on(self) -> Result<(), String> {
        use tokio_deferred::fault_injection::{self, Fault as Inside};
        fault_injection::switch_on(match self {
            Fault::LoseCallback => Inside::LoseCallback,
            Fault::LosePermit => Inside::LosePermit,
            Fault::DoubleRun => Inside::DoubleRun,
        });
        Ok(())
    }

    #[cfg(not(tokio_deferred_break))]
    pub(crate) fn switch_on(self) -> Result<(), String> {
        let name = self.to_possible_value();
        let name = name.as_ref().map_or("", |value| value.get_name());
        Err(format!(
            "the library has no faults in it; build it with them:\n  \
             RUSTFLAGS=\"--cfg tokio_deferred_break\" \
             cargo run --release -p soak -- --break {name}"
        ))
    }
}
