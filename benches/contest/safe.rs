//! What a Deferred costs without `unsafe`: a mutex and a queue of boxed
//! stages, the value in a box that stages of one type reuse.
//!
//! It catches panics, runs stages in their span, keeps a fired one inline and
//! runs a chain iteratively, as the library does; it has no cancelling, no
//! pausing, no labels, and a chain of returned ones is as deep as the stack.

use std::any::Any;
use std::collections::VecDeque;
use std::future::Future;
use std::marker::PhantomData;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use tokio_deferred::Failure;
use tracing::Span;

type Outcome<T> = Result<T, Failure>;
/// A box of an `Option<Outcome<T>>` for the stage's `T`.
type Slot = Box<dyn Any + Send>;
type Stage = Box<dyn FnOnce(Slot) -> Step + Send>;

enum Step {
    Next(Slot),
    Wait(Arc<Chain>, Slot),
}

#[derive(Default)]
struct Chain(Mutex<State>);

#[derive(Default)]
struct State {
    /// There when the chain is fired, and neither runs nor waits.
    slot: Option<Slot>,
    stages: VecDeque<Stage>,
    waker: Option<Waker>,
}

/// The half that fires.
pub(super) struct Resolver<T> {
    chain: Arc<Chain>,
    kind: PhantomData<fn(T)>,
}

/// The half that is added to and awaited.
pub(super) struct Safe<T>(Inner<T>);

enum Inner<T> {
    Fired(Outcome<T>),
    Chain(Arc<Chain>),
    Taken,
}

impl<T> Unpin for Safe<T> {}

impl Chain {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no user code runs under the lock")
    }

    /// Runs the stages there are on a value that is the caller's.
    fn run(self: &Arc<Self>, mut slot: Slot) {
        loop {
            let mut state = self.lock();
            let Some(stage) = state.stages.pop_front() else {
                state.slot = Some(slot);
                let waker = state.waker.take();
                drop(state);
                if let Some(waker) = waker {
                    waker.wake();
                }
                return;
            };
            drop(state);
            match stage(slot) {
                Step::Next(next) => slot = next,
                Step::Wait(awaited, spare) => {
                    let outer = Arc::clone(self);
                    drop(spare);
                    awaited.append(Box::new(move |slot| {
                        outer.run(slot);
                        Step::Next(Box::new(()))
                    }));
                    return;
                }
            }
        }
    }

    fn append(self: &Arc<Self>, stage: Stage) {
        let mut state = self.lock();
        state.stages.push_back(stage);
        let slot = state.slot.take();
        drop(state);
        if let Some(slot) = slot {
            self.run(slot);
        }
    }
}

impl<T: Send + 'static> Resolver<T> {
    pub(super) fn resolve(self, outcome: Outcome<T>) {
        self.chain.run(Box::new(Some(outcome)));
    }
}

impl<T: Send + 'static> Safe<T> {
    pub(super) fn new() -> (Resolver<T>, Self) {
        let chain = Arc::new(Chain::default());
        let resolver = Resolver {
            chain: Arc::clone(&chain),
            kind: PhantomData,
        };
        (resolver, Safe(Inner::Chain(chain)))
    }

    pub(super) fn succeed(value: T) -> Self {
        Safe(Inner::Fired(Ok(value)))
    }

    pub(super) fn add_callback<U: Send + 'static>(
        self,
        f: impl FnOnce(T) -> Outcome<U> + Send + 'static,
    ) -> Safe<U> {
        self.stage(move |outcome| Inner::Fired(outcome.and_then(f)))
    }

    pub(super) fn add_errback(
        self,
        f: impl FnOnce(Failure) -> Outcome<T> + Send + 'static,
    ) -> Safe<T> {
        self.stage(move |outcome| Inner::Fired(outcome.or_else(f)))
    }

    pub(super) fn and_then<U: Send + 'static>(
        self,
        f: impl FnOnce(T) -> Safe<U> + Send + 'static,
    ) -> Safe<U> {
        self.stage(move |outcome| match outcome {
            Ok(value) => f(value).0,
            Err(failure) => Inner::Fired(Err(failure)),
        })
    }

    fn stage<U: Send + 'static>(
        self,
        f: impl FnOnce(Outcome<T>) -> Inner<U> + Send + 'static,
    ) -> Safe<U> {
        let chain = match self.0 {
            Inner::Fired(outcome) => return Safe(guarded(f, outcome)),
            Inner::Chain(chain) => chain,
            Inner::Taken => unreachable!("awaited Deferreds are not added to here"),
        };
        let span = Span::current();
        chain.append(Box::new(move |mut slot| {
            let outcome = take::<T>(&mut slot);
            match span.in_scope(|| guarded(f, outcome)) {
                Inner::Fired(outcome) => Step::Next(put(slot, outcome)),
                Inner::Chain(awaited) => Step::Wait(awaited, slot),
                Inner::Taken => unreachable!("a stage returns what is not awaited"),
            }
        }));
        Safe(Inner::Chain(chain))
    }
}

fn guarded<T, U>(f: impl FnOnce(Outcome<T>) -> Inner<U>, outcome: Outcome<T>) -> Inner<U> {
    catch_unwind(AssertUnwindSafe(|| f(outcome)))
        .unwrap_or_else(|_| Inner::Fired(Err(Failure::new("a stage panicked"))))
}

fn take<T: 'static>(slot: &mut Slot) -> Outcome<T> {
    let place = slot.downcast_mut::<Option<Outcome<T>>>();
    place.and_then(Option::take).expect("the stage's own type")
}

/// Puts a value into the box if it was made for the type, else into a new one.
fn put<T: Send + 'static>(mut slot: Slot, outcome: Outcome<T>) -> Slot {
    if let Some(place) = slot.downcast_mut::<Option<Outcome<T>>>() {
        *place = Some(outcome);
        return slot;
    }
    Box::new(Some(outcome))
}

impl<T: Send + 'static> Future for Safe<T> {
    type Output = Outcome<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome<T>> {
        let chain = match mem::replace(&mut self.0, Inner::Taken) {
            Inner::Fired(outcome) => return Poll::Ready(outcome),
            Inner::Chain(chain) => chain,
            Inner::Taken => panic!("polled after it was ready"),
        };
        let mut state = chain.lock();
        if let Some(mut slot) = state.slot.take() {
            return Poll::Ready(take(&mut slot));
        }
        state.waker = Some(cx.waker().clone());
        drop(state);
        self.0 = Inner::Chain(chain);
        Poll::Pending
    }
}
