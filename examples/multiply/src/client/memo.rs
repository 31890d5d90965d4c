//! A memory of answers that shares those still under way and forgets failures.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_deferred::{Deferred, SharedDeferred};

type Answers<K, V> = Mutex<HashMap<K, SharedDeferred<V>>>;

/// Answers by key. Each is asked for once, however many want it, and whether
/// they come before or after it has arrived.
pub(crate) struct Memo<K, V> {
    answers: Arc<Answers<K, V>>,
}

impl<K, V> Memo<K, V>
where
    K: Eq + Hash + Clone + Send + 'static,
    V: Clone + Send + 'static,
{
    pub(crate) fn new() -> Self {
        Self {
            answers: Arc::default(),
        }
    }

    /// The answer for `key`, for which `ask` is called unless it is known or
    /// under way.
    ///
    /// A failure goes to all who wait for it; who comes later asks anew.
    /// Cancelling takes one caller out; when the last one cancels, what `ask`
    /// returned is cancelled.
    pub(crate) fn get(
        &self,
        key: K,
        ask: impl FnOnce() -> Deferred<V> + Send + 'static,
    ) -> Deferred<V> {
        let mut answers = lock(&self.answers);
        if let Some(answer) = answers.get(&key) {
            let answer = answer.clone();
            drop(answers);
            return answer.subscribe();
        }
        // `ask` may answer at once, and whoever hears of it may come back here,
        // so it is called only after the lock is free.
        let (start, started) = Deferred::new();
        let all = Arc::downgrade(&self.answers);
        let failed = key.clone();
        let answer = started
            .add_callback(move |()| ask())
            .inspect_failure(move |_| {
                if let Some(all) = all.upgrade() {
                    remove(&all, &failed);
                }
            })
            .share();
        answers.insert(key, answer.clone());
        drop(answers);
        let mine = answer.subscribe();
        start.callback(());
        mine
    }

    /// Forgets an answer that is no longer true.
    pub(crate) fn forget(&self, key: &K) {
        remove(&self.answers, key);
    }
}

fn remove<K: Eq + Hash, V>(answers: &Answers<K, V>, key: &K) {
    let answer = lock(answers).remove(key);
    // Not under the lock: what goes with it is not known here.
    drop(answer);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Entries are put in and taken out whole: a panic leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
