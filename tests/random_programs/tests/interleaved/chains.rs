//! The chains of a program: their handles, and what is known about them.

use crate::ledger::{LIMIT, Ledger, Number, Oops, Seen, locked, see};
use crate::program::{CHAINS, Name, Side};
use crate::wakers::Wakers;
use std::sync::{Arc, Mutex};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_deferred::{CancelHandle, Deferred, Pause, Resolver, SharedDeferred};

/// By which reports say whose failure it was. Every other chain has none: one
/// with a label takes other ways through the library.
pub(crate) fn label(name: Name) -> Option<&'static str> {
    let labels = ["0", "2", "4", "6", "8", "10"];
    (name.is_multiple_of(2)).then(|| labels[name / 2])
}

pub(crate) struct Chains {
    chains: Vec<Chain>,
    pub(crate) wakers: Wakers,
    pub(crate) tasks: Mutex<Vec<(Name, JoinHandle<Seen>)>>,
}

/// No lock of it is held while the library is called.
pub(crate) struct Chain {
    pub(crate) cancel: CancelHandle,
    pub(crate) resolver: Mutex<Option<Resolver<Number>>>,
    /// Away while a thread changes it, and for good when it has a consumer.
    pub(crate) deferred: Mutex<Option<Deferred<Number>>>,
    pub(crate) pauses: Mutex<Vec<Pause>>,
    pub(crate) shared: Mutex<Option<SharedDeferred<Number>>>,
    pub(crate) note: Mutex<Note>,
}

/// What happened to a chain.
#[derive(Debug, Default)]
pub(crate) struct Note {
    pub(crate) fired: Option<Seen>,
    /// Set before the cancel begins.
    pub(crate) cancelled: bool,
    pub(crate) lost: bool,
    pub(crate) stages: Vec<Side>,
    pub(crate) ran: Vec<Ran>,
    pub(crate) fate: Fate,
    /// What whoever had the result saw.
    pub(crate) ends: Vec<Seen>,
    /// The waker of a poll that nothing came after, and how often it had been
    /// woken before.
    pub(crate) polled: Option<(usize, usize)>,
    pub(crate) subscribers: Vec<Subscriber>,
}

/// That a stage ran.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) stage: usize,
    pub(crate) input: Seen,
    pub(crate) output: Output,
}

#[derive(Debug)]
pub(crate) enum Output {
    Now(Seen),
    /// What the chain ends with.
    Inner(Name),
}

/// Who gets the result of a chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fate {
    #[default]
    Kept,
    Returned {
        by: Name,
    },
    Awaited,
    Dropped,
    Shared,
}

#[derive(Debug)]
pub(crate) struct Subscriber {
    pub(crate) cancel: CancelHandle,
    pub(crate) cancelled: bool,
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
}

impl Chains {
    pub(crate) fn new() -> Self {
        let chain = |name| {
            let (resolver, mut deferred) = Deferred::new();
            if let Some(label) = label(name) {
                deferred = deferred.label(label);
            }
            Chain {
                cancel: deferred.cancel_handle(),
                resolver: Mutex::new(Some(resolver)),
                deferred: Mutex::new(Some(deferred)),
                pauses: Mutex::default(),
                shared: Mutex::default(),
                note: Mutex::default(),
            }
        };
        Chains {
            chains: (0..CHAINS).map(chain).collect(),
            wakers: Wakers::default(),
            tasks: Mutex::default(),
        }
    }

    pub(crate) fn get(&self, name: Name) -> &Chain {
        &self.chains[name]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Name, &Chain)> {
        self.chains.iter().enumerate()
    }

    /// Takes a chain for good.
    pub(crate) fn consume(&self, name: Name, fate: Fate) -> Option<Deferred<Number>> {
        let chain = self.get(name);
        let deferred = chain.take()?;
        locked(&chain.note).fate = fate;
        Some(deferred)
    }

    pub(crate) fn fire(&self, name: Name, outcome: Result<Number, Oops>) -> Option<()> {
        let chain = self.get(name);
        let resolver = locked(&chain.resolver).take()?;
        locked(&chain.note).fired = Some(match &outcome {
            Ok(number) => Ok(number.n),
            Err(oops) => Err(oops.to_string()),
        });
        resolver.resolve(outcome);
        Some(())
    }

    pub(crate) fn drop_resolver(&self, name: Name) -> Option<()> {
        let chain = self.get(name);
        let resolver = locked(&chain.resolver).take()?;
        locked(&chain.note).lost = true;
        drop(resolver);
        Some(())
    }

    pub(crate) fn cancel(&self, name: Name) {
        let chain = self.get(name);
        locked(&chain.note).cancelled = true;
        chain.cancel.cancel();
    }

    pub(crate) fn unpause(&self, name: Name) -> Option<()> {
        let pause = locked(&self.get(name).pauses).pop();
        pause.map(drop)
    }

    /// Brings every chain to its end.
    ///
    /// # Errors
    ///
    /// If one does not come to an end, or did without waking who waits for it.
    pub(crate) fn settle(&self, runtime: &Runtime) -> Result<(), String> {
        for name in 0..CHAINS {
            self.drop_resolver(name);
            while self.unpause(name).is_some() {}
        }
        for (name, task) in std::mem::take(&mut *locked(&self.tasks)) {
            let joined = runtime.block_on(async { tokio::time::timeout(LIMIT, task).await });
            let seen = joined
                .map_err(|_| format!("who awaits chain {name} hangs"))?
                .map_err(|error| format!("who awaits chain {name}: {error}"))?;
            locked(&self.get(name).note).ends.push(seen);
        }
        for (name, chain) in self.iter() {
            let Some(deferred) = locked(&chain.deferred).take() else {
                continue;
            };
            let result = (deferred.try_result())
                .map_err(|pending| format!("chain {name} has no result: {pending:?}"))?;
            let mut note = locked(&chain.note);
            note.ends.push(see(&result));
            if let Some((waker, before)) = note.polled
                && self.wakers.woken(waker) == before
            {
                return Err(format!("who polled chain {name} was not woken"));
            }
        }
        Ok(())
    }
}

impl Chain {
    /// Takes the Deferred out; whoever polled it has to do so again.
    pub(crate) fn take(&self) -> Option<Deferred<Number>> {
        let deferred = locked(&self.deferred).take()?;
        locked(&self.note).polled = None;
        Some(deferred)
    }

    pub(crate) fn put_back(&self, deferred: Deferred<Number>) {
        *locked(&self.deferred) = Some(deferred);
    }
}

impl Number {
    /// What the chain of that name is fired with.
    pub(crate) fn first_of(name: Name, ledger: &Arc<Ledger>) -> Self {
        Number::new(1_000 * (1 + name as i64), ledger)
    }
}
