//! The threads, started once, and the runtime.

use crate::ledger::LIMIT;
use crate::perform::World;
use crate::program::Program;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier};
use std::thread;
use tokio::runtime::{Builder, Runtime};

pub(crate) const THREADS: usize = 3;

pub(crate) struct Pool {
    jobs: Vec<Sender<(Arc<World>, Arc<Program>)>>,
    /// From each thread, how many operations of a program it performed.
    done: Receiver<Result<usize, String>>,
    runtime: Runtime,
}

impl Pool {
    pub(crate) fn start() -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_time()
            .build()
            .expect("a runtime can be made");
        // The threads are none of the runtime's.
        tokio_deferred::set_default_runtime(runtime.handle());
        let start = Arc::new(Barrier::new(THREADS));
        let (finished, done) = channel();
        let jobs = (0..THREADS).map(|number| {
            let (job, programs) = channel::<(Arc<World>, Arc<Program>)>();
            let (start, finished) = (start.clone(), finished.clone());
            thread::spawn(move || {
                while let Ok((world, program)) = programs.recv() {
                    start.wait();
                    let ops = program.threads[number].iter();
                    let perform = || ops.filter_map(|&op| world.perform(op)).count();
                    let performed = catch_unwind(AssertUnwindSafe(perform));
                    // Gone before the end is told.
                    drop(world);
                    let performed = performed.map_err(|_| "a thread panicked".to_owned());
                    if finished.send(performed).is_err() {
                        return;
                    }
                }
            });
            job
        });
        Pool {
            jobs: jobs.collect(),
            done,
            runtime,
        }
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Performs `program` on all threads, waits for them, and returns how many
    /// operations they performed.
    ///
    /// # Errors
    ///
    /// If a thread panics, or does not come back.
    pub(crate) fn perform(
        &self,
        world: &Arc<World>,
        program: &Arc<Program>,
    ) -> Result<usize, String> {
        for job in &self.jobs {
            job.send((world.clone(), program.clone()))
                .map_err(|_| "a thread is gone")?;
        }
        let performed = (0..THREADS).map(|_| {
            let performed = self.done.recv_timeout(LIMIT);
            performed.map_err(|_| "a thread hangs".to_owned())?
        });
        performed.sum()
    }
}
