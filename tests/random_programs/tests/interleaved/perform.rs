//! Performs operations. What one needs may be away, with another thread or for
//! good; then there is nothing to do, and it does not count.

use crate::chains::{Chains, Fate, Subscriber};
use crate::ledger::{Ledger, Number, Oops, locked, see};
use crate::program::{Name, Op, Program};
use crate::stages;
use crate::waits::Waits;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::runtime::{Handle, Runtime};
use tokio_deferred::DeferredError;

/// What the threads of a program share.
pub(crate) struct World {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) chains: Chains,
    pub(crate) waits: Waits,
    runtime: Handle,
}

impl World {
    pub(crate) fn new(program: &Program, ledger: &Arc<Ledger>, runtime: &Runtime) -> Self {
        World {
            ledger: ledger.clone(),
            chains: Chains::new(),
            waits: Waits::new(program.tokens, ledger),
            runtime: runtime.handle().clone(),
        }
    }

    /// Performs `op`, or returns `None` if it cannot.
    pub(crate) fn perform(self: &Arc<Self>, op: Op) -> Option<()> {
        match op {
            Op::Add(name, side, then) => {
                let chain = self.chains.get(name);
                chain.put_back(stages::add(self, name, chain.take()?, side, then));
                Some(())
            }
            Op::Fire(name, true) => {
                let value = Number::first_of(name, &self.ledger);
                self.chains.fire(name, Ok(value))
            }
            Op::Fire(name, false) => self.chains.fire(name, Err(Oops::new(name, &self.ledger))),
            Op::DropResolver(name) => self.chains.drop_resolver(name),
            Op::Cancel(name) => {
                self.chains.cancel(name);
                Some(())
            }
            Op::Pause(name) => {
                let chain = self.chains.get(name);
                let mut deferred = chain.take()?;
                let pause = deferred.pause();
                chain.put_back(deferred);
                locked(&chain.pauses).push(pause);
                Some(())
            }
            Op::Unpause(name) => self.chains.unpause(name),
            Op::Drop(name) => self.chains.consume(name, Fate::Dropped).map(drop),
            Op::Poll(name, waker) => self.poll(name, waker),
            Op::Await(name) => self.spawn(name),
            Op::Share(name) => {
                let shared = self.chains.consume(name, Fate::Shared)?.share();
                *locked(&self.chains.get(name).shared) = Some(shared);
                Some(())
            }
            Op::Subscribe(name) => self.subscribe(name),
            Op::Unsubscribe(name) => self.unsubscribe(name),
            other => self.waits.perform(other),
        }
    }

    fn poll(&self, name: Name, number: usize) -> Option<()> {
        let chain = self.chains.get(name);
        let mut deferred = chain.take()?;
        let before = self.chains.wakers.woken(number);
        let waker = self.chains.wakers.waker(number);
        let polled = Pin::new(&mut deferred).poll(&mut Context::from_waker(&waker));
        let mut note = locked(&chain.note);
        match polled {
            Poll::Pending => {
                note.polled = Some((number, before));
                drop(note);
                chain.put_back(deferred);
            }
            Poll::Ready(result) => {
                note.fate = Fate::Awaited;
                note.ends
                    .push(see(&result.map_err(DeferredError::into_failure)));
                drop(note);
                drop(deferred);
            }
        }
        Some(())
    }

    fn spawn(&self, name: Name) -> Option<()> {
        let deferred = self.chains.consume(name, Fate::Awaited)?;
        let task = async move { see(&deferred.await.map_err(DeferredError::into_failure)) };
        let task = self.runtime.spawn(task);
        locked(&self.chains.tasks).push((name, task));
        Some(())
    }

    fn subscribe(&self, name: Name) -> Option<()> {
        let chain = self.chains.get(name);
        let shared = locked(&chain.shared).clone()?;
        let mut deferred = shared.subscribe();
        let seen = Arc::new(Mutex::new(Vec::new()));
        locked(&chain.note).subscribers.push(Subscriber {
            cancel: deferred.cancel_handle(),
            cancelled: false,
            seen: seen.clone(),
        });
        let token = self.ledger.token();
        deferred
            .add_both(move |result| {
                locked(&seen).push(see(&result));
                drop(token);
                Ok(())
            })
            .detach();
        Some(())
    }

    fn unsubscribe(&self, name: Name) -> Option<()> {
        let mut note = locked(&self.chains.get(name).note);
        let mut subscribers = note.subscribers.iter_mut();
        let subscriber = subscribers.find(|subscriber| !subscriber.cancelled)?;
        subscriber.cancelled = true;
        let cancel = subscriber.cancel.clone();
        drop(note);
        cancel.cancel();
        Some(())
    }
}
