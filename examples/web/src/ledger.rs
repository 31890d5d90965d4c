//! The callback side: a ledger that only its own thread may touch, as with a
//! driver, a file format library or a database handle that is not `Send`.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use tokio_deferred::{Deferred, Resolver};

/// The ledger's own error; it arrives where the Deferred is awaited.
#[derive(Debug, thiserror::Error)]
#[error("{amount} does not fit into the ledger, which holds {total}")]
pub(crate) struct DoesNotFit {
    amount: i64,
    total: i64,
}

/// When a posting is due, and a number that tells it from others of that time.
type Key = (Instant, u64);

enum Order {
    Add {
        key: Key,
        amount: i64,
        resolver: Resolver<i64>,
    },
    Forget(Key),
}

/// A handle to the ledger's thread.
pub(crate) struct Ledger {
    orders: Sender<Order>,
    next: AtomicU64,
    held: Arc<AtomicUsize>,
}

impl Ledger {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// Whatever keeps the system from starting one.
    pub(crate) fn start() -> io::Result<Self> {
        let (orders, received) = mpsc::channel();
        let held = Arc::new(AtomicUsize::new(0));
        let gauge = Arc::clone(&held);
        thread::Builder::new()
            .name("ledger".into())
            .spawn(move || run(&received, &gauge))?;
        Ok(Self {
            orders,
            next: AtomicU64::new(0),
            held,
        })
    }

    /// Adds `amount` after `delay` and fires with the new total.
    ///
    /// Cancelling takes the posting back if it was not made yet.
    ///
    /// # Errors
    ///
    /// [`DoesNotFit`] if the total would overflow, `ResolverDropped` if the
    /// thread is gone.
    pub(crate) fn add(&self, amount: i64, delay: Duration) -> Deferred<i64> {
        let key = (
            Instant::now() + delay,
            self.next.fetch_add(1, Ordering::Relaxed),
        );
        let orders = self.orders.clone();
        let (resolver, deferred) = Deferred::with_canceller(move || {
            // Without the thread there is nothing left to forget.
            let _ = orders.send(Order::Forget(key));
            None
        });
        let order = Order::Add {
            key,
            amount,
            resolver,
        };
        // If the thread is gone, the order comes back in the error, and
        // dropping its resolver tells the caller.
        drop(self.orders.send(order));
        deferred
    }

    /// Returns how many postings wait to be made.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

fn run(orders: &Receiver<Order>, gauge: &AtomicUsize) {
    let mut total = 0_i64;
    let mut held: BTreeMap<Key, (i64, Resolver<i64>)> = BTreeMap::new();
    loop {
        let received = match held.first_key_value() {
            None => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(((due, _), _)) => {
                orders.recv_timeout(due.saturating_duration_since(Instant::now()))
            }
        };
        match received {
            Ok(Order::Add {
                key,
                amount,
                resolver,
            }) => drop(held.insert(key, (amount, resolver))),
            Ok(Order::Forget(key)) => drop(held.remove(&key)),
            Err(RecvTimeoutError::Timeout) => {
                if let Some((_, (amount, resolver))) = held.pop_first() {
                    // Before the answer, whose reader may ask for the gauge.
                    gauge.store(held.len(), Ordering::Relaxed);
                    post(&mut total, amount, resolver);
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
        gauge.store(held.len(), Ordering::Relaxed);
    }
}

/// Makes one posting, unless nobody is there to learn of it any more.
fn post(total: &mut i64, amount: i64, resolver: Resolver<i64>) {
    let Some(new) = total.checked_add(amount) else {
        let total = *total;
        return resolver.errback(DoesNotFit { amount, total });
    };
    if resolver.try_callback(new).is_ok() {
        *total = new;
    }
}
