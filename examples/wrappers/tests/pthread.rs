//! A real library in the manner of C, wrapped both ways: `pthread_create` takes a
//! callback with a `void *`, returns a status, and calls on a thread that Rust
//! knows nothing of.

#![cfg(all(target_os = "linux", not(miri)))]
#![allow(unsafe_code)] // C cannot be called without.

use libc::{c_void, pthread_attr_t, pthread_t};
use std::io;
use std::mem::MaybeUninit;
use std::ptr;

/// The attributes of a thread, whose memory the system has, or has not.
fn attributes(possible: bool) -> pthread_attr_t {
    let mut attributes = MaybeUninit::uninit();
    // SAFETY: the first call initializes what the others change.
    unsafe {
        assert_eq!(libc::pthread_attr_init(attributes.as_mut_ptr()), 0);
        let detached = libc::PTHREAD_CREATE_DETACHED;
        libc::pthread_attr_setdetachstate(attributes.as_mut_ptr(), detached);
        let stack = if possible { 1 << 20 } else { usize::MAX / 8 };
        let set = libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), stack);
        assert_eq!(set, 0);
        attributes.assume_init()
    }
}

/// Starts a thread that calls `callback` with `data`. If it returns an error, it
/// does not call.
///
/// # Safety
///
/// `callback` may be called with `data`, on any thread.
unsafe fn start(
    attributes: &pthread_attr_t,
    callback: extern "C" fn(*mut c_void) -> *mut c_void,
    data: *mut c_void,
) -> io::Result<()> {
    let mut thread = MaybeUninit::<pthread_t>::uninit();
    // SAFETY: as the caller promises.
    match unsafe { libc::pthread_create(thread.as_mut_ptr(), attributes, callback, data) } {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

/// Which thread this is, as POSIX sees it.
fn this_thread() -> usize {
    // SAFETY: it has no conditions.
    unsafe { libc::pthread_self() as usize }
}

mod deferred {
    use super::*;
    use tokio_deferred::{Deferred, Failure, Resolver};

    extern "C" fn run(data: *mut c_void) -> *mut c_void {
        // SAFETY: `data` is from `into_raw`, and a thread starts once.
        let resolver = unsafe { Resolver::from_raw(data) };
        resolver.callback(this_thread());
        ptr::null_mut()
    }

    pub(super) fn other_thread(attributes: &pthread_attr_t) -> Deferred<usize> {
        Deferred::from_callback(|resolver| {
            let data = resolver.into_raw();
            // SAFETY: `run` takes what `data` is.
            unsafe { start(attributes, run, data) }.map_err(|refused| {
                // SAFETY: there is no thread, so `data` is ours again.
                drop(unsafe { Resolver::<usize>::from_raw(data) });
                Failure::new(refused)
            })
        })
    }
}

mod oneshot {
    use super::*;
    use tokio::sync::oneshot::{Receiver, Sender, channel};

    extern "C" fn run(data: *mut c_void) -> *mut c_void {
        // SAFETY: `data` is from `Box::into_raw`, and a thread starts once.
        let sender = unsafe { Box::from_raw(data.cast::<Sender<usize>>()) };
        let _ = sender.send(this_thread()); // the caller may have gone
        ptr::null_mut()
    }

    pub(super) fn other_thread(attributes: &pthread_attr_t) -> io::Result<Receiver<usize>> {
        let (sender, receiver) = channel();
        let data = Box::into_raw(Box::<Sender<usize>>::new(sender)).cast();
        // SAFETY: `run` takes what `data` is.
        unsafe { start(attributes, run, data) }.inspect_err(|_| {
            // SAFETY: there is no thread, so `data` is ours again.
            drop(unsafe { Box::from_raw(data.cast::<Sender<usize>>()) });
        })?;
        Ok(receiver)
    }
}

#[tokio::test]
async fn thread_starts_then_both_have_its_name() {
    let attributes = attributes(true);
    let value = deferred::other_thread(&attributes).await.unwrap();
    assert_ne!(value, this_thread());
    let value = oneshot::other_thread(&attributes).unwrap().await.unwrap();
    assert_ne!(value, this_thread());
}

#[tokio::test]
async fn thread_cannot_start_then_both_have_the_status() {
    let attributes = attributes(false);
    let error = deferred::other_thread(&attributes).await.unwrap_err();
    let error = error.downcast::<io::Error>().unwrap();
    assert_eq!(error.raw_os_error(), Some(libc::EAGAIN));
    let error = oneshot::other_thread(&attributes).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EAGAIN));
}
