//! The half that fires, as users hold it, and as a pointer that C code carries.
//! Its other methods stand in the chain module, which has no `unsafe`.

use super::types::Producer;
use crate::core::memory::ptr::ChainPtr;
use std::ffi::c_void;
use std::ptr::NonNull;

/// The half of a Deferred that fires it.
///
/// Firing consumes it, so a Deferred cannot be fired twice. It runs the stages
/// on this thread, before it returns; no panic of theirs comes out of it. It
/// may be sent to, and fired from, any thread, with or without a runtime.
///
/// After the Deferred was cancelled, a fire is swallowed: the value is dropped,
/// and a failure is not reported.
///
/// Dropped unfired, it fails its Deferred with
/// [`ResolverDropped`](crate::ResolverDropped), which names the place where the
/// pair was made. (Where such drops nest more than 32 deep, because dropped
/// callbacks own resolvers, the inner ones come when the outermost is over.)
///
/// What an API wants to be given, and what gives it:
///
/// | the API takes | give it |
/// |---|---|
/// | one function of a result | [`into_fn`](Resolver::into_fn) |
/// | a function that it may call again | [`into_fn_mut`](Resolver::into_fn_mut) |
/// | one function for success, one for errors | [`into_callbacks`](Resolver::into_callbacks) |
/// | several functions, or an object with several methods | [`shared`](Resolver::shared) |
/// | a C function and a `void *` | [`into_raw`](Resolver::into_raw) |
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, testing};
///
/// let (resolver, d) = Deferred::<i32>::new();
/// drop(resolver);
/// assert!(testing::failure_of(d).is_resolver_dropped());
/// ```
#[doc(alias = "promise")]
#[doc(alias = "sender")]
#[doc(alias = "continuation")]
#[must_use = "a Resolver that is dropped fails its Deferred with ResolverDropped"]
pub struct Resolver<T> {
    pub(crate) producer: Producer<T>,
}

impl<T> Resolver<T> {
    #[inline]
    pub(crate) fn new(producer: Producer<T>) -> Self {
        Resolver { producer }
    }
}

/// As a pointer, for APIs of C that carry a `void *` for the caller.
impl<T: Send + 'static> Resolver<T> {
    /// Turns the resolver into a pointer, to be passed through C code as the
    /// `void *` of a callback.
    ///
    /// It allocates nothing: a resolver is one pointer. The pointer must come
    /// back through [`from_raw`](Resolver::from_raw), once; if it never does, the
    /// Deferred never gets a result, and its memory is leaked. C code must
    /// neither read what is behind it nor free it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::ffi::c_void;
    /// use tokio_deferred::{Deferred, Resolver, testing};
    ///
    /// /// What the C library calls, from any thread.
    /// unsafe extern "C" fn on_done(status: i32, data: *mut c_void) {
    ///     // SAFETY: `data` comes from `into_raw`, and the library calls back once.
    ///     let resolver = unsafe { Resolver::<i32>::from_raw(data) };
    ///     resolver.callback(status);
    /// }
    ///
    /// // In place of the C library:
    /// fn start(callback: unsafe extern "C" fn(i32, *mut c_void), data: *mut c_void) {
    ///     // SAFETY: `data` is what `callback` asks for.
    ///     unsafe { callback(3, data) }
    /// }
    ///
    /// let d = Deferred::<i32>::from_callback(|resolver| start(on_done, resolver.into_raw()));
    /// assert_eq!(testing::success_of(d), 3);
    /// ```
    #[must_use = "a pointer that does not come back through from_raw leaks its Deferred"]
    pub fn into_raw(self) -> *mut c_void {
        self.producer.into_ptr().address().as_ptr().cast()
    }

    /// Turns a pointer that [`into_raw`](Resolver::into_raw) returned back into
    /// the resolver, on any thread.
    ///
    /// # Safety
    ///
    /// `raw` comes from `into_raw` of a `Resolver<T>` with the same `T`, and is
    /// turned back once. If the start of an operation failed and the library will
    /// not call back, the caller turns it back there.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio_deferred::{Deferred, Resolver, testing};
    ///
    /// let (resolver, d) = Deferred::<i32>::new();
    /// let raw = resolver.into_raw();
    /// // SAFETY: it comes from the line above, and is used once.
    /// drop(unsafe { Resolver::<i32>::from_raw(raw) });
    /// assert!(testing::failure_of(d).is_resolver_dropped());
    /// ```
    pub unsafe fn from_raw(raw: *mut c_void) -> Self {
        // SAFETY: the caller says that it comes from `into_raw` of this `T`, and
        // is used once: so it is a chain, whose producer's reference becomes ours.
        let chain = ChainPtr::new(unsafe { NonNull::new_unchecked(raw.cast()) });
        Resolver::new(Producer::new(chain))
    }
}
