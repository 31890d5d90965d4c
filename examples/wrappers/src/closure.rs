//! An API that takes a closure for a `Result` with an error of its own.

/// The API.
pub mod api {
    use crate::Refused;
    use crate::device::{Answer, Device};

    type Callback = Box<dyn FnOnce(Result<u32, Refused>) + Send>;

    #[derive(Clone, Default)]
    pub struct Sensor(Device<Callback>);

    impl Sensor {
        pub fn read(&self, on_done: impl FnOnce(Result<u32, Refused>) + Send + 'static) {
            self.0.begin(Box::new(on_done));
        }
    }

    impl Answer for Sensor {
        fn answer(&self, result: Result<u32, Refused>) {
            if let Some(on_done) = self.0.take() {
                on_done(result);
            }
        }
        fn lose(&self) -> bool {
            self.0.take().is_some()
        }
    }
}

pub mod deferred {
    use super::api::Sensor;
    use tokio_deferred::Deferred;

    pub fn read(sensor: &Sensor) -> Deferred<u32> {
        Deferred::from_callback(|resolver| sensor.read(resolver.into_fn()))
    }
}

pub mod oneshot {
    use super::api::Sensor;
    use crate::Error;
    use tokio::sync::oneshot;

    pub async fn read(sensor: Sensor) -> Result<u32, Error> {
        let (sender, receiver) = oneshot::channel();
        sensor.read(|result| {
            let _ = sender.send(result); // the caller may have gone
        });
        Ok(receiver.await??)
    }
}
