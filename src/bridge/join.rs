//! Several Deferreds of different types as one.

use crate::chain::{Deferred, Resolver};
use crate::core::{CancelRequest, Delegate, Handle};
use crate::failure::{Failure, report};
use crate::sync::lock;
use std::panic::Location;
use std::sync::{Arc, Mutex, OnceLock};

/// Makes one Deferred of a tuple of up to eight: their values, in a tuple.
///
/// The first failure is its failure, at once; the others go on, and if they
/// fail as well, that is reported as unhandled. Cancelling it cancels each of
/// them in order.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, join, testing};
///
/// let both = join((Deferred::succeed(1), Deferred::succeed("one")));
/// assert_eq!(testing::success_of(both), (1, "one"));
/// ```
#[track_caller]
pub fn join<J: JoinAll>(deferreds: J) -> Deferred<J::Values> {
    deferreds.join_all(Location::caller())
}

/// A tuple of Deferreds, for [`join`].
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, JoinAll, join, testing};
///
/// /// Any tuple of Deferreds, as text.
/// fn show<J: JoinAll<Values: std::fmt::Debug>>(deferreds: J) -> Deferred<String> {
///     join(deferreds).map(|values| format!("{values:?}"))
/// }
///
/// let both = show((Deferred::succeed(1), Deferred::succeed("one")));
/// assert_eq!(testing::success_of(both), r#"(1, "one")"#);
/// ```
pub trait JoinAll: sealed::Sealed {
    /// The tuple of their values.
    type Values: Send + 'static;

    #[doc(hidden)]
    fn join_all(self, made: &'static Location<'static>) -> Deferred<Self::Values>;
}

/// The children's handles, known once all children are.
struct Children(OnceLock<Vec<Handle>>);

impl Delegate for Children {
    fn cancel(self: Arc<Self>, request: CancelRequest) {
        if let Some(children) = self.0.get() {
            request.send_to(children.clone());
        }
    }
}

/// The values that came, until all did or one failed.
struct Joined<S, T>(Mutex<Option<(S, Resolver<T>)>>);

impl<S, T: Send + 'static> Joined<S, T> {
    /// Takes in the result of one child: `put` stores a value, and returns all
    /// of them if it was the last.
    fn take_in<V>(
        &self,
        result: Result<V, Failure>,
        put: impl FnOnce(&mut S, V) -> Option<T>,
        made: &'static Location<'static>,
    ) {
        let mut parts = lock(&self.0);
        match (result, parts.as_mut()) {
            (Ok(value), Some((values, _))) => {
                if let Some(all) = put(values, value) {
                    let taken = parts.take();
                    drop(parts);
                    if let Some((_, resolver)) = taken {
                        resolver.callback(all);
                    }
                }
            }
            (Err(failure), Some(_)) => {
                let taken = parts.take();
                drop(parts);
                if let Some((values, resolver)) = taken {
                    resolver.fire(Err(failure));
                    drop(values);
                }
            }
            (Err(failure), None) => {
                drop(parts);
                report(failure, made, None);
            }
            (Ok(value), None) => {
                drop(parts);
                drop(value);
            }
        }
    }
}

macro_rules! join_tuple {
    ($($T:ident $n:tt),+) => {
        impl<$($T: Send + 'static),+> sealed::Sealed for ($(Deferred<$T>,)+) {}

        impl<$($T: Send + 'static),+> JoinAll for ($(Deferred<$T>,)+) {
            type Values = ($($T,)+);

            fn join_all(self, made: &'static Location<'static>) -> Deferred<Self::Values> {
                let children = Arc::new(Children(OnceLock::new()));
                let (resolver, d) = Deferred::with_delegate(made, children.clone());
                let d = d.fired_by("its children");
                let _ = children.0.set([$(self.$n.pending_handle()),+].into_iter().flatten().collect());
                type Partial<$($T),+> = ($(Option<$T>,)+);
                fn all<$($T),+>(values: &mut Partial<$($T),+>) -> Option<($($T,)+)> {
                    let is_whole = $(values.$n.is_some())&&+;
                    is_whole.then(|| ($(values.$n.take().expect("it is whole"),)+))
                }
                let values: Partial<$($T),+> = ($(None::<$T>,)+);
                let joined = Arc::new(Joined(Mutex::new(Some((values, resolver)))));
                $({
                    let joined = joined.clone();
                    self.$n.end(move |result| joined.take_in(result, |values, value| {
                        values.$n = Some(value);
                        all(values)
                    }, made));
                })+
                d
            }
        }
    };
}

join_tuple!(A 0);
join_tuple!(A 0, B 1);
join_tuple!(A 0, B 1, C 2);
join_tuple!(A 0, B 1, C 2, D 3);
join_tuple!(A 0, B 1, C 2, D 3, E 4);
join_tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
join_tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
join_tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);

mod sealed {
    pub trait Sealed {}
}
