//! The memory that the client's sharing rests on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio_deferred::{Deferred, Resolver};

use super::Memo;

#[derive(Debug, thiserror::Error)]
#[error("no answer")]
struct NoAnswer;

/// A memory whose questions are counted and answered by hand.
struct Questions {
    memo: Memo<&'static str, u32>,
    asked: Arc<AtomicUsize>,
}

impl Questions {
    fn new() -> Self {
        Self {
            memo: Memo::new(),
            asked: Arc::default(),
        }
    }

    fn count(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// Asks for `key`; if it comes to a question, `answer` is its answer.
    fn get(&self, key: &'static str, answer: Deferred<u32>) -> Deferred<u32> {
        let asked = Arc::clone(&self.asked);
        self.memo.get(key, move || {
            asked.fetch_add(1, Ordering::Relaxed);
            answer
        })
    }

    /// Asks for `key` with a question that is answered later.
    fn get_later(&self, key: &'static str) -> (Resolver<u32>, Deferred<u32>) {
        let (resolver, answer) = Deferred::new();
        (resolver, self.get(key, answer))
    }
}

fn value(deferred: Deferred<u32>) -> Option<u32> {
    deferred.try_result().ok()?.ok()
}

/// An answer that would be noticed: it is there for questions that must not
/// be asked.
fn wrong() -> Deferred<u32> {
    Deferred::succeed(u32::MAX)
}

#[test]
fn get_while_under_way_then_answer() {
    let questions = Questions::new();
    let (resolver, first) = questions.get_later("six");
    let second = questions.get("six", wrong());
    assert!(!first.is_fired() && !second.is_fired());

    resolver.callback(6);
    assert_eq!((value(first), value(second)), (Some(6), Some(6)));
    assert_eq!(value(questions.get("six", wrong())), Some(6));
    assert_eq!(questions.count(), 1);
}

#[test]
fn keys_do_not_share() {
    let questions = Questions::new();
    let six = questions.get("six", Deferred::succeed(6));
    let seven = questions.get("seven", Deferred::succeed(7));
    assert_eq!((value(six), value(seven)), (Some(6), Some(7)));
    assert_eq!(questions.count(), 2);
}

#[test]
fn fail_then_get_asks_again() {
    let questions = Questions::new();
    let (resolver, first) = questions.get_later("six");
    let second = questions.get("six", wrong());
    resolver.errback(NoAnswer);
    for waiting in [first, second] {
        let Ok(Err(failure)) = waiting.try_result() else {
            panic!("all who wait get the failure");
        };
        assert!(failure.is::<NoAnswer>());
    }

    assert_eq!(value(questions.get("six", Deferred::succeed(6))), Some(6));
    assert_eq!(questions.count(), 2);
}

#[test]
fn get_again_from_an_errback_asks_again() {
    let questions = Arc::new(Questions::new());
    let (resolver, first) = questions.get_later("six");
    let again = Arc::clone(&questions);
    let recovered = first.add_errback(move |_| again.get("six", Deferred::succeed(6)));
    resolver.errback(NoAnswer);
    assert_eq!(value(recovered), Some(6));
    assert_eq!(questions.count(), 2);
}

#[test]
fn cancel_one_then_answer() {
    let questions = Questions::new();
    let (resolver, first) = questions.get_later("six");
    let second = questions.get("six", wrong());
    first.cancel();
    let Ok(Err(failure)) = first.try_result() else {
        panic!("a cancelled caller has its failure");
    };
    assert!(failure.is_cancelled());
    assert!(!resolver.is_cancelled(), "the other one still wants it");

    resolver.callback(6);
    assert_eq!(value(second), Some(6));
}

#[test]
fn cancel_all_then_get_asks_again() {
    let questions = Questions::new();
    let (resolver, first) = questions.get_later("six");
    let second = questions.get("six", wrong());
    first.cancel();
    second.cancel();
    assert!(resolver.is_cancelled(), "nobody wants it any more");

    assert_eq!(value(questions.get("six", Deferred::succeed(6))), Some(6));
    assert_eq!(questions.count(), 2);
}

#[test]
fn forget_then_get_asks_again() {
    let questions = Questions::new();
    assert_eq!(value(questions.get("six", Deferred::succeed(6))), Some(6));
    questions.memo.forget(&"six");
    assert_eq!(value(questions.get("six", Deferred::succeed(66))), Some(66));
}
