//! Values that are no numbers: create, one callback that captures an `Arc`,
//! fire, read.

use super::{Contestant, Group};
use futures::TryFutureExt;
use std::sync::Arc;
use tokio_deferred::Deferred;

/// What the value is made of, and what is read of it.
trait Value: Send + 'static {
    fn make(n: u64) -> Self;
    fn read(&self) -> u64;
}

impl Value for [u64; 8] {
    fn make(n: u64) -> Self {
        [n; 8]
    }

    fn read(&self) -> u64 {
        self[7]
    }
}

impl Value for String {
    fn make(n: u64) -> Self {
        "x".repeat(n as usize)
    }

    fn read(&self) -> u64 {
        self.len() as u64
    }
}

impl Value for Vec<u64> {
    fn make(n: u64) -> Self {
        vec![n]
    }

    fn read(&self) -> u64 {
        self[0]
    }
}

impl Value for Result<u64, String> {
    fn make(n: u64) -> Self {
        Ok(n)
    }

    fn read(&self) -> u64 {
        self.as_ref().copied().unwrap_or(0)
    }
}

pub(super) fn groups() -> Vec<Group> {
    vec![
        of::<[u64; 8]>("value_64_bytes"),
        of::<String>("value_string"),
        of::<Vec<u64>>("value_vec"),
        of::<Result<u64, String>>("value_result"),
    ]
}

fn of<V: Value>(name: &'static str) -> Group {
    let added = Arc::new(1);
    let [ours, oneshots, tokios] = [&added, &added, &added].map(Arc::clone);
    Group {
        name,
        units: 1,
        contestants: vec![
            Contestant::awaited("deferred", 2, async move |n| {
                let (resolver, deferred) = Deferred::<V>::new();
                let added = Arc::clone(&ours);
                let deferred =
                    deferred.add_callback(move |value: V| Ok((value.read() + *added, value)));
                resolver.callback(V::make(n));
                deferred.await.expect("fired").0
            }),
            Contestant::awaited("oneshot", 2, async move |n| {
                let (sender, receiver) = oneshot::async_channel::<V>();
                let added = Arc::clone(&oneshots);
                let lazy = receiver.map_ok(move |value| (value.read() + *added, value));
                assert!(sender.send(V::make(n)).is_ok());
                lazy.await.expect("sent").0
            }),
            Contestant::awaited("tokio_oneshot", 2, async move |n| {
                let (sender, receiver) = tokio::sync::oneshot::channel::<V>();
                let added = Arc::clone(&tokios);
                let lazy = receiver.map_ok(move |value| (value.read() + *added, value));
                assert!(sender.send(V::make(n)).is_ok());
                lazy.await.expect("sent").0
            }),
        ],
    }
}
