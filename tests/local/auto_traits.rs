//! No part of a local chain leaves its thread: asserted by the compiler.

use std::num::ParseIntError;
use std::rc::Rc;
use tokio_deferred::local::{
    LocalCancelHandle, LocalCancelOnDrop, LocalDeferred, LocalDeferredList, LocalPause,
    LocalResolver, LocalSharedDeferred, LocalSharedResolver,
};

/// Compiles only if the type has not the trait: with it, two impls apply.
macro_rules! assert_is_not {
    ($trait:ident: $($type:ty),+ $(,)?) => {{
        trait AmbiguousIf<A> {
            fn item() {}
        }
        impl<T: ?Sized> AmbiguousIf<()> for T {}
        struct Has;
        impl<T: ?Sized + $trait> AmbiguousIf<Has> for T {}
        $(let _ = <$type as AmbiguousIf<_>>::item;)+
    }};
}

/// The same of the type of an expression that cannot be named.
macro_rules! assert_value_is_not_send {
    ($value:expr) => {{
        trait AmbiguousIf<A> {
            fn item(&self) {}
        }
        impl<T: ?Sized> AmbiguousIf<()> for T {}
        struct Has;
        impl<T: ?Sized + Send> AmbiguousIf<Has> for T {}
        AmbiguousIf::<_>::item(&$value);
    }};
}

#[test]
fn no_part_is_send_even_if_its_value_is() {
    assert_is_not!(Send:
        LocalDeferred<i32>,
        LocalResolver<i32>,
        LocalPause,
        LocalCancelHandle,
        LocalCancelOnDrop<i32>,
        LocalSharedDeferred<i32>,
        LocalSharedResolver<i32>,
        LocalDeferredList<i32>,
    );
}

#[test]
fn no_part_is_sync_even_if_its_value_is() {
    assert_is_not!(Sync:
        LocalDeferred<i32>,
        LocalResolver<i32>,
        LocalPause,
        LocalCancelHandle,
        LocalCancelOnDrop<i32>,
        LocalSharedDeferred<i32>,
        LocalSharedResolver<i32>,
        LocalDeferredList<i32>,
    );
}

async fn awaited(d: LocalDeferred<i32>) {
    d.await.expect("it has a value");
}

#[test]
fn no_future_of_a_part_is_send() {
    let (mut resolver, d) = LocalDeferred::<i32>::new();
    assert_value_is_not_send!(resolver.cancelled());
    resolver.callback(1);
    assert_value_is_not_send!(awaited(d));
}

#[test]
fn no_function_of_a_resolver_is_send() {
    fn resolver() -> LocalResolver<i32> {
        let (resolver, d) = LocalDeferred::<i32>::new();
        d.detach();
        resolver
    }
    assert_value_is_not_send!(resolver().into_fn::<ParseIntError>());
    assert_value_is_not_send!(resolver().into_fn_mut::<ParseIntError>());
    let (ok, err) = resolver().into_callbacks::<ParseIntError>();
    assert_value_is_not_send!(ok);
    assert_value_is_not_send!(err);
}

#[test]
fn values_and_callbacks_may_be_anything() {
    let text = Rc::new("a".to_owned());
    let d = LocalDeferred::succeed(text.clone()).map({
        let text = text.clone();
        move |value| Rc::ptr_eq(&value, &text)
    });
    assert!(d.try_result().unwrap().unwrap());
}

#[test]
fn halves_are_unpin() {
    fn is_unpin<T: Unpin>() {}
    is_unpin::<LocalDeferred<std::marker::PhantomPinned>>();
    is_unpin::<LocalResolver<std::marker::PhantomPinned>>();
}
