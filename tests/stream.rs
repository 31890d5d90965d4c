//! Streams of events: who ends them, who unregisters, and what is lost.

use futures::stream::FusedStream;
use futures::{FutureExt, StreamExt};
use std::cell::RefCell;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use tokio_deferred::stream::{Buffer, CallbackStream, Emitter, Rejected, callback_stream};
use tokio_deferred::{DeferredError, Failure, testing};

/// A stream whose emitter the test has, and that says when it unregisters.
fn open(
    buffer: Buffer,
) -> (
    Emitter<i32>,
    CallbackStream<i32>,
    mpsc::Receiver<thread::ThreadId>,
) {
    let emitter = RefCell::new(None);
    let (tx, rx) = mpsc::channel();
    let stream = callback_stream(buffer, |e| {
        *emitter.borrow_mut() = Some(e);
        move || tx.send(thread::current().id()).unwrap()
    });
    (emitter.into_inner().unwrap(), stream, rx)
}

/// What the stream has now.
fn next(stream: &mut CallbackStream<i32>) -> Option<Option<Result<i32, DeferredError>>> {
    stream.next().now_or_never()
}

fn value(stream: &mut CallbackStream<i32>) -> i32 {
    next(stream)
        .expect("a value")
        .expect("no end")
        .expect("no error")
}

#[test]
fn emit_then_poll_then_end_then_unregister_once() {
    let (emitter, mut stream, unregistered) = open(Buffer::Unbounded);
    assert!(next(&mut stream).is_none());
    emitter.emit(1).unwrap();
    emitter.emit(2).unwrap();
    assert_eq!((value(&mut stream), value(&mut stream)), (1, 2));
    emitter.end();
    emitter.end();
    assert_eq!(emitter.emit(3), Err(Rejected::Closed(3)));
    assert!(
        unregistered.try_recv().is_err(),
        "the end is not delivered yet"
    );
    assert!(!stream.is_terminated() && !emitter.is_closed());
    assert!(next(&mut stream).unwrap().is_none());
    assert!(stream.is_terminated() && emitter.is_closed());
    assert_eq!(unregistered.recv(), Ok(thread::current().id()));
    assert!(next(&mut stream).unwrap().is_none(), "it stays ended");
    drop(stream);
    assert!(unregistered.recv().is_err(), "once");
}

#[test]
fn drop_on_another_thread_unregisters_there() {
    let (emitter, stream, unregistered) = open(Buffer::Unbounded);
    let dropping = thread::spawn(move || drop(stream));
    let there = dropping.thread().id();
    dropping.join().unwrap();
    assert_eq!(unregistered.recv(), Ok(there));
    assert!(emitter.is_closed());
    assert_eq!(emitter.emit(1).unwrap_err().into_inner(), 1);
    assert!(!emitter.fail("late"));
    emitter.closed().now_or_never().unwrap();
}

#[test]
fn emit_from_another_thread_wakes_the_task() {
    let (emitter, mut stream, _unregistered) = open(Buffer::Unbounded);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let emitting = thread::spawn(move || {
        for n in 0..1_000 {
            emitter.emit(n).unwrap();
        }
    });
    let values: Vec<i32> = runtime.block_on(stream.by_ref().map(Result::unwrap).collect());
    assert_eq!(values, Vec::from_iter(0..1_000));
    emitting.join().unwrap();
}

#[test]
fn last_emitter_is_dropped_then_the_stream_ends() {
    let (emitter, mut stream, _unregistered) = open(Buffer::Unbounded);
    let second = emitter.clone();
    drop(emitter);
    assert!(next(&mut stream).is_none());
    second.emit(1).unwrap();
    drop(second);
    assert_eq!(value(&mut stream), 1);
    assert!(next(&mut stream).unwrap().is_none());
}

#[test]
fn fail_comes_after_the_values_and_then_the_end() {
    let (emitter, mut stream, _unregistered) = open(Buffer::Unbounded);
    emitter.emit(1).unwrap();
    assert!(emitter.fail("unplugged"));
    assert!(!emitter.fail("again"));
    assert_eq!(value(&mut stream), 1);
    let error = next(&mut stream).unwrap().unwrap().unwrap_err();
    assert_eq!(error.failure().to_string(), "unplugged");
    assert!(next(&mut stream).unwrap().is_none());
}

#[test]
fn failure_that_was_not_polled_is_reported_by_the_drop() {
    let (emitter, stream, _unregistered) = open(Buffer::Unbounded);
    emitter.fail("unplugged");
    let reports = testing::capture_unhandled(|| drop(stream));
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].failure().to_string(), "unplugged");
    assert_eq!(reports[0].made_at().file(), file!());
}

#[test]
fn buffers_keep_what_they_say() {
    for (buffer, kept, missed, refused) in [
        (Buffer::Unbounded, vec![1, 2, 3], 0, 0),
        (Buffer::Newest(2), vec![2, 3], 1, 0),
        (Buffer::Oldest(2), vec![1, 2], 1, 0),
        (Buffer::Refuse(2), vec![1, 2], 0, 1),
        (Buffer::Newest(0), vec![3], 2, 0),
    ] {
        let (emitter, mut stream, _unregistered) = open(buffer);
        let full = (1..=3).filter(|n| emitter.emit(*n) == Err(Rejected::Full(*n)));
        assert_eq!(full.count(), refused, "{buffer:?}");
        assert_eq!(stream.missed(), missed, "{buffer:?}");
        emitter.end();
        let values: Vec<i32> = kept.iter().map(|_| value(&mut stream)).collect();
        assert_eq!(values, kept, "{buffer:?}");
        assert!(next(&mut stream).unwrap().is_none(), "{buffer:?}");
    }
}

#[test]
fn start_that_fails_is_the_only_item() {
    let mut stream = callback_stream::<i32, Result<fn(), Failure>>(Buffer::Unbounded, |_| {
        Err(Failure::new("no such file"))
    });
    let error = next(&mut stream).unwrap().unwrap().unwrap_err();
    assert_eq!(error.failure().to_string(), "no such file");
    assert!(next(&mut stream).unwrap().is_none());
}

#[test]
fn start_that_panics_after_a_value() {
    let mut stream = callback_stream::<i32, fn()>(Buffer::Unbounded, |emitter| {
        emitter.emit(1).unwrap();
        panic!("in the start");
    });
    assert_eq!(value(&mut stream), 1);
    assert!(next(&mut stream).unwrap().unwrap().unwrap_err().is_panic());
    assert!(next(&mut stream).unwrap().is_none());
}

#[test]
fn unregistration_that_panics_or_calls_back() {
    let seen = Arc::new(Mutex::new(None));
    let result = seen.clone();
    let stream = callback_stream(Buffer::Unbounded, |emitter: Emitter<i32>| {
        move || {
            // The API flushes when it is unregistered.
            *result.lock().unwrap() = Some(emitter.emit(7));
            panic!("in the unregistration");
        }
    });
    drop(stream);
    assert_eq!(*seen.lock().unwrap(), Some(Err(Rejected::Closed(7))));
}

#[test]
fn values_whose_drop_panics_are_dropped_all_the_same() {
    struct Loud(mpsc::Sender<()>);
    impl Drop for Loud {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
            panic!("in a drop");
        }
    }
    let (tx, dropped) = mpsc::channel();
    let stream = callback_stream(Buffer::Newest(2), |emitter| {
        for _ in 0..4 {
            assert!(emitter.emit(Loud(tx.clone())).is_ok());
        }
        drop(tx);
        move || drop(emitter)
    });
    assert_eq!(dropped.try_iter().count(), 2);
    drop(stream);
    assert_eq!(dropped.iter().count(), 2);
}

#[test]
fn closed_is_awaited_while_the_stream_is_dropped_elsewhere() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    for _ in 0..1_000 {
        let (emitter, stream, _unregistered) = open(Buffer::Unbounded);
        let dropping = thread::spawn(move || drop(stream));
        runtime.block_on(emitter.closed());
        dropping.join().unwrap();
    }
}

#[test]
fn halves_are_send() {
    fn is_send<T: Send>() {}
    is_send::<Emitter<std::cell::Cell<i32>>>();
    is_send::<CallbackStream<std::cell::Cell<i32>>>();
}
