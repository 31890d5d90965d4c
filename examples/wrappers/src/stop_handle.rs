//! An API whose start may fail, and else returns the handle that stops the
//! operation.

/// The API.
pub mod api {
    use crate::Refused;
    use crate::device::{Answer, Device};

    type Callback = Box<dyn FnOnce(Result<u32, Refused>) + Send>;

    #[derive(Clone, Default)]
    pub struct Scanner(Device<Callback>);

    pub struct Scan(Device<Callback>);

    impl Scanner {
        pub fn start(
            &self,
            on_done: impl FnOnce(Result<u32, Refused>) + Send + 'static,
        ) -> Result<Scan, Refused> {
            if let Some(running) = self.0.take() {
                self.0.begin(running);
                return Err(Refused(16)); // busy
            }
            self.0.begin(Box::new(on_done));
            Ok(Scan(self.0.clone()))
        }
    }

    impl Scan {
        /// Drops the callback, if it was not called yet.
        pub fn stop(self) {
            self.0.stop();
        }
    }

    impl Answer for Scanner {
        fn answer(&self, result: Result<u32, Refused>) {
            if let Some(on_done) = self.0.take() {
                on_done(result);
            }
        }
        fn lose(&self) -> bool {
            self.0.take().is_some()
        }
        fn stops(&self) -> Option<usize> {
            Some(self.0.stops())
        }
    }
}

pub mod deferred {
    use super::api::Scanner;
    use tokio_deferred::{CancelOnDrop, Deferred};

    pub fn scan(scanner: &Scanner) -> CancelOnDrop<u32> {
        let scan = Deferred::from_callback(|resolver| {
            let scan = scanner.start(resolver.into_fn())?;
            Ok(move || scan.stop())
        });
        scan.cancel_on_drop()
    }
}

pub mod oneshot {
    use super::api::{Scan, Scanner};
    use crate::Error;
    use tokio::sync::oneshot;

    pub async fn scan(scanner: Scanner) -> Result<u32, Error> {
        let (sender, receiver) = oneshot::channel();
        let scan = scanner.start(|result| {
            let _ = sender.send(result); // the caller may have gone
        })?;
        let _stop = scopeguard::guard(scan, Scan::stop);
        Ok(receiver.await??)
    }
}
