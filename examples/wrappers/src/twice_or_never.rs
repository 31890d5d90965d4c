//! An API that may call back more than once, and may keep its callback for ever
//! and never call it: a wrapper takes the first call, and waits no longer than
//! `PATIENCE`.

use std::time::Duration;

/// How long the wrappers wait.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The API.
pub mod api {
    use crate::Refused;
    use crate::device::{Answer, Device};

    type Callback = Box<dyn FnMut(Result<u32, Refused>) + Send>;

    #[derive(Clone, Default)]
    pub struct Radio(Device<Callback>);

    impl Radio {
        pub fn listen(&self, on_message: impl FnMut(Result<u32, Refused>) + Send + 'static) {
            self.0.begin(Box::new(on_message));
        }
    }

    impl Answer for Radio {
        fn answer(&self, result: Result<u32, Refused>) {
            if let Some(mut on_message) = self.0.take() {
                on_message(result);
                self.0.begin(on_message);
            }
        }
        fn answer_twice(&self) -> bool {
            self.answer(Ok(7));
            self.answer(Ok(8));
            true
        }
        fn lose(&self) -> bool {
            self.0.take().is_some()
        }
    }
}

pub mod deferred {
    use super::{PATIENCE, api::Radio};
    use tokio_deferred::Deferred;

    pub fn message(radio: &Radio) -> Deferred<u32> {
        let message = Deferred::from_callback(|resolver| {
            let mut first = resolver.into_fn_mut();
            radio.listen(move |result| _ = first(result));
        });
        message.add_timeout(PATIENCE)
    }
}

pub mod oneshot {
    use super::{PATIENCE, api::Radio};
    use crate::Error;
    use tokio::{sync::oneshot, time::timeout};

    pub async fn message(radio: Radio) -> Result<u32, Error> {
        let (sender, receiver) = oneshot::channel();
        let mut first = Some(sender);
        radio.listen(move |result| {
            if let Some(sender) = first.take() {
                let _ = sender.send(result); // the caller may have gone
            }
        });
        Ok(timeout(PATIENCE, receiver).await???)
    }
}
