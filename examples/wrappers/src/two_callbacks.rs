//! An API that takes two callbacks, one for the value and one for the error.

/// The API.
pub mod api {
    use crate::Refused;
    use crate::device::{Answer, Device};

    type Callbacks = (Box<dyn FnOnce(u32) + Send>, Box<dyn FnOnce(Refused) + Send>);

    #[derive(Clone, Default)]
    pub struct Loader(Device<Callbacks>);

    impl Loader {
        pub fn load(
            &self,
            on_value: impl FnOnce(u32) + Send + 'static,
            on_error: impl FnOnce(Refused) + Send + 'static,
        ) {
            self.0.begin((Box::new(on_value), Box::new(on_error)));
        }
    }

    impl Answer for Loader {
        fn answer(&self, result: Result<u32, Refused>) {
            match (self.0.take(), result) {
                (Some((on_value, _)), Ok(value)) => on_value(value),
                (Some((_, on_error)), Err(error)) => on_error(error),
                (None, _) => {}
            }
        }
        /// Calls both.
        fn answer_twice(&self) -> bool {
            if let Some((on_value, on_error)) = self.0.take() {
                on_value(7);
                on_error(Refused(8));
            }
            true
        }
        fn lose(&self) -> bool {
            self.0.take().is_some()
        }
    }
}

pub mod deferred {
    use super::api::Loader;
    use tokio_deferred::Deferred;

    pub fn load(loader: &Loader) -> Deferred<u32> {
        Deferred::from_callback(|resolver| {
            let (on_value, on_error) = resolver.into_callbacks();
            loader.load(on_value, on_error);
        })
    }
}

pub mod oneshot {
    use super::api::Loader;
    use crate::Error;
    use std::sync::{Arc, Mutex};
    use tokio::sync::oneshot;

    pub async fn load(loader: Loader) -> Result<u32, Error> {
        let (sender, receiver) = oneshot::channel();
        let first = Arc::new(Mutex::new(Some(sender)));
        let done = move |result| {
            if let Some(sender) = first.lock().unwrap().take() {
                let _ = sender.send(result); // the caller may have gone
            }
        };
        let failed = done.clone();
        loader.load(
            move |value| done(Ok(value)),
            move |error| failed(Err(error)),
        );
        Ok(receiver.await??)
    }
}
