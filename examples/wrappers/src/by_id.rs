//! A connection that sends requests with an id, and gets replies with that id, in
//! any order.

use crate::Refused;
use crate::device::Answer;
use std::sync::Arc;

/// The API: what a protocol's library has for its users.
pub mod api {
    use std::sync::{Arc, Mutex, PoisonError};

    /// Where requests are sent to.
    #[derive(Clone, Default)]
    pub struct Connection(Arc<Mutex<Vec<u64>>>);

    impl Connection {
        pub fn send(&self, id: u64) {
            self.sent().push(id);
        }

        /// The id of the last request.
        pub fn last(&self) -> Option<u64> {
            self.sent().last().copied()
        }

        fn sent(&self) -> std::sync::MutexGuard<'_, Vec<u64>> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }
}

pub mod deferred {
    use super::api::Connection;
    use crate::Refused;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    use tokio_deferred::{Deferred, ResolverMap};

    #[derive(Default)]
    pub struct Client {
        pub connection: Connection,
        replies: ResolverMap<u64, u32>,
        ids: AtomicU64,
    }

    impl Client {
        pub fn ask(&self) -> Deferred<u32> {
            let id = self.ids.fetch_add(1, Relaxed);
            let reply = self.replies.insert(id);
            self.connection.send(id);
            reply
        }

        pub fn on_reply(&self, id: u64, result: Result<u32, Refused>) {
            self.replies.resolve(&id, result);
        }

        pub fn on_disconnect(&self) {
            self.replies.close("disconnected");
        }

        pub fn waiting(&self) -> usize {
            self.replies.len()
        }
    }
}

pub mod oneshot {
    use super::api::Connection;
    use crate::{Error, Refused};
    use std::collections::HashMap;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    use std::sync::{Arc, Mutex};
    use tokio::sync::oneshot;

    type Sender = oneshot::Sender<Result<u32, Refused>>;

    pub struct Client {
        pub connection: Connection,
        /// `None` once the connection is lost.
        replies: Mutex<Option<HashMap<u64, Sender>>>,
        ids: AtomicU64,
    }

    impl Default for Client {
        fn default() -> Self {
            Client {
                connection: Connection::default(),
                replies: Mutex::new(Some(HashMap::new())),
                ids: AtomicU64::new(0),
            }
        }
    }

    impl Client {
        pub async fn ask(self: Arc<Self>) -> Result<u32, Error> {
            let id = self.ids.fetch_add(1, Relaxed);
            let (sender, receiver) = oneshot::channel();
            if let Some(replies) = &mut *self.replies.lock().unwrap() {
                replies.insert(id, sender);
            }
            let _forget = scopeguard::guard((), |()| drop(self.take(id)));
            self.connection.send(id);
            Ok(receiver.await??)
        }

        pub fn on_reply(&self, id: u64, result: Result<u32, Refused>) {
            if let Some(sender) = self.take(id) {
                let _ = sender.send(result); // the caller may have gone
            }
        }

        pub fn on_disconnect(&self) {
            drop(self.replies.lock().unwrap().take());
        }

        pub fn waiting(&self) -> usize {
            let replies = self.replies.lock().unwrap();
            replies.as_ref().map_or(0, HashMap::len)
        }

        fn take(&self, id: u64) -> Option<Sender> {
            self.replies.lock().unwrap().as_mut()?.remove(&id)
        }
    }
}

macro_rules! answer_the_last_request {
    ($client:ty) => {
        impl Answer for Arc<$client> {
            fn answer(&self, result: Result<u32, Refused>) {
                if let Some(id) = self.connection.last() {
                    self.on_reply(id, result);
                }
            }
            fn answer_twice(&self) -> bool {
                self.answer(Ok(7));
                self.answer(Ok(8));
                true
            }
            fn lose(&self) -> bool {
                self.on_disconnect();
                true
            }
            /// Forgetting the id is all that can be stopped.
            fn stops(&self) -> Option<usize> {
                Some(usize::from(self.waiting() == 0))
            }
        }
    };
}
answer_the_last_request!(deferred::Client);
answer_the_last_request!(oneshot::Client);
