//! The contestants: the same work done with a Deferred, with the safe variant
//! of it in `safe`, and with the peers as someone who knows them well would.
//!
//! Every piece of work starts from a number the compiler cannot see through,
//! and its result is checked each time. The peers run where they are fastest:
//! on a current-thread runtime without an I/O driver, their chains lazy and
//! unboxed.

mod bare;
mod chain10;
mod contended;
mod coroutine;
mod error10;
mod fire;
mod flatten10;
mod gather;
mod lazy;
mod ready10;
mod safe;
mod semaphore;
mod values;

use std::hint::black_box;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tracing::Dispatch;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::NoSubscriber;

/// One way to do the work of a group.
pub(crate) struct Contestant {
    /// Who does it: `deferred`, `safe`, `oneshot`, `tokio_oneshot`,
    /// `tokio_task`; or `bare`, what nobody could leave out of it.
    pub(crate) name: &'static str,
    /// Whether once takes longer than a second.
    pub(crate) slow: bool,
    rounds: Box<dyn FnMut(u64) -> Duration>,
}

impl Contestant {
    /// A contestant that measures so many rounds itself.
    fn measured(name: &'static str, rounds: impl FnMut(u64) -> Duration + 'static) -> Self {
        Contestant {
            name,
            slow: false,
            rounds: Box::new(rounds),
        }
    }

    /// A contestant whose work is an async fn of a number, which is 1, and
    /// gives `expected`.
    fn awaited(
        name: &'static str,
        expected: u64,
        mut work: impl AsyncFnMut(u64) -> u64 + 'static,
    ) -> Self {
        let runtime = runtime();
        Self::measured(name, move |rounds| {
            runtime.block_on(repeat(rounds, expected, &mut work))
        })
    }

    fn slow(mut self) -> Self {
        self.slow = true;
        self
    }

    /// Does the work `rounds` times and returns how long that took.
    pub(crate) fn run(&mut self, rounds: u64) -> Duration {
        (self.rounds)(rounds)
    }
}

/// Contestants that do the same work.
pub(crate) struct Group {
    /// What the work is called.
    pub(crate) name: &'static str,
    /// How many units one round has: a time is given per unit.
    pub(crate) units: u64,
    /// Who does it.
    pub(crate) contestants: Vec<Contestant>,
}

/// All the work there is.
pub(crate) fn groups() -> Vec<Group> {
    let mut groups = vec![
        fire::group(),
        bare::and(chain10::group(), bare::chain10()),
        bare::and(chain10::group_in_span(), bare::chain10_span()),
        ready10::group(),
        flatten10::fired(),
        flatten10::pending(),
        bare::and(error10::group(), bare::error10()),
        bare::and(gather::group("gather_1000", 1_000), bare::gather(1_000)),
        bare::and(
            gather::group("gather_100000", 100_000),
            bare::gather(100_000),
        ),
        bare::and(coroutine::fired(), bare::coroutine_fired()),
        bare::and(coroutine::pending(), bare::coroutine_pending()),
        coroutine::inline(),
        semaphore::group(),
        contended::adding(),
        contended::polling(),
    ];
    groups.extend(values::groups());
    groups
}

/// The runtime on which the peers are fastest.
fn runtime() -> Runtime {
    Builder::new_current_thread()
        .build()
        .expect("a current-thread runtime needs nothing of the system")
}

async fn repeat(rounds: u64, expected: u64, work: &mut impl AsyncFnMut(u64) -> u64) -> Duration {
    let start = Instant::now();
    for _ in 0..rounds {
        assert_eq!(work(black_box(1)).await, expected);
    }
    start.elapsed()
}

/// A contestant inside an entered span of a registry; it gives 11.
fn in_span(name: &'static str, mut work: impl AsyncFnMut(u64) -> u64 + 'static) -> Contestant {
    let runtime = runtime();
    Contestant::measured(name, move |rounds| {
        let registry = Dispatch::new(tracing_subscriber::registry());
        // A process that has but one subscriber at a time does not notice when
        // it is gone, and stays at the level which that one asked for.
        let second = Dispatch::new(NoSubscriber::default());
        let took = tracing::dispatcher::with_default(&registry, || {
            let span = tracing::info_span!("request");
            assert!(!span.is_disabled());
            span.in_scope(|| runtime.block_on(repeat(rounds, 11, &mut work)))
        });
        drop((registry, second));
        tracing::callsite::rebuild_interest_cache();
        assert_eq!(LevelFilter::current(), LevelFilter::OFF);
        took
    })
}
