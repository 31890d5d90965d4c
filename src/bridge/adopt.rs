//! A task that goes on as the coroutine that it started.
//!
//! A task of this library that runs code of the user's, and then has nothing
//! more to do, offers itself: the first coroutine that this code starts, and
//! that has to wait in the same runtime, is adopted by it in place of having a
//! task made for it.

use std::cell::Cell;
use std::pin::Pin;
use tokio::runtime::{Handle, Id};

/// What would have been a task of its own.
pub(crate) type Adopted = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Offer {
    runtime: Id,
    adopted: Option<Adopted>,
}

thread_local! {
    static OFFER: Cell<Option<Offer>> = const { Cell::new(None) };
}

/// Ends an offer, and goes back to the one that there was before.
struct Ended(Option<Offer>);

impl Drop for Ended {
    fn drop(&mut self) {
        OFFER.replace(self.0.take());
    }
}

/// Calls `f` in a task of `runtime` that can go on as a coroutine; returns the
/// one that it is to go on as.
pub(crate) fn offering<R>(runtime: Id, f: impl FnOnce() -> R) -> (R, Option<Adopted>) {
    let adopted = None;
    let ended = Ended(OFFER.replace(Some(Offer { runtime, adopted })));
    let result = f();
    let adopted = OFFER.take().and_then(|offer| offer.adopted);
    drop(ended);
    (result, adopted)
}

/// Gives `future`, which is to run in `runtime`, to the task that offers itself
/// on this thread; else makes a task of it.
#[track_caller]
pub(super) fn adopt_or_spawn<F>(runtime: &Handle, future: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let offer = OFFER.try_with(Cell::take).ok().flatten();
    match offer {
        Some(mut offer) if offer.adopted.is_none() && offer.runtime == runtime.id() => {
            offer.adopted = Some(Box::pin(future));
            OFFER.set(Some(offer));
        }
        offer => {
            if offer.is_some() {
                OFFER.set(offer);
            }
            runtime.spawn(future);
        }
    }
}
