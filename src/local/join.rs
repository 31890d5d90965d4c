//! Several local Deferreds of different types as one.

use super::{LocalDeferred, OnThread};
use crate::primitive;

/// Makes one local Deferred of a tuple of up to eight: their values, in a
/// tuple; as [`join`](crate::join()).
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use tokio_deferred::local::{self, LocalDeferred};
///
/// let both = local::join((LocalDeferred::succeed(1), LocalDeferred::succeed(Rc::new("one"))));
/// assert_eq!(both.try_result().unwrap().unwrap(), (1, Rc::new("one")));
/// ```
#[track_caller]
pub fn join<J: LocalJoinAll>(deferreds: J) -> LocalDeferred<J::Values> {
    deferreds.join_all_local()
}

/// A tuple of local Deferreds, for [`join`](join()).
///
/// # Examples
///
/// ```
/// use tokio_deferred::local::{self, LocalDeferred, LocalJoinAll};
///
/// /// Any tuple of local Deferreds, as text.
/// fn show<J: LocalJoinAll<Values: std::fmt::Debug>>(deferreds: J) -> LocalDeferred<String> {
///     local::join(deferreds).map(|values| format!("{values:?}"))
/// }
///
/// let both = show((LocalDeferred::succeed(1), LocalDeferred::succeed("one")));
/// assert_eq!(both.try_result().unwrap().unwrap(), r#"(1, "one")"#);
/// ```
pub trait LocalJoinAll: sealed::Sealed {
    /// The tuple of their values.
    type Values: 'static;

    #[doc(hidden)]
    fn join_all_local(self) -> LocalDeferred<Self::Values>;
}

macro_rules! join_tuple {
    ($($T:ident $n:tt),+) => {
        impl<$($T: 'static),+> sealed::Sealed for ($(LocalDeferred<$T>,)+) {}

        impl<$($T: 'static),+> LocalJoinAll for ($(LocalDeferred<$T>,)+) {
            type Values = ($($T,)+);

            #[track_caller]
            fn join_all_local(self) -> LocalDeferred<Self::Values> {
                let joined = primitive::join(($(self.$n.into_confined_deferred(),)+));
                LocalDeferred::wrap(joined.map(|values| {
                    OnThread::new(($(values.$n.into_inner(),)+))
                }))
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
