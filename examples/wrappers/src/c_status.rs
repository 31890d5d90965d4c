//! An API in the manner of C: a callback with a `void *`, and a start that
//! returns a status.

#![allow(unsafe_code)] // C cannot be called without.

/// The API.
pub mod api {
    use crate::Refused;
    use crate::device::{Answer, Device};
    use std::ffi::{c_int, c_void};

    pub type Callback = unsafe extern "C" fn(data: *mut c_void, status: c_int, value: u32);

    /// The address of a `void *`, which another thread may give to the callback.
    type Address = usize;

    #[derive(Clone, Default)]
    pub struct Thermometer(Device<(Callback, Address)>);

    /// Calls `callback` later, once, from any thread, with `data`: then it returns
    /// 0. Else it returns the negative code of an error, and does not call.
    ///
    /// # Safety
    ///
    /// `callback` may be called with `data`.
    pub unsafe extern "C" fn thermometer_read(
        thermometer: &Thermometer,
        callback: Callback,
        data: *mut c_void,
    ) -> c_int {
        if let Some(running) = thermometer.0.take() {
            thermometer.0.begin(running);
            return -16; // busy
        }
        thermometer.0.begin((callback, data.expose_provenance()));
        0
    }

    /// What a status says.
    pub fn check(status: c_int) -> Result<(), Refused> {
        match status {
            0 => Ok(()),
            code => Err(Refused(code.unsigned_abs())),
        }
    }

    impl Answer for Thermometer {
        fn answer(&self, result: Result<u32, Refused>) {
            if let Some((callback, data)) = self.0.take() {
                let data = std::ptr::with_exposed_provenance_mut(data);
                let (status, value) = match result {
                    Ok(value) => (0, value),
                    Err(Refused(code)) => (-code.cast_signed(), 0),
                };
                // SAFETY: the caller of `thermometer_read` promised so.
                unsafe { callback(data, status, value) };
            }
        }
        fn lose(&self) -> bool {
            self.0.take().is_some() // nothing drops what a `void *` points to
        }
    }
}

pub mod deferred {
    use super::api::{Thermometer, check, thermometer_read};
    use std::ffi::{c_int, c_void};
    use tokio_deferred::{Deferred, Failure, Resolver};

    unsafe extern "C" fn on_done(data: *mut c_void, status: c_int, value: u32) {
        // SAFETY: `data` is from `into_raw`, and the library calls once.
        let resolver = unsafe { Resolver::from_raw(data) };
        resolver.resolve(check(status).map(|()| value));
    }

    pub fn read(thermometer: &Thermometer) -> Deferred<u32> {
        Deferred::from_callback(|resolver| {
            let data = resolver.into_raw();
            // SAFETY: `on_done` takes what `data` is.
            let status = unsafe { thermometer_read(thermometer, on_done, data) };
            check(status).map_err(|refused| {
                // SAFETY: the library refused, so `data` is ours again.
                drop(unsafe { Resolver::<u32>::from_raw(data) });
                Failure::new(refused)
            })
        })
    }
}

pub mod oneshot {
    use super::api::{Thermometer, check, thermometer_read};
    use crate::{Error, Refused};
    use std::ffi::{c_int, c_void};
    use tokio::sync::oneshot;

    type Sender = oneshot::Sender<Result<u32, Refused>>;

    unsafe extern "C" fn on_done(data: *mut c_void, status: c_int, value: u32) {
        // SAFETY: `data` is from `into_raw`, and the library calls once.
        let sender = unsafe { Box::from_raw(data.cast::<Sender>()) };
        let _ = sender.send(check(status).map(|()| value)); // the caller may have gone
    }

    pub async fn read(thermometer: Thermometer) -> Result<u32, Error> {
        let (sender, receiver) = oneshot::channel();
        // A block, for a pointer that lives across an `.await` is not `Send`.
        {
            let data = Box::into_raw(Box::<Sender>::new(sender)).cast();
            // SAFETY: `on_done` takes what `data` is.
            let status = unsafe { thermometer_read(&thermometer, on_done, data) };
            check(status).inspect_err(|_| {
                // SAFETY: the library refused, so `data` is ours again.
                drop(unsafe { Box::from_raw(data.cast::<Sender>()) });
            })?;
        }
        Ok(receiver.await??)
    }
}
