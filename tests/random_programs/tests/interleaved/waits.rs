//! Those who wait in line: for tokens, for the lock, for items.

use crate::ledger::{CANCELLED, LIMIT, Ledger, Number, Token, locked, name};
use crate::program::Op;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use tokio::runtime::Runtime;
use tokio::sync::OwnedSemaphorePermit;
use tokio_deferred::{
    CancelHandle, Deferred, DeferredLock, DeferredQueue, DeferredSemaphore, Failure,
};

/// The limits of a program, and all that ever waited for one.
pub(crate) struct Waits {
    semaphore: DeferredSemaphore,
    lock: DeferredLock,
    queue: DeferredQueue<Number>,
    waits: Mutex<Vec<Wait>>,
    bare: Mutex<Bare>,
    shared: Arc<Shared>,
    ledger: Arc<Ledger>,
}

/// Those with nobody to look at what comes.
#[derive(Default)]
struct Bare {
    acquired: Vec<Deferred<OwnedSemaphorePermit>>,
    got: Vec<Deferred<Number>>,
}

struct Wait {
    cancel: CancelHandle,
    /// Set before the cancel begins.
    cancelled: Arc<AtomicBool>,
}

/// What the callbacks see.
struct Shared {
    tokens: usize,
    in_hand: AtomicUsize,
    held: Mutex<Vec<OwnedSemaphorePermit>>,
    locked: AtomicBool,
    put: AtomicUsize,
    got: Mutex<Vec<i64>>,
    /// How many of the waits are over.
    over: Mutex<usize>,
    one_is_over: Condvar,
    wrong: Mutex<Vec<String>>,
}

impl Waits {
    pub(crate) fn new(tokens: usize, ledger: &Arc<Ledger>) -> Self {
        Waits {
            semaphore: DeferredSemaphore::new(tokens),
            lock: DeferredLock::new(),
            queue: DeferredQueue::new(),
            waits: Mutex::default(),
            bare: Mutex::default(),
            shared: Arc::new(Shared {
                tokens,
                in_hand: AtomicUsize::new(0),
                held: Mutex::default(),
                locked: AtomicBool::new(false),
                put: AtomicUsize::new(0),
                got: Mutex::default(),
                over: Mutex::new(0),
                one_is_over: Condvar::new(),
                wrong: Mutex::default(),
            }),
            ledger: ledger.clone(),
        }
    }

    /// Performs `op`, or returns `None` if it cannot.
    pub(crate) fn perform(&self, op: Op) -> Option<()> {
        let shared = self.shared.clone();
        match op {
            Op::Acquire => self.wait(self.semaphore.acquire(), move |permit| {
                shared.take_token();
                locked(&shared.held).push(permit);
            }),
            Op::Release => return shared.release(),
            Op::Run => {
                let token = self.ledger.token();
                let run = move || {
                    shared.take_token();
                    shared.in_hand.fetch_sub(1, Ordering::SeqCst);
                    drop(token);
                    Ok(())
                };
                self.wait(self.semaphore.run(run), drop);
            }
            Op::Lock => {
                let token = self.ledger.token();
                let run = move || {
                    if shared.locked.swap(true, Ordering::SeqCst) {
                        shared.wrong("two have the lock".to_owned());
                    }
                    drop(token);
                    shared.locked.store(false, Ordering::SeqCst);
                    Ok(())
                };
                self.wait(self.lock.run(run), drop);
            }
            Op::Put => {
                let n = shared.put.fetch_add(1, Ordering::SeqCst);
                let item = Number::new(n as i64, &self.ledger);
                if self.queue.put(item).is_err() {
                    shared.wrong("a queue without a limit is full".to_owned());
                }
            }
            Op::Get => self.wait(self.queue.get(), move |item: Number| {
                locked(&shared.got).push(item.n);
            }),
            Op::CancelWait(back) => return self.cancel(back),
            Op::AcquireBare => {
                let bare = self.semaphore.acquire();
                locked(&self.bare).acquired.push(bare);
            }
            Op::GetBare => {
                let bare = self.queue.get();
                locked(&self.bare).got.push(bare);
            }
            Op::DropBare => return self.drop_bare(),
            other => unreachable!("{other:?} is performed elsewhere"),
        }
        Some(())
    }

    /// Hands what comes to `take`, and counts that it came.
    fn wait<T: Send + 'static>(
        &self,
        mut deferred: Deferred<T>,
        take: impl FnOnce(T) + Send + 'static,
    ) {
        let wait = Wait {
            cancel: deferred.cancel_handle(),
            cancelled: Arc::default(),
        };
        let (shared, cancelled) = (self.shared.clone(), wait.cancelled.clone());
        locked(&self.waits).push(wait);
        let token = self.ledger.token();
        deferred
            .add_both(move |result: Result<T, Failure>| {
                match result {
                    Ok(value) => take(value),
                    Err(failure) => shared.failed(&failure, &cancelled),
                }
                shared.is_over(token);
                Ok(())
            })
            .detach();
    }

    fn cancel(&self, back: usize) -> Option<()> {
        let waits = locked(&self.waits);
        let wait = &waits[waits.len().checked_sub(back + 1)?];
        wait.cancelled.store(true, Ordering::SeqCst);
        let cancel = wait.cancel.clone();
        drop(waits);
        cancel.cancel();
        Some(())
    }

    /// Drops the oldest of those with nobody to look at what comes.
    fn drop_bare(&self) -> Option<()> {
        let (acquired, got) = {
            let mut bare = locked(&self.bare);
            let acquired = (!bare.acquired.is_empty()).then(|| bare.acquired.remove(0));
            (acquired, (!bare.got.is_empty()).then(|| bare.got.remove(0)))
        };
        let dropped = acquired.is_some() || got.is_some();
        drop(acquired);
        drop(got);
        dropped.then_some(())
    }

    /// Brings every wait to its end.
    ///
    /// # Errors
    ///
    /// If one does not come, if a token or an item is lost, or comes twice.
    pub(crate) fn settle(&self, runtime: &Runtime) -> Result<(), String> {
        let bare = std::mem::take(&mut *locked(&self.bare));
        drop(bare);
        let waits = locked(&self.waits).len();
        for _ in 0..waits {
            let item = self.shared.put.fetch_add(1, Ordering::SeqCst);
            // Enough for all that wait; what is left over is counted below.
            let item = Number::new(item as i64, &self.ledger);
            self.queue.put(item).map_err(|_| "the queue is full")?;
        }
        self.shared.until_over(waits)?;
        self.tokens(runtime)?;
        self.items()?;
        locked(&self.shared.wrong).pop().map_or(Ok(()), Err)
    }

    fn tokens(&self, runtime: &Runtime) -> Result<(), String> {
        let tokens = self.shared.tokens;
        let all = u32::try_from(tokens).map_err(|error| error.to_string())?;
        let semaphore = self.semaphore.as_tokio();
        // One may still be on its way back from a wait that was dropped.
        let all = runtime
            .block_on(async { tokio::time::timeout(LIMIT, semaphore.acquire_many(all)).await });
        match all {
            Ok(Ok(all)) => drop(all),
            other => return Err(format!("tokens are lost: {other:?}")),
        }
        match self.semaphore.tokens() {
            now if now == tokens => Ok(()),
            now => Err(format!("{now} tokens of {tokens}")),
        }
    }

    fn items(&self) -> Result<(), String> {
        let mut items = std::mem::take(&mut *locked(&self.shared.got));
        while !self.queue.is_empty() {
            match self.queue.get().try_result() {
                Ok(Ok(item)) => items.push(item.n),
                other => return Err(format!("no item where there was one: {other:?}")),
            }
        }
        items.sort_unstable();
        let put = self.shared.put.load(Ordering::SeqCst) as i64;
        if items.iter().copied().eq(0..put) {
            Ok(())
        } else {
            Err(format!("{put} items were put, these came: {items:?}"))
        }
    }
}

impl Shared {
    fn wrong(&self, what: String) {
        locked(&self.wrong).push(what);
    }

    fn failed(&self, failure: &Failure, cancelled: &AtomicBool) {
        if name(failure) != CANCELLED || !cancelled.load(Ordering::SeqCst) {
            self.wrong(format!("a wait came to {failure}"));
        }
    }

    fn take_token(&self) {
        let in_hand = self.in_hand.fetch_add(1, Ordering::SeqCst) + 1;
        if in_hand > self.tokens {
            self.wrong(format!("{in_hand} tokens of {} are held", self.tokens));
        }
    }

    /// Gives back a token that a program holds.
    fn release(&self) -> Option<()> {
        let permit = locked(&self.held).pop()?;
        self.in_hand.fetch_sub(1, Ordering::SeqCst);
        drop(permit);
        Some(())
    }

    fn is_over(&self, token: Token) {
        drop(token);
        *locked(&self.over) += 1;
        self.one_is_over.notify_all();
    }

    /// Waits until all of `waits` are over, and gives back what they get.
    fn until_over(&self, waits: usize) -> Result<(), String> {
        loop {
            while self.release().is_some() {}
            let over = locked(&self.over);
            if *over >= waits && locked(&self.held).is_empty() {
                return match *over {
                    over if over == waits => Ok(()),
                    over => Err(format!("{waits} waits were over {over} times")),
                };
            }
            let before = *over;
            let (over, _) = (self.one_is_over)
                .wait_timeout_while(over, LIMIT, |over| {
                    *over == before && locked(&self.held).is_empty()
                })
                .unwrap_or_else(PoisonError::into_inner);
            if *over == before && locked(&self.held).is_empty() {
                return Err(format!("{before} of {waits} waits are over"));
            }
        }
    }
}
